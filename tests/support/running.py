"""Cells, inputs and states for tests of cells and runners; and comparisons of results."""

import numpy as np
import pytest
from combined import CHOOSING, COMBINED
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import nn

F64 = {"dtype": np.float64}
I, H = 3, 5  # noqa: E741


CELLS = [pytest.param(kind, id=name) for name, kind in (nn.CELLS | COMBINED).items()]
SMOOTH = [param for param in CELLS if param.id not in CHOOSING]


def parts(state):
    """The tensors of a state."""
    return [part for s in state for part in parts(s)] if isinstance(state, tuple) else [state]


def each(f, state):
    """f applied to every tensor of a state."""
    return tuple(each(f, s) for s in state) if isinstance(state, tuple) else f(state)


def rows(state, i):
    """The state of row i, as a batch of one."""
    return each(lambda part: part[i : i + 1], state)


def is_float(part):
    return part.dtype.kind == "f"


def problem(kind, steps, batch, seed=0):
    """A cell, inputs and a state, all of them leaves in float64; and the weights of a loss."""
    rng = np.random.default_rng(seed)
    cell = kind(I, H, rng=rng, dtype=np.float64)
    xs = ts.tensor(rng.normal(size=(steps, batch, I)), requires_grad=True)
    state = each(
        lambda part: ts.tensor(rng.normal(size=part.shape), requires_grad=True) if is_float(part) else part,
        cell.initial_state(batch, like=xs),
    )
    weights = rng.normal(size=(steps, batch, H)), rng.normal(size=(batch, 1))
    return cell, xs, state, weights


def agree(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert_allclose(a, b, rtol=1e-11, atol=1e-13)


AWKWARD = [[0], [4], [1], [0, 0], [2, 4, 0], [4, 4], [1, 3, 2]]  # lengths, for 4 steps


def bidirectional(input_size=I, sizes=(H, 4), seed=0, **options):
    rng = np.random.default_rng(seed)
    forward, backward = sizes
    return nn.Bidirectional(
        nn.LSTMCell(input_size, forward, rng=rng, **F64),
        nn.GRUCell(input_size, backward, rng=rng, **F64),
        **options,
    )


def loss_by(weights):
    """L = sum w_t y_t^2 / 2, whose partial derivative by y_t, with later outputs fixed, is w_t y_t."""
    return lambda ys: 0.5 * (ys * ys * weights).sum()
