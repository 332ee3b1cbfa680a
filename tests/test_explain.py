"""What `explain` prints: the equations of backpropagation through time, and why something stays in the loop."""

import linecache
import textwrap

import numpy as np
import pytest

import tinygrad_seq as ts
from tinygrad_seq import nn

rng = np.random.default_rng(0)


def leaf(*shape):
    return ts.tensor(rng.standard_normal(shape), requires_grad=True)


U, W, V, b, c = leaf(3, 4), leaf(4, 4), leaf(4, 2), leaf(4), leaf(2)
H0, XS = np.zeros((2, 4)), np.ones((5, 2, 3))


def network(h, x):
    """The lecture's network, in its names: h(t) = tanh(W h(t-1) + U x(t) + b), o(t) = V h(t) + c."""
    a = x @ U + b + h @ W
    h = ts.tanh(a)
    o = h @ V + c
    return h, o


BPTT = """\
    forward, t = 0 ... 4
    before, for all t at once
        a1 = x @ U
        a2 = a1 + b
    loop
        def scan(constants, fixed, rows):
            (W,) = constants
            (a3, a,) = fixed
            for a2, h_prev, h, in rows:
                matmul(h_prev, W, a3)  # a3 = h_prev @ W
                add(a2, a3, a)         # a = a2 + a3
                tanh(a, h)             # h = tanh(a)
    after, for all t at once
        a4 = h @ V
        o = a4 + c

    kept for the backward pass, 64 bytes of every step: h

    backward, in the other direction
    before, for all t at once
        a = sum(do, axis=(0,))
        a1 = do @ V'
    loop
        def backward(constants, fixed, rows):
            (W_T, k,) = constants
            (dh, a2, a3,) = fixed
            for h, a1, dh_next, da, dh_prev, in rows:
                add(dh_next, a1, dh)      # dh = dh_next + a1
                multiply(h, h, a2)        # a2 = h * h
                subtract(k, a2, a3)       # a3 = 1 - a2
                multiply(dh, a3, da)      # da = dh * a3
                matmul(da, W_T, dh_prev)  # dh_prev = da @ W'
    after, for all t at once
        a4 = sum(da, axis=(0,))
        dU = sum_t x' @ da
        db = sum_t reshape(a4, shape=(4,))
        dW = sum_t h_prev' @ da
        dV = sum_t h' @ do
        dc = sum_t reshape(a, shape=(2,))"""


def test_the_equations_of_backpropagation_through_time():
    """Line by line those of the lecture: the gradient of h comes from o(t) and from h(t+1), da = dh (1 - h^2),
    and those of W, U, V, b and c are sums over t, each of them taken at once."""
    assert str(ts.explain(network, H0, XS)) == textwrap.dedent(BPTT)


def test_what_is_printed_is_what_runs():
    """The source of the forward loop stands, line by line, in the file that a debugger is shown."""
    _, ys = ts.scan(network, H0, XS)
    ys.sum().backward()
    files = [name for name in linecache.cache if name.startswith(("<scan, ", "<backward, "))]
    sources = ["".join(linecache.getlines(name)) for name in files]
    loop = str(ts.explain(network, H0, XS)).partition("loop\n")[2].partition("after")[0]
    assert any(textwrap.dedent(loop).strip() == source.strip() for source in sources)
    assert any("# dh_prev = da @ W'" in source for source in sources)


def test_a_concatenation_is_better_cut():
    both = leaf(7, 4)

    def step(h, x):
        return ts.tanh(ts.concatenate([x, h], axis=-1) @ both), None

    said = str(ts.explain(step, H0, XS))
    assert "depends on the carry; write x @ bothx + h @ bothh, with both cut in rows" in said

    def cut(h, x):
        return ts.tanh(x @ U + h @ W), None

    assert "could not be moved" not in str(ts.explain(cut, H0, XS))


def test_what_does_not_ride_says_so():
    def step(h, x):
        y = x[:, np.array([0, 1, 2, 0])]
        return ts.tanh(h + y), x[:, np.array([1])]

    said = str(ts.explain(step, H0, XS))
    assert (
        "y = x[:, k]: does not depend on the carry, but it does not ride: getitem not with such arguments"
        in said
    )


def test_an_op_that_says_nothing_of_riding():
    @ts.primitive(examples=[ts.example("(2,3)")])
    def doubled(x, /):
        "z = 2 x"
        return 2 * x

    doubled.linear(lambda g: 2 * g)
    said = str(ts.explain(lambda h, x: (h, doubled(x)), H0, XS))
    assert "doubled has no signature and does not say how it rides" in said


def test_names_are_those_of_the_step():
    """Of a state that is taken apart, of parameters, and of gates, whose names go on to their activations."""
    cell = nn.LSTMCell(3, 4, rng=0, dtype=np.float64)
    said = str(ts.explain(cell, (H0, H0), XS))
    for line in (
        "= h_prev @ Wh",
        "= f * c_prev",
        "= i * g",
        "dh_prev = ",
        "dc_prev = dc * f",
        "dWh = sum_t h_prev' @ ",
    ):
        assert line in said, line


def test_an_lstm_keeps_seven_numbers_per_unit():
    batch, units = 2, 4
    cell = nn.LSTMCell(3, units, rng=0, dtype=np.float64)
    told = ts.explain(cell, (H0, H0), XS)
    assert told.memory == 7 * batch * units * 8
    assert f"kept for the backward pass, {told.memory} bytes of every step" in str(told)


@pytest.mark.parametrize(
    "cell",
    [
        nn.RNNCell(3, 4),
        nn.LSTMCell(3, 4),
        nn.GRUCell(3, 4),
        nn.ResetAfterGRUCell(3, 4),
        nn.Stacked(nn.LSTMCell(3, 4), nn.RNNCell(4, 4)),
    ],
    ids=lambda cell: type(cell).__name__,
)
def test_no_shipped_cell_needs_the_fallback(cell):
    """Which computes an op by its forward function, and copies."""
    xs = XS.astype(np.float32)
    said = str(ts.explain(cell, cell.initial_state(2, like=ts.tensor(xs)), xs))
    assert "backward, in the other direction" in said
    assert "forward__" not in said


def test_direction_length_and_what_has_no_derivative():
    assert str(ts.explain(network, H0, XS, reverse=True)).startswith("forward, t = 4 ... 0")
    said = str(ts.explain(lambda n, _: (n + 1, n), ts.tensor(0), length=3))
    assert said.startswith("forward, t = 0 ... 2")
    assert said.endswith("no derivative passes through it")
    with pytest.raises(ValueError, match="at least one step"):
        ts.explain(network, H0, XS[:0])


def test_what_cannot_be_recorded_is_the_error_of_scan():
    with pytest.raises(TypeError, match="cannot be looked at"):
        ts.explain(lambda h, x: (h if x.sum() > 0 else -h, None), H0, XS)
