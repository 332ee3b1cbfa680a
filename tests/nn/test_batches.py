"""The law of batches: a row of a batch is computed as if it were alone, whatever the other rows are.

For every model: row i of a batch equals the batch that consists of row i, though all other rows have NaN past
their lengths; a permutation of the rows permutes the result; and the gradients of the parameters are sums over
the rows. A batch without rows has results without rows, and gradients of zero.
"""

import batches
import numpy as np
import pytest
from batches import T
from hypothesis import example, given, settings
from hypothesis import strategies as st
from models import MODELS
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import nn

# lengths, or the number of rows of T steps each
ROWS = st.lists(st.integers(0, T), max_size=3) | st.integers(0, 3)


def computed(model, parts, lengths, weights=None):
    """The outputs, and the gradients of sum(weights * outputs) by the inputs and the parameters."""
    given = [ts.tensor(p.values, requires_grad=p.differentiable) for p in parts]
    outputs = model.run(given, None if lengths is None else lengths.tolist())
    weights = weights or drawn_weights(outputs)
    loss = sum(
        ((p.values * w.values).sum() for p, w in zip(outputs, weights, strict=True) if p.differentiable),
        ts.tensor(np.float64(0)),
    )
    wanted = [x for x in given if x.requires_grad]
    parameters = model.parameters()
    found = ts.grad(loss, [*wanted, *parameters], zeros=True) if wanted or parameters else []
    by_inputs = iter(found[: len(wanted)])
    return (
        [batches.Part(p.values.numpy(), p.batch) for p in outputs],
        [batches.Part(next(by_inputs).numpy(), p.batch, p.time) for p in parts if p.differentiable],
        [g.numpy() for g in found[len(wanted) :]],
        weights,
    )


def drawn_weights(outputs):
    rng = np.random.default_rng(5)
    return [
        batches.Part(rng.normal(size=p.values.shape) if p.batch is not None else np.ones(()), p.batch)
        for p in outputs
    ]


def agree(found, expected, name):
    assert found.shape == expected.shape, name
    assert_allclose(found, expected, rtol=1e-9, atol=1e-11, err_msg=name)


def law(model, lengths, batch, seed=0):
    rng = np.random.default_rng(seed)
    lengths = None if lengths is None else np.array(lengths, int)
    parts = model.draw(rng, batch)
    spoilt = [p.padded(lengths, np.nan) for p in parts]
    outputs, by_inputs, by_parameters, weights = computed(model, spoilt, lengths)
    for g in by_inputs:  # what lies past a length has no influence
        outside = g.padded(lengths, 0.0)
        assert (g.values == outside.values).all()

    def chosen(rows):
        few = [p.rows(rows) for p in parts]
        own = None if lengths is None else lengths[rows]
        return computed(model, few, own, [w.rows(rows) for w in weights])

    order = rng.permutation(batch).tolist()
    sums = [np.zeros_like(g) for g in by_parameters]
    totals = [np.zeros(()) for _ in outputs]
    for rows in [*([i] for i in range(batch)), order]:
        found, own_inputs, own_parameters, _ = chosen(rows)
        for k, (all_rows, these) in enumerate(zip(outputs, found, strict=True)):
            if these.batch is not None:
                agree(these.values, all_rows.rows(rows).values, f"output {k}, rows {rows}")
            elif rows is not order:
                totals[k] = totals[k] + these.values
            else:
                agree(these.values, all_rows.values, f"output {k}, permuted")
        for k, (all_rows, these) in enumerate(zip(by_inputs, own_inputs, strict=True)):
            agree(these.values, all_rows.rows(rows).values, f"gradient of input {k}, rows {rows}")
        if rows is order:
            for k, (g, own) in enumerate(zip(by_parameters, own_parameters, strict=True)):
                agree(own, g, f"gradient of parameter {k}, permuted")
        else:
            sums = [total + own for total, own in zip(sums, own_parameters, strict=True)]
    for k, (g, total) in enumerate(zip(by_parameters, sums, strict=True)):
        agree(g, total, f"gradient of parameter {k}")
    for k, (part, total) in enumerate(zip(outputs, totals, strict=True)):
        if part.batch is None:
            agree(part.values, total, f"output {k}")


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=2, deadline=None)
@given(ROWS)
@example(0)
@example(3)
@example([])
@example([2, T, 0])
def test_a_row_of_a_batch_is_as_if_alone(name, rows):
    batch = rows if isinstance(rows, int) else len(rows)
    law(MODELS[name], rows if isinstance(rows, list) and MODELS[name].lengths else None, batch)


def test_every_model_is_in_the_list():
    """A new cell of the registry is; a new class that is not has to be added to `models.py`."""
    inside = {type(part) for model in MODELS.values() for module in model.modules for part in module.modules()}
    kinds = [kind for name in nn.__all__ if isinstance(kind := getattr(nn, name), type)]
    bases = (nn.Cell, nn.Runner, nn.Decoder)
    abstract = {*bases, nn.OneToMany}
    models = {kind for kind in kinds if issubclass(kind, bases)} - abstract
    assert {kind for kind in models if not any(issubclass(part, kind) for part in inside)} == set()
