"""Groups in print: the equations of a step, in the order and over the spaces in which they are computed."""

import operator
import textwrap

import numpy as np
import pytest
from compilers import real
from loop_groups import backward, check, check_step, forward

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.scan.groups.maps import Map
from tinygrad_seq.scan.groups.printed import affine, told

LSTM = """\
product, 2 x 3 by 3 x 20
    t1 = x @ Wx -> memory
product, 2 x 5 by 5 x 20
    t3 = h_prev @ Wh -> memory
over 2 x 5
    f = t1[:, 5:10] + b[5:10] + t3[:, 5:10]
    sigmoid_f = sigmoid(f) -> memory
    i = t1[:, :5] + b[:5] + t3[:, :5]
    sigmoid_i = sigmoid(i) -> memory
    g = t1[:, 10:15] + b[10:15] + t3[:, 10:15]
    tanh_g = tanh(g) -> memory
    c = sigmoid_f c_prev + sigmoid_i tanh_g -> memory
    o = t1[:, 15:] + b[15:] + t3[:, 15:]
    sigmoid_o = sigmoid(o) -> memory
    tanh_c = tanh(c) -> memory
    h = sigmoid_o tanh_c -> memory"""

BACKWARD = """\
over 2 x 5
    dh = dy + dh_next
    do = dh tanh_c sigmoid_o (1 - sigmoid_o)
    dc = dc_next + dh sigmoid_o (1 - tanh_c^2)
    dg = dc sigmoid_i (1 - tanh_g^2)
    di = dc tanh_g sigmoid_i (1 - sigmoid_i)
    dc_prev = dc sigmoid_f -> memory
    df = dc c_prev sigmoid_f (1 - sigmoid_f)
    da[:, :5] = di -> memory
    da[:, 5:10] = df -> memory
    da[:, 10:15] = dg -> memory
    da[:, 15:] = do -> memory
product, 2 x 20 by 20 x 5
    dh_prev = da @ Wh' -> memory"""


def test_an_lstm():
    """The figure: one pass over the gates in either direction, with only what is kept in memory."""
    rng = np.random.default_rng(0)
    cell = nn.LSTMCell(3, 5, rng=rng)
    xs = ts.tensor(rng.normal(size=(4, 2, 3)).astype(np.float32))
    loop, back = backward(forward(cell, cell.initial_state(2, like=xs), xs), 0, False)
    assert "\n".join(told(check(loop))) == LSTM
    assert "\n".join(told(check(back, reverse=True))).startswith(BACKWARD)


def shown(step, init, xs):
    return told(check(forward(step, ts.tensor(init), ts.tensor(xs))))


def test_explain_prints_the_groups_of_a_loop_in_c():
    real()
    cell, xs = nn.LSTMCell(3, 5, rng=0), np.ones((4, 2, 3), np.float32)
    state = cell.initial_state(2, like=ts.tensor(xs))
    with ts.emitter("c"):
        text = str(ts.explain(cell, state, xs))
    assert "loop, in groups\n" + textwrap.indent(LSTM, "    ") in text
    assert "loop, in groups\n" + textwrap.indent(BACKWARD, "    ") in text
    with ts.emitter("numpy"):
        assert "in groups" not in str(ts.explain(cell, state, xs))


STEPS = {
    "a gather": (
        lambda h, x: (h, h[:, x]),
        ["over 3 x 3", "    a = h[:, x] -> memory"],
    ),
    "a scatter": (
        lambda h, x: (ts.scatter_add(h, x, h), None),
        [
            *["over 3 x 5", "    t1 = 0 -> memory"],
            *["over 3 x 5", "    t1[x[k0]] += h -> memory"],
            *["over 3 x 5", "    h_new = h + t1 -> memory"],
        ],
    ),
    "a triangle": (
        lambda h, x: (ts.tril(h, -1), None),
        ["over 3 x 5", "    h_new = where(-1 + k0 - k1 >= 0, h, 0) -> memory"],
    ),
    "parts": (
        lambda h, x: (ts.concatenate([h[:, 3:], h[:, ::2]], axis=1), None),
        [
            *["over 3 x 2", "    h_new[:, :2] = h[:, 3:] -> memory"],
            *["over 3 x 3", "    h_new[:, 2:] = h[:, ::2] -> memory"],
        ],
    ),
    "columns in reverse order": (
        lambda h, x: (h[:, ::-1], None),
        ["over 3 x 5", "    h_new = h[at 4 + 5 k0 - k1] -> memory"],
    ),
    "a value without a name that is read twice": (
        lambda h, x: (operator.mul(*[h + h] * 2), None),
        ["over 3 x 5", "    t1 = h + h", "    h_new = t1^2 -> memory"],
    ),
    "reductions": (
        lambda h, x: (h - ts.sum(h * h, axis=0), ts.max(h)),
        [
            *["over 3 x 5", "    a = h^2", "    t1 = sum(a, axis=0) -> memory", "    a1 = max(h) -> memory"],
            *["over 3 x 5", "    h_new = h - t1 -> memory"],
        ],
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step(name):
    step, lines = STEPS[name]
    found = check_step(step, np.ones((3, 5)), np.array([[0, 2, 1]]))
    assert told(found) == lines


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Map(0, ()), "0"),
        (Map(0, (0, 1)), "k1"),
        (Map(0, (-1, 0)), "-k0"),
        (Map(-3, (0,)), "-3"),
        (Map(4, (-1, 2)), "4 - k0 + 2 k1"),
    ],
)
def test_a_place(place, text):
    assert affine(place) == text
