"""Combinators compared with their equations; Bidirectional and Layers; sequences of unequal lengths.

The laws of cells are also tested for combinators, by the tests of cells: `combined.py` lists them.
"""
# ruff: noqa: N806 (weights have the names that they have in the cells)

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from results import assert_allclose
from running import AWKWARD, agree, bidirectional, each, parts, rows

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.testing import check_grad

I, H = 3, 5  # noqa: E741
F64 = {"dtype": np.float64}


def values(state):
    return [part.numpy() for part in parts(state)]


def inputs(steps, batch, seed=0):
    return ts.tensor(np.random.default_rng(seed).normal(size=(steps, batch, I)), requires_grad=True)


def random_state(state, seed=1):
    """A state of the same structure with random leaves."""
    rng = np.random.default_rng(seed)
    return each(lambda part: ts.tensor(rng.normal(size=part.shape), requires_grad=True), state)


# --- Stacked ------------------------------------------------------------------------------------------


def test_a_stack_is_its_cells_one_after_the_other():
    first, second = nn.LSTMCell(I, 4, rng=0, **F64), nn.GRUCell(4, 2, rng=1, **F64)
    third = nn.RNNCell(2, H, rng=2, **F64)
    stack, x = nn.Stacked(first, second, third), inputs(1, 2)[0]
    state = random_state(stack.initial_state(2, like=x))
    assert [part.shape for part in parts(state)] == [(2, 4), (2, 4), (2, 2), (2, H)]
    after, y = stack(state, x)
    s1, y1 = first(state[0], x)
    s2, y2 = second(state[1], y1)
    s3, y3 = third(state[2], y2)
    agree([*values(after), y.numpy()], [*values((s1, s2, s3)), y3.numpy()])
    names = [name for name, _ in stack.named_parameters()]
    assert names == [f"cells.{i}.{name}" for i in range(3) for name in ("Wx", "Wh", "b")]


def test_a_stack_of_stacks_is_a_stack():
    cells = [nn.RNNCell(I, 4, rng=0, **F64), nn.LSTMCell(4, 2, rng=1, **F64), nn.RNNCell(2, H, rng=2, **F64)]
    xs = inputs(3, 2)
    flat, _ = nn.Recurrent(nn.Stacked(*cells))(xs)
    nested, final = nn.Recurrent(nn.Stacked(nn.Stacked(*cells[:2]), cells[2]))(xs)
    agree([flat.numpy()], [nested.numpy()])
    assert [type(s) for s in final] == [tuple, ts.Tensor]


@pytest.mark.parametrize("batch", [1, 2])
def test_derivatives_of_a_stack_to_second_order(batch):
    first, second = nn.GRUCell(I, 2, rng=0, **F64), nn.LSTMCell(2, H, rng=1, **F64)
    start = random_state(nn.Stacked(first, second).initial_state(batch, like=inputs(1, batch)[0]))

    def step(x, h1, h2, c2, w):
        first.Wx = w
        (s1, (h, c)), y = nn.Stacked(first, second)((h1, (h2, c2)), x)
        return s1, h, c, y

    check_grad(step, inputs(1, batch)[0].numpy(), *values(start), first.Wx.numpy())


def test_errors_of_a_stack():
    with pytest.raises(ValueError, match="Stacked needs at least one cell"):
        nn.Stacked()
    rnn = nn.Recurrent(nn.Stacked(nn.RNNCell(I, 4, rng=0), nn.RNNCell(4, H, rng=1)))
    xs = np.ones((3, 2, I), np.float32)
    h = ts.tensor(np.zeros((2, 4), np.float32))
    with pytest.raises(ValueError, match=r"state of 2 cells must be a tuple of 2 states, not float32\[2,4\]"):
        rnn(xs, h)
    with pytest.raises(ValueError, match="not a tuple of 1"):
        rnn(xs, (h,))


# --- other combinators, compared with their equations in NumPy ------------------------------------------

T, B = 5, 2
xs_ = np.random.default_rng(5).normal(size=(T, B, I))


def numbers(cell):
    """Wx, Wh, b of a vanilla network."""
    return tuple(p.numpy() for p in (cell.Wx, cell.Wh, cell.b))


def test_shortcuts_of_a_stack():
    """h^n_t of [x_t; h^{n-1}_t] and h^n_{t-1}, y_t of all h^n_t (Graves 2013, equations 1 and 2)."""
    cells = [
        nn.RNNCell(size, units, rng=k, **F64)
        for k, (size, units) in enumerate([(I, 4), (I + 4, 2), (I + 2, 6)])
    ]
    h, inputs_too, outputs_too, both = [np.zeros((B, u)) for u in (4, 2, 6)], [], [], []
    plain = [np.zeros((B, 4))]
    for x in xs_:
        below = x
        for n, cell in enumerate(cells):
            Wx, Wh, b = numbers(cell)
            h[n] = np.tanh(below @ Wx + h[n] @ Wh + b)
            below = np.concatenate([x, h[n]], axis=1)
        inputs_too.append(h[-1])
        both.append(np.concatenate(h, axis=1))
        Wx, Wh, b = numbers(cells[0])
        plain.append(np.tanh(x @ Wx + plain[-1] @ Wh + b))
        outputs_too.append(np.concatenate([plain[-1], plain[-1]], axis=1))
    for expected, options in ((inputs_too, {}), (both, {"all_to_output": True})):
        ys, state = nn.Recurrent(nn.Stacked(*cells, input_to_all=True, **options))(xs_)
        assert_allclose(ys.numpy(), expected, rtol=1e-12)
        for part, own in zip(state, h, strict=True):
            assert_allclose(part.numpy(), own, rtol=1e-12)
    # all_to_output without input_to_all; the second layer returns its input
    first, same = cells[0], Same()
    ys, _ = nn.Recurrent(nn.Stacked(first, same, all_to_output=True))(xs_)
    assert_allclose(ys.numpy(), outputs_too, rtol=1e-12)


class Same(nn.Cell):
    """y = x, with a state that does not depend on x."""

    def initial_state(self, batch, like):
        return ts.zeros_like(like, shape=(batch, 1))

    def __call__(self, state, x):
        return state + 1.0, x


def test_a_residual_cell():
    """y_t = x_t + h_t"""
    cell = nn.LSTMCell(I, I, rng=0, **F64)
    ys, state = nn.Recurrent(nn.Residual(cell))(xs_)
    plain, after = nn.Recurrent(cell)(xs_)
    assert_allclose(ys.numpy(), xs_ + plain.numpy(), rtol=1e-13)
    agree(values(state), values(after))


def test_a_deep_transition():
    """z_1 of h and x, z_k of z_{k-1} and, by the shortcut, of h (Pascanu et al. 2014, the DT(S)-RNN)."""
    first, *others = cells = [nn.RNNCell(size, H, rng=k, **F64) for k, size in enumerate((I, H, H))]
    h, expected = np.zeros((B, H)), []
    for x in xs_:
        Wx, Wh, b = numbers(first)
        z = np.tanh(h @ Wh + x @ Wx + b)
        for cell in others:
            Wx, Wh, b = numbers(cell)
            z = np.tanh(z @ Wh + h @ Wx + b)
        h = z
        expected.append(h)
    ys, state = nn.Recurrent(nn.DeepTransition(*cells))(xs_)
    assert_allclose(ys.numpy(), expected, rtol=1e-12)
    assert_allclose(state.numpy(), h, rtol=1e-12)


def test_a_deep_transition_without_a_shortcut():
    """z_k of z_{k-1} only: the DT-RNN."""
    cells = [nn.RNNCell(size, H, rng=k, **F64) for k, size in enumerate((I, 0, 0))]
    h, expected = np.zeros((B, H)), []
    for x in xs_:
        h = np.tanh(x @ cells[0].Wx.numpy() + h @ cells[0].Wh.numpy() + cells[0].b.numpy())
        for cell in cells[1:]:
            h = np.tanh(h @ cell.Wh.numpy() + cell.b.numpy())
        expected.append(h)
    ys, _ = nn.Recurrent(nn.DeepTransition(*cells, shortcut=False))(xs_)
    assert_allclose(ys.numpy(), expected, rtol=1e-12)


def test_deep_functions_before_and_after_a_cell():
    """The input-to-hidden and the hidden-to-output function are deep (Pascanu et al. 2014, the DOT-RNN)."""
    one, two, out = nn.Linear(I, 6, rng=0, **F64), nn.Linear(6, 4, rng=1, **F64), nn.Linear(H, 2, rng=2, **F64)
    cell = nn.RNNCell(4, H, rng=3, **F64)
    Wx, Wh, b = numbers(cell)
    affine = [(layer.weight.numpy(), layer.bias.numpy()) for layer in (one, two, out)]
    h, expected = np.zeros((B, H)), []
    for x in xs_:
        for W, c in affine[:2]:
            x = np.tanh(x @ W + c)
        h = np.tanh(x @ Wx + h @ Wh + b)
        expected.append(np.tanh(h @ affine[2][0] + affine[2][1]))
    before, after = nn.Sequential(one, ts.tanh, two, ts.tanh), nn.Sequential(out, ts.tanh)
    mapped = nn.Mapped(cell, before=before, after=after)
    assert_allclose(nn.Recurrent(mapped)(xs_)[0].numpy(), expected, rtol=1e-12)
    bare = nn.Mapped(cell)
    inner = np.random.default_rng(0).normal(size=(T, B, 4))
    assert_allclose(nn.Recurrent(bare)(inner)[0].numpy(), nn.Recurrent(cell)(inner)[0].numpy(), rtol=1e-13)


@pytest.mark.in_numpy
def test_scan_moves_the_functions_around_a_cell_out_of_the_loop():
    """Of all products of a step, only the product with h is in the loop."""
    cell = nn.Mapped(nn.RNNCell(4, H, rng=0), before=nn.Linear(I, 4, rng=1), after=nn.Linear(H, 2, rng=2))
    xs = ts.tensor(xs_.astype(np.float32))
    text = str(ts.explain(cell, cell.initial_state(B, like=xs), xs))
    forward, _, _ = text.partition("backward")
    before, _, rest = forward.partition("\nloop")
    loop, _, after = rest.partition("\nafter")
    names = [sorted(set(re.findall(r"\bW[xh]\b|\bweight1?\b", part))) for part in (before, loop, after)]
    assert names == [["Wx", "weight"], ["Wh"], ["weight1"]]


def test_fed_back_receives_the_output_of_the_previous_step():
    cell, readout = nn.RNNCell(I + 2, H, rng=0, **F64), nn.Linear(H, 2, rng=1, **F64)
    Wx, Wh, b = numbers(cell)
    h, y, expected = np.zeros((B, H)), np.zeros((B, 2)), []
    for x in xs_:
        h = np.tanh(np.concatenate([x, y], axis=1) @ Wx + h @ Wh + b)
        y = h @ readout.weight.numpy() + readout.bias.numpy()
        expected.append(y)
    ys, (last, own) = nn.Recurrent(nn.FedBack(cell, readout, size=2))(xs_)
    assert_allclose(ys.numpy(), expected, rtol=1e-12)
    assert_allclose(last.numpy(), h, rtol=1e-12)
    assert_allclose(own.numpy(), y, rtol=1e-12)


def test_a_learned_start_is_added_to_the_initial_state_of_the_cell():
    """For every row of the batch; integer tensors, as the clock of a clockwork network, do not change."""
    clockwork = nn.ClockworkRNNCell(I, 4, periods=(1, 2), rng=0, **F64)
    cell = nn.LearnedStart(nn.Stacked(nn.LSTMCell(I, I, rng=1, **F64), clockwork), **F64)
    assert [name for name, _ in cell.named_parameters()][-3:] == ["start.0", "start.1", "start.2"]
    assert [(d.shape, d.dtype) for d in cell.start] == [((1, I), np.float64)] * 2 + [((1, 4), np.float64)]
    plain = cell.cell.initial_state(B, like=ts.tensor(xs_))
    agree(values(cell.initial_state(B, like=ts.tensor(xs_))), values(plain))  # initially
    for d in cell.start:
        d.assign_(np.random.default_rng(2).normal(size=d.shape))
    (h, c), (u, clock) = cell.initial_state(B, like=ts.tensor(xs_))
    for part, d in zip((h, c, u), cell.start, strict=True):
        assert (part.numpy() == np.repeat(d.numpy(), B, axis=0)).all()
    assert (clock.numpy() == plain[1][1].numpy()).all()
    agree([nn.Recurrent(cell)(xs_)[0].numpy()], [nn.Recurrent(cell.cell)(xs_, ((h, c), (u, clock)))[0].numpy()])


def test_a_shortcut_past_layers():
    layer, x = nn.Linear(I, I, rng=0, **F64), xs_[0]
    assert_allclose(
        nn.Shortcut(layer, ts.tanh)(ts.tensor(x)).numpy(), x + np.tanh(layer(x).numpy()), rtol=1e-13
    )


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: nn.DeepTransition(), ValueError, "DeepTransition needs at least one cell"),
        (
            lambda: nn.Recurrent(nn.DeepTransition(nn.LSTMCell(I, H, dtype=np.float64)))(xs_),
            TypeError,
            "one tensor, got a tuple",
        ),
        (
            lambda: nn.DeepTransition(nn.LSTMCell(I, H))((np.ones((B, H)), np.ones((B, H))), xs_[0]),
            TypeError,
            "one tensor, got a tuple",
        ),
        (
            lambda: nn.Recurrent(nn.Residual(nn.RNNCell(I, H, dtype=np.float64)))(xs_),
            ValueError,
            r"got output float64\[2,5\] for input float64\[2,3\]",
        ),
        (
            lambda: nn.Recurrent(nn.Residual(nn.RNNCell(I, 1, dtype=np.float64)))(xs_),
            ValueError,
            r"got output float64\[2,1\] for input",
        ),
        (lambda: nn.Shortcut(nn.Linear(I, 1, dtype=np.float64))(xs_), ValueError, "make the two sizes equal"),
    ],
)
def test_errors_of_combinators(make, kind, message):
    with pytest.raises(kind, match=message):
        make()


# --- Bidirectional ------------------------------------------------------------------------------------


def start_of(rnn, xs):
    """A random state of a bidirectional runner."""
    cells = rnn.forward.cell, rnn.backward.cell
    return random_state(tuple(cell.initial_state(xs.shape[1], like=xs) for cell in cells))


@pytest.mark.parametrize(("steps", "batch"), [(4, 2), (1, 2), (4, 1), (1, 1)])
def test_bidirectional_is_two_loops(steps, batch):
    rnn, xs = bidirectional(), inputs(steps, batch)
    state = start_of(rnn, xs)
    ys, final = rnn(xs, state)
    (sf, sb), forward, backward = state, [], {}
    for t in range(steps):
        sf, y = rnn.forward.cell(sf, xs[t])
        forward.append(y)
    for t in reversed(range(steps)):
        sb, backward[t] = rnn.backward.cell(sb, xs[t])
    loops = ts.stack([ts.concatenate([forward[t], backward[t]], axis=-1) for t in range(steps)])
    assert ys.shape == (steps, batch, H + 4)
    agree([ys.numpy(), *values(final)], [loops.numpy(), *values((sf, sb))])

    leaves = [*rnn.parameters(), xs, *parts(state)]
    w = np.random.default_rng(2).normal(size=ys.shape)
    ours = ts.grad((ys * w).sum() + sum((p * p).sum() for p in parts(final)), leaves)
    theirs = ts.grad((loops * w).sum() + sum((p * p).sum() for p in parts((sf, sb))), leaves)
    agree([g.numpy() for g in ours], [g.numpy() for g in theirs])


def test_bidirectional_starts_at_the_initial_states():
    rnn, xs = bidirectional(), inputs(3, 2)
    zeros = each(lambda part: ts.zeros_like(part), start_of(rnn, xs))
    agree([rnn(xs)[0].numpy()], [rnn(xs, zeros)[0].numpy()])
    assert rnn(xs.numpy())[0].dtype == np.float64
    names = {name.rpartition(".")[0] for name, _ in rnn.named_parameters()}
    assert names == {"forward.cell", "backward.cell"}


def test_derivatives_of_bidirectional_to_second_order():
    rnn = bidirectional(sizes=(2, 1))

    def run(xs, w):
        rnn.backward.cell.Wh = w
        ys, (_, h) = rnn(xs, lengths=[3, 1])
        return ys, h

    check_grad(run, inputs(3, 2).numpy(), rnn.backward.cell.Wh.numpy())


def test_errors_of_bidirectional():
    rnn, xs = bidirectional(), inputs(3, 2)
    with pytest.raises(ValueError, match="state of 2 directions must be a tuple of 2 states, not a tuple of 3"):
        rnn(xs, (None, None, None))
    with pytest.raises(ValueError, match=r"0 \.\.\. 3"):
        rnn(xs, lengths=[4, 1])
    with pytest.raises(ValueError, match="at least one time step"):
        rnn(xs[:0])


# --- Layers -------------------------------------------------------------------------------------------


def test_layers_of_forward_runners_are_a_stack():
    first, second = nn.LSTMCell(I, 4, rng=0, **F64), nn.GRUCell(4, H, rng=1, **F64)
    xs, lengths = inputs(4, 3), [2, 0, 4]
    state = random_state(nn.Stacked(first, second).initial_state(3, like=xs))
    ys, final = nn.Recurrent(nn.Stacked(first, second))(xs, state, lengths)
    again, last = nn.Layers(nn.Recurrent(first), nn.Recurrent(second))(xs, state, lengths)
    agree([ys.numpy(), *values(final)], [again.numpy(), *values(last)])


def test_layers_feed_each_other():
    first, second = bidirectional(), bidirectional(H + 4, (2, 3), seed=1)
    xs = inputs(4, 2)
    state = start_of(first, xs), start_of(second, xs)
    below, s1 = first(xs, state[0])
    above, s2 = second(below, state[1])
    ys, final = nn.Layers(first, second)(xs, state)
    agree([ys.numpy(), *values(final)], [above.numpy(), *values((s1, s2))])


def test_functions_between_runners_are_applied():
    """Functions of a sequence; they have no state."""
    first, second, xs = bidirectional(), bidirectional(H + 4, (2, 3), seed=1), inputs(4, 2)
    layer = nn.Linear(H + 4, H + 4, rng=9, **F64)
    deep = nn.Layers(ts.sin, first, layer, ts.tanh, second)
    below, s1 = first(ts.sin(xs), None, [3, 1])
    above, s2 = second(ts.tanh(layer(below)), None, [3, 1])
    ys, state = deep(xs, None, [3, 1])
    agree([ys.numpy(), *values(state)], [above.numpy(), *values((s1, s2))])
    assert deep.runners == [first, second]
    names = {name.split(".")[1] for name, _ in deep.named_parameters()}
    assert names == {"1", "2", "4"}
    ys, state = deep(xs, (s1, s2))
    below, s1 = first(ts.sin(xs), s1)
    agree([ys.numpy()], [second(ts.tanh(layer(below)), s2)[0].numpy()])


def test_errors_of_layers():
    with pytest.raises(ValueError, match="at least one runner"):
        nn.Layers()
    with pytest.raises(ValueError, match="the last layer must be a runner"):
        nn.Layers(bidirectional(), ts.tanh)
    with pytest.raises(ValueError, match="batch_first"):
        nn.Layers(bidirectional(), bidirectional(H + 4, batch_first=True))
    with pytest.raises(ValueError, match="state of 1 layers must be a tuple of 1"):
        nn.Layers(bidirectional())(inputs(3, 2), (None, None))


# --- all of them --------------------------------------------------------------------------------------

RUNNERS = {
    "bidirectional": bidirectional,
    "layers": lambda **options: nn.Layers(
        bidirectional(**options), bidirectional(H + 4, (2, 3), seed=1, **options)
    ),
    "bidirectional stacks": lambda **options: nn.Bidirectional(
        nn.Stacked(nn.RNNCell(I, 4, rng=0, **F64), nn.LSTMCell(4, H, rng=1, **F64)),
        nn.ResetAfterGRUCell(I, 2, rng=2, **F64),
        **options,
    ),
}


@pytest.mark.parametrize("name", RUNNERS)
def test_batch_first_swaps_the_first_two_axes(name):
    xs, lengths = inputs(4, 2), np.array([4, 2])
    ys, final = RUNNERS[name]()(xs, None, lengths)
    swapped, last = RUNNERS[name](batch_first=True)(xs.swapaxes(0, 1), None, lengths)
    agree([ys.numpy(), *values(final)], [swapped.numpy().swapaxes(0, 1), *values(last)])


@pytest.mark.parametrize("name", RUNNERS)
@pytest.mark.parametrize("lengths", AWKWARD)
def test_rows_of_awkward_lengths_are_as_if_alone(name, lengths):
    as_if_alone(name, 4, lengths)


@pytest.mark.parametrize("name", RUNNERS)
@given(data=st.data())
def test_rows_of_any_length_are_as_if_alone(name, data):
    steps, batch = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    as_if_alone(name, steps, data.draw(st.lists(st.integers(0, steps), min_size=batch, max_size=batch)))


def as_if_alone(name, steps, lengths):
    """Values and gradients with `lengths` are equal to those of every sequence run separately."""
    batch = len(lengths)
    rnn, xs = RUNNERS[name](), inputs(steps, batch)
    state = random_state(rnn(xs)[1])
    ys, final = rnn(xs, state, lengths)
    w = np.random.default_rng(3).normal(size=ys.shape)

    loss = ts.tensor(np.float64(0))
    for i, n in enumerate(lengths):
        assert (ys.numpy()[n:, i] == 0).all()
        alone, after = None, rows(state, i)
        if n:
            alone, after = rnn(xs[:n, i : i + 1], rows(state, i))
            assert_allclose(ys.numpy()[:n, i : i + 1], alone.numpy(), rtol=1e-11, atol=1e-14)
            loss = loss + (alone * w[:n, i : i + 1]).sum()
        for part, own in zip(parts(final), parts(after), strict=True):
            assert_allclose(part.numpy()[i : i + 1], own.numpy(), rtol=1e-11, atol=1e-14)
            loss = loss + (own * own).sum()
    whole = (ys * w).sum() + sum((part * part).sum() for part in parts(final))
    leaves = [*rnn.parameters(), xs, *parts(state)]
    agree(
        [g.numpy() for g in ts.grad(whole, leaves, zeros=True)],
        [g.numpy() for g in ts.grad(loss, leaves, zeros=True)],
    )
