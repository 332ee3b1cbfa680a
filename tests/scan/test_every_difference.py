"""Every kind of difference between scan and the Python loop that was ever found, as a small program.

A new one is added here in the form in which `tests/fuzz_scan.py` prints it.
"""

import pytest
from loop_modes import Case
from loop_programs import Given, Program

D, F, N, B = "f8", "f4", "i8", "?"


def program(body: str, *given: tuple[tuple[int, ...], str], refused: bool = False) -> Program:
    """A program whose arguments l0, l1, ... have these shapes and dtypes; floats require a gradient."""
    arguments = tuple(Given(f"l{i}", shape, dtype, dtype in (D, F)) for i, (shape, dtype) in enumerate(given))
    head = ", ".join(["loop", *(g.name for g in arguments)])
    lines = "\n".join("    " + line for line in body.strip("\n").split("\n"))
    return Program(f"def program({head}):\n{lines}", arguments, 3, refused, True, frozenset({"derivative"}))


DIFFERENCES = {
    "a captured output has its own shape and dtype": program(
        """
(n, v), _ = loop(lambda c, x: ((c[0] + 1, c[1] * 0.9), None), (ts.tensor(0), l0), length=1)
return loop(lambda h, x: (h * v + 0.5, None), l1, length=2)
""",
        ((), D),
        ((), D),
    ),
    "a captured part of a split": program(
        """
a, b = ts.split(l0, [1])
return loop(lambda c, x: (ts.tanh(c + b), ts.sum(a * c)), l1, length=2)
""",
        ((3,), D),
        ((2,), D),
    ),
    "attention over the outputs of an earlier loop": program(
        """
(_, last), keys = loop(lambda c, x: ((c[0] + 1, ts.tanh(c[1] + x)), c[1] * x), (ts.tensor(0), l0), l1)
def step(c, x):
    w = ts.softmax(keys @ c)
    return ts.tanh(w @ keys + last), w
return loop(step, l0, length=2)
""",
        ((2,), D),
        ((3, 2), D),
    ),
    "no_grad in a step": program(
        """
def step(c, x):
    with ts.no_grad():
        u = x * l1
    return c * 0.5 + u * l1, u
return loop(step, l0, l2)
""",
        ((), D),
        ((), D),
        ((3,), D),
    ),
    "an array that the step changes": program(
        """
def step(c, x):
    a = some((2,))
    before = c + a
    a += 1
    return ts.tanh(c * a), (before, x * a)
return loop(step, l0, l1)
""",
        ((2,), D),
        ((3, 2), D),
    ),
    "zeros of both signs as metadata": program(
        """
def twin(k):
    return loop(lambda c, x: (c, ts.arctan2(ts.pad(x, 1, constant_values=k), -1.0)), l0, l1)
return twin(0.0), twin(-0.0)
""",
        ((), D),
        ((2, 2), D),
    ),
    "True in a key": program(
        "return loop(lambda c, x: (c, x[0, :, True]), l0, l1)",
        ((), D),
        ((3, 2, 2), D),
    ),
    "a number in a stack": program(
        "return loop(lambda c, x: (c * 0.5, (ts.stack([c, 0.1]), ts.stack([0.1, x]))), l0, l1)",
        ((), F),
        ((3,), F),
    ),
    "where with an integer condition": program(
        "return loop(lambda c, x: (ts.where(x, c * 0.5, 0.3), ts.where(x, l0, 0.3)), l0, l1)",
        ((2,), F),
        ((3, 2), N),
    ),
    "the input as output": program(
        "xs = l1 * 2\nreturn loop(lambda c, x: (c, x), l0, xs), xs", ((), N), ((3, 2), N)
    ),
    "arrays of several dtypes joined": program(
        """
def step(c, x):
    joined = ts.concatenate([c, x, x > 0])
    return ts.tanh(ts.astype(joined[1:3], "f4")), joined
return loop(step, l0, l1)
""",
        ((2,), F),
        ((3, 2), D),
    ),
    "a joined value of another dtype, used again": program(
        """
def step(c, x):
    above = c > 0
    joined = ts.concatenate([above, x])
    return ts.tanh(ts.where(~above, c, c * 2) + ts.astype(ts.sum(joined), "f4")), joined
return loop(step, l0, l1)
""",
        ((2,), F),
        ((3, 2), D),
    ),
    "roll of an empty axis": program(
        "return loop(lambda c, x: (ts.roll(c, 1), ts.roll(x, 1, axis=0)), l0, l1)",
        ((2, 0), D),
        ((3, 0, 2), D),
    ),
    "roll twice": program(
        "return loop(lambda c, x: (ts.roll(c, (1, 1), axis=0), ts.roll(x, (1, 1), axis=0)), l0, l1)",
        ((3,), D),
        ((3, 4), D),
    ),
    "cumsum of a number": program(
        "return loop(lambda c, x: (ts.sum(ts.cumsum(c, axis=0)) * 0.5, ts.cumsum(x, axis=0)), l0, l1)",
        ((), D),
        ((3,), D),
    ),
    "an inner loop that ignores its carry": program(
        """
def step(c, x):
    last, _ = loop(lambda d, y: (ts.tensor(some((2,))), None), c, length=1)
    return ts.tanh(last), None
return loop(step, l0, length=2)
""",
        ((2,), D),
    ),
    "an inner loop in segments, whose inputs are not used": program(
        """
def step(c, x):
    (last, _), _ = loop(lambda d, y: ((ts.tanh(c), d[1]), None), (c, c), ts.stack([x, x]), remat=1)
    return last, None
return loop(step, l0, l1)
""",
        ((2,), D),
        ((3, 2), D),
    ),
    "an inner loop with an integer carry": program(
        """
def step(c, x):
    def inner(d, y):
        return (ts.astype(ts.sum(c), "i8"), ts.tanh(d[1] * x)), None
    (n, last), _ = loop(inner, (ts.tensor(0), c), length=2)
    return ts.tanh(last), n
return loop(step, l0, l1)
""",
        ((2,), D),
        ((3, 2), D),
    ),
    "a number that an inner loop in segments captures": program(
        """
def step(c, x):
    _, ys = loop(lambda d, y: (d, ts.log1p(c * c + 0.5)), ts.tensor(0), length=2, remat=1)
    return ts.tanh(ts.sum(ys, axis=0)), None
return loop(step, l0, length=2)
""",
        ((2,), D),
    ),
    "an integer result of a loop in segments": program(
        "return loop(lambda c, x: (c * x, ts.argmax(x)), l0, l1, remat=2)", ((2,), D), ((3, 2), D)
    ),
    "a root that is not taken, in segments": program(
        "return loop(lambda c, x: (ts.where(c > 0, c**0.5, 0.3), None), l0, length=2, remat=1)", ((4,), D)
    ),
    "a value that is not finite and not used": program(
        """
def step(c, x):
    (a, b), _ = loop(lambda d, y: ((ts.tanh(d[0] ** d[0]), ts.tanh(d[1])), None), (x, c), length=1)
    return ts.tanh(b), None
return loop(step, l0, l1, remat=1)
""",
        ((4,), D),
        ((2, 4), D),
    ),
    "booleans squared": program("return loop(lambda c, x: (c, x**2), l0, l1)", ((), B), ((2,), B)),
}
REFUSED = {
    "a carry that was None": program(
        "return loop(lambda c, x: ((c[0] * 2.0, x), x), (l0, None), l1)", ((), D), ((3,), D), refused=True
    ),
    "a derivative through the past": program(
        """
def step(c, x):
    return ts.grad(ts.sum(ts.sin(c * l0)), l0, create_graph=True), None
return loop(step, l0, length=2)
""",
        ((2,), D),
    ),
    "a tensor of the step as metadata": program(
        "return loop(lambda c, x: (c, ts.reshape(l1, c)), l0, length=2)", ((0,), N), ((), D)
    ),
}


@pytest.mark.parametrize("mode", ["first", "second", "jvp", "jvp of grad", "grad of jvp"])
@pytest.mark.parametrize("name", DIFFERENCES)
def test_every_difference(name, mode):
    """Equal, or (in float32) as different as rounding errors make the loop itself."""
    said = Case(DIFFERENCES[name], mode, seed=0, active=-1, dropped=0).check()
    assert said == "equal" or (said == "too sensitive" and F in DIFFERENCES[name].dtypes)


@pytest.mark.parametrize("name", REFUSED)
def test_what_scan_cannot_do_is_refused(name):
    assert Case(REFUSED[name], "first", seed=0, active=-1, dropped=0).check() == "refused"
