"""`explain` prints the program of a step as the equations of the lecture, with the user's names."""

import inspect
import linecache
import re
import textwrap
import traceback

import doors
import numpy as np
import pytest
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.scan import explain
from tinygrad_seq.scan.over_time import PROGRAMS

T, B, I, H = 7, 3, 4, 5  # noqa: E741
XS = np.ones((T, B, I), np.float32)

pytestmark = pytest.mark.in_numpy


def weight(*shape, seed=0):
    return ts.tensor(np.random.default_rng([seed, *shape]).normal(size=shape), requires_grad=True)


def of(cell, **how):
    return str(explain(cell, cell.initial_state(B, like=ts.tensor(XS)), XS, **how))


def is_part(text, whole):
    """Whether `whole` contains the lines of `text`, without a gap."""
    return textwrap.dedent(text).strip("\n") in textwrap.dedent(whole)


# --- the figure ---------------------------------------------------------------------------------------

RNN = """\
forward, t = 0 ... 6
before, for all t at once
    u = x @ Wx + b
loop
    def scan(constants, fixed, rows):
        (Wh,) = constants
        (t2, a,) = fixed
        for u, h_prev, h, in rows:
            dot(h_prev, Wh, t2)  # h_prev @ Wh
            add(u, t2, a)        # a = u + h_prev @ Wh
            tanh(a, h)           # h = tanh(a)

kept for the backward pass, 60 bytes of every step
    h 60

backward, in the other direction
loop
    def backward(constants, fixed, rows):
        (Wh_T, one,) = constants
        (dh, t1, t2,) = fixed
        for h, dy, dh_next, da, dh_prev, in rows:
            add(dy, dh_next, dh)    # dh = dy + dh_next
            multiply(h, h, t1)      # h^2
            subtract(one, t1, t2)   # 1 - h^2
            multiply(dh, t2, da)    # da = dh (1 - h^2)
            dot(da, Wh_T, dh_prev)  # dh_prev = da @ Wh'
after, for all t at once
    dWh = sum_t h_prev' @ da, as one product
    dWx = sum_t x' @ da
    db = sum_t sum(da, axis=0)"""


NETWORK = """\
after, for all t at once
    o = h @ V + c

kept for the backward pass, 120 bytes of every step
    h 120

backward, in the other direction
before, for all t at once
    dy = do @ V'
    dV = sum_t h' @ do
    dc = sum_t sum(do, axis=0)
loop"""


def here(text):
    """The source for the device of the test run, without alignment: `dot` is used only on the host."""
    return text if doors.NAME == "numpy" else re.sub(" +", " ", text.replace("dot(", "matmul("))


def test_the_vanilla_rnn_is_the_lecture_s_backpropagation_through_time():
    assert here(of(nn.RNNCell(I, H, rng=0))) == here(RNN)


def test_a_step_of_one_s_own_reads_the_same():
    """The names are those of the user's variables, not those of the cell."""
    Wx, Wh, b = weight(I, H), weight(H, H), weight(H)  # noqa: N806

    def step(h, x):
        h = ts.tanh(x @ Wx + b + h @ Wh)
        return h, h

    own = str(explain(step, np.zeros((B, H)), XS.astype(float)))
    assert here(own) == here(RNN).replace("60", "120")


def test_the_output_layer_of_the_lecture_runs_outside_of_the_loop():
    """o(t) = h(t) V + c: its gradient is computed for all t before the backward loop."""
    W, V, c = weight(H, H), weight(H, 2), weight(2)  # noqa: N806

    def step(h, x):
        h = ts.tanh(x + h @ W)
        o = h @ V + c
        return h, o

    assert NETWORK in str(explain(step, np.zeros((B, H)), np.ones((T, B, H))))


def test_the_equations_printed_are_the_gradients():
    """The printed lines, run by hand, give the same gradients as scan."""
    rng = np.random.default_rng(0)
    cell = nn.RNNCell(I, H, rng=0, dtype=np.float64)
    xs, dys = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, H))
    _, ys = ts.scan(cell, ts.tensor(np.zeros((B, H))), xs)
    (ys * dys).sum().backward()
    hs = np.concatenate([np.zeros((1, B, H)), ys.numpy()])
    loop = re.findall(r"# (d\w+ = .*)", RNN)
    totals = re.findall(r"    (d\w+) = sum_t (.*?)(?:, as one product)?$", RNN, re.MULTILINE)
    assert (len(loop), len(totals)) == (3, 3)

    def python(text):
        return re.sub(r"(\w+)'", r"\1.T", text).replace("^2", "**2").replace("dh (", "dh * (")

    values = {"Wh": cell.Wh.numpy(), "sum": np.sum, "dh_next": np.zeros((B, H))}
    found = dict.fromkeys([left for left, _ in totals], 0.0)
    for t in reversed(range(T)):
        values |= {"x": xs[t], "h": hs[t + 1], "h_prev": hs[t], "dy": dys[t]}
        for line in loop:
            exec(python(line), values)
        for left, right in totals:
            found[left] = found[left] + eval(python(right), values)
        values["dh_next"] = values["dh_prev"]
    for name in ("Wh", "Wx", "b"):
        assert_allclose(found[f"d{name}"], getattr(cell, name).grad.numpy(), rtol=1e-12)


def test_the_lstm_has_its_gates_by_name():
    text = of(nn.LSTMCell(I, H, rng=0))
    for line in [
        "# i, f, g, o = sigmoid(a_i), sigmoid(a_f), tanh(a_g), sigmoid(a_o)",
        "# c = f c_prev + i g",
        "# h = o tanh_c",
        "# dc = dc_next + dh o (1 - tanh_c^2)",
        "# df = dc c_prev",
        "# dc_prev = dc f",
    ]:
        assert line in text


def test_an_lstm_keeps_seven_values_of_every_unit():
    """i, f, g, o, c, h and tanh c are kept, and explain prints them."""
    text = of(nn.LSTMCell(I, H, rng=0))
    assert f"kept for the backward pass, {7 * B * H * 4} bytes of every step" in text
    assert "    i f g o 240, tanh_c 60, h 60, c 60\n" in text
    cell = nn.LSTMCell(I, H, rng=0)
    assert explain(cell, cell.initial_state(B, like=ts.tensor(XS)), XS).memory == 7 * B * H * 4


# --- notation -----------------------------------------------------------------------------------------

NOTATION = {
    "h * (x @ W)": "h (x @ W)",
    "(h * x) @ W": "(h x) @ W",
    "((h @ W) * x) @ W": "((h @ W) x) @ W",
    "h @ W @ x": "h @ W @ x",
    "h @ (W @ x)": "h @ (W @ x)",
    "h * x * W": "h x W",
    "h - (x - W)": "h - (x - W)",
    "h - x + W": "h - x + W",
    "h + (-x)": "h - x",
    "-(h + x) * W": "(-(h + x)) W",
    "h * -1": "h (-1)",
    "h / (x * W)": "h / (x W)",
    "h / x / W": "(h / x) / W",
    "(h / x) * W": "(h / x) W",
    "h * h + x": "h^2 + x",
    "(h + x) ** 2": "(h + x)^2",
    "W + (h > x)": "W + (h > x)",
    "(h > x) * W": "(h > x) W",
    "(h * x).mT @ W": "(h x)' @ W",
    "h[..., 0:2] * 3": "h[..., 0:2] 3",
    "ts.concatenate([h, x + W], axis=-1) * 2": "[h, x + W] 2",
    "ts.concatenate([h, x], axis=0)": "concatenate(h, x, axis=0)",
    "ts.tanh(h) * x": "tanh_h x",
}


@pytest.mark.parametrize("code", NOTATION)
def test_an_expression_is_written_as_it_was_meant(code):
    """Parentheses stand only where they are needed."""
    names = {"ts": ts}
    body = f"h, x, W = state\n    y = {code}\n    return (h + x, x + W, W + h), y"
    exec(f"def step(state, _):\n    {body}", names)
    lines = str(explain(names["step"], (np.ones((H, H)),) * 3, length=T)).splitlines()
    lines = [line.replace("_prev", "") for line in lines]
    assert f"    y = {NOTATION[code]}" in lines


# --- names --------------------------------------------------------------------------------------------


def test_names_of_states_weights_and_values():
    left, right = weight(H), weight(H)

    def step(state, given):
        position, speed = state
        force = ts.sin(left * position)
        speed = speed + right * force
        position = position + speed * given
        return (position, speed), None

    text = str(explain(step, (np.zeros(H), np.zeros(H)), np.ones((T, H))))
    for line in [
        "# force = sin(a)",
        "# speed = speed_prev + right force",
        "# position = position_prev + speed given",
        "dleft = ",
        "dright = ",
    ]:
        assert line in text


def test_the_name_of_a_variable_that_an_inner_function_reads():
    def step(h, x):
        force = ts.sin(h @ x)
        twice = (lambda: force + force)()
        return h + twice, None

    assert "# force = sin(a)" in str(explain(step, weight(H), np.ones((T, H))))


def test_a_name_that_the_source_needs_is_not_taken():
    """A user's variable may have the name of a NumPy function, or of a term."""

    def step(h, x):
        add = h * x
        t1 = ts.exp(add)
        half = ts.tanh(t1 + add)
        return half, half

    h0, xs = weight(H), weight(T, H)
    loop, plain = ts.scan(step, h0, xs), None
    text = str(explain(step, h0, xs))
    assert "# t_1 = exp(add)" in text
    plain = h0.numpy()
    for x in xs.numpy():
        plain = np.tanh(np.exp(plain * x) + plain * x)
    assert_allclose(loop[0].numpy(), plain, rtol=1e-12)


# --- what stays in the loop, and why -------------------------------------------------------------------


def test_the_trap_of_concatenation():
    W = weight(I + H, H)  # noqa: N806

    def step(h, x):
        h = ts.tanh(ts.concatenate([x, h], axis=-1) @ W)
        return h, h

    text = str(explain(step, np.zeros((B, H)), XS.astype(float)))
    assert "a = [x, h_prev] @ W: depends on the carry; write x @ Wx + h @ Wh\n" in text


def test_side_by_side_with_the_carry_alone_is_no_trap():
    W = weight(2 * H, H)  # noqa: N806

    def step(h, x):
        h = ts.tanh(ts.concatenate([h, h * h], axis=-1) @ W + x)
        return h, h

    text = str(explain(step, np.zeros((B, H)), np.ones((T, B, H))))
    assert "could not be lifted" not in text


@pytest.mark.host("an index array of the host is uploaded, and has no name on a device")
def test_mixed_indices_do_not_ride():
    rows = np.array([0, 1])

    def step(c, x):
        part = x[rows, :, 1]
        return c + part, None

    text = str(explain(step, np.zeros((2, 4)), np.ones((T, 3, 4, 5))))
    assert "part = x[rows, :, 1]: does not depend on the carry, but mixed indices do not ride\n" in text


def test_an_op_that_does_not_say_how_it_rides():
    from tinygrad_seq.engine.primitive import Primitive
    from tinygrad_seq.engine.signature import example

    def flipped(x, /):
        return x[..., ::-1].copy()

    op = Primitive(flipped, examples=[example("(a)")])
    op.linear(lambda g: op.function(g))

    def step(c, x):
        y = op.function(x)
        return c + y, None

    text = str(explain(step, np.zeros(H), np.ones((T, H))))
    assert (
        "y = flipped(x): does not depend on the carry, but flipped has neither a signature nor .rides(...)\n"
        in text
    )


def test_it_is_silent_where_everything_was_lifted():
    for kind in (nn.RNNCell, nn.LSTMCell, nn.GRUCell, nn.ResetAfterGRUCell):
        assert "could not be lifted" not in of(kind(I, H, rng=0))


# --- where gradients are computed ----------------------------------------------------------------------


def test_a_gradient_that_is_large_is_added_up_in_the_loop():
    """A table that is indexed by the carry: its gradient at one step is as large as the table."""
    E, V = weight(11, H), weight(H, 11)  # noqa: N806

    def step(token, x):
        e = E[token] + x
        return ts.argmax(e @ V, axis=-1), e

    text = str(explain(step, np.zeros(B, np.int64), np.ones((T, B, H))))
    assert "dE = dE__sum, added up in the loop" in text
    assert "add(dE__sum, dE, dE__sum)" in text


def test_what_is_used_within_the_loop_and_before_it_has_a_gradient_of_two_parts():
    W = weight(H, H)  # noqa: N806

    def step(h, x):
        h = ts.tanh(x @ W + h @ W)
        return h, h

    text = str(explain(step, np.zeros((B, H)), np.ones((T, B, H))))
    assert "    dW = sum_t h_prev' @ da, as one product\n    dW += sum_t x' @ da" in text


def test_a_parameter_cut_once_is_put_together_once():
    text = of(nn.GRUCell(I, H, rng=0))
    assert "constant\n    w_rz, w_n = split(Wh, indices_or_sections=10, axis=-1)\n" in text
    assert text.endswith("\n    dWh = [dw_rz, dw_n]")


def test_no_derivative():
    def step(c, x):
        return c + x, c

    text = str(explain(step, np.zeros(3, np.int64), np.ones((T, 3), np.int64)))
    assert text.endswith("\nno derivative passes through it")


# --- the source ---------------------------------------------------------------------------------------


def test_the_source_is_the_one_that_runs():
    PROGRAMS.clear()
    cell = nn.LSTMCell(I, H, rng=0)
    state = cell.initial_state(B, like=ts.tensor(XS))
    text = str(explain(cell, state, XS))
    _, ys = ts.scan(cell, state, XS)
    ys.sum().backward()
    (compiled,) = PROGRAMS.values()
    (what,) = compiled.loops.values()
    (back,) = what.backwards.values()
    for loop in (what.loop, back.loop):
        assert textwrap.indent(loop.code.source, "    ") in text


def test_a_traceback_shows_the_line_of_emitted_source():
    cell = nn.RNNCell(I, H, rng=0)
    function = explain(cell, cell.initial_state(B, like=ts.tensor(XS)), XS).loop.code.function
    name = function.__code__.co_filename
    assert here("dot(h_prev, Wh, t2)  # h_prev @ Wh") in here("".join(linecache.getlines(name)))
    assert inspect.getsource(function).startswith("def scan(")
    good, bad = doors.placed(np.zeros((B, H))), doors.placed(np.zeros(2))
    with pytest.raises(ValueError, match=r"aligned|mismatch") as raised:
        function([good], [good, good], [(good, bad, good)])
    assert here("dot(h_prev, Wh, t2)  # h_prev @ Wh") in here("".join(traceback.format_exception(raised.value)))


@pytest.mark.parametrize("name", nn.CELLS)
def test_no_op_of_a_cell_needs_the_fallback(name):
    text = of(nn.Stacked(nn.CELLS[name](I, H, rng=0), nn.LSTMCell(H, 2, rng=1)))
    assert "def scan(" in text
    assert "def backward(" in text
    assert not re.search(r"forward__?\d+\(", text)


def test_the_fallback_is_what_that_test_looks_for():
    text = str(explain(lambda c, x: (ts.cumsum(c) + x, None), np.zeros(3), np.ones((T, 3))))
    assert re.search(r"forward__?\d+\(", text)


# --- forms --------------------------------------------------------------------------------------------


def test_backwards():
    text = of(nn.RNNCell(I, H, rng=0), reverse=True)
    assert here(text) == here(RNN).replace("t = 0 ... 6", "t = 6 ... 0")


def test_length():
    w = weight(H)

    def step(c, _):
        c = c * w
        return c, None

    text = str(explain(step, np.ones(H), length=4))
    assert text.startswith("forward, t = 0 ... 3\n")
    assert text.endswith("\n    dw = sum_t dc c_prev")


def test_nothing_to_run_is_an_error():
    with pytest.raises(ValueError, match="length="):
        explain(lambda c, x: (c, None), np.ones(H))
    with pytest.raises(ValueError, match="at least one step"):
        explain(lambda c, x: (c, None), np.ones(H), np.ones((0, H)))


def test_what_cannot_be_recorded_is_the_error_of_scan():
    with pytest.raises(TypeError, match="cannot be read in it"):
        explain(lambda h, x: (h if x.sum() > 0 else -h, None), np.ones(H), np.ones((T, H)))


def test_gradients_of_what_requires_one_and_of_nothing_else():
    w, v = weight(H), ts.tensor(np.ones(H))
    text = str(explain(lambda h, x: (h * w * v + x, None), np.zeros(H), np.ones((T, H))))
    assert "dw = " in text
    assert "dv = " not in text
    assert "dx = " not in text


def test_more_inputs_than_scan_takes_are_an_error():
    with pytest.raises(TypeError, match=r"got 1 more.*put several inputs into one tuple"):
        explain(lambda h, x: (h + x, None), np.ones(H), np.ones((T, H)), np.ones((T, H)))


def test_it_leaves_no_trace():
    """explain changes no gradient and adds no program to the cache."""
    PROGRAMS.clear()
    cell = nn.RNNCell(I, H, rng=0)
    of(cell)
    assert cell.Wh.grad is None
    assert not PROGRAMS
