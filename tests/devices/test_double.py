"""The double is compared with measurements of CuPy: each row of a table is evaluated on it.

The table is double/measured.txt. With `--backend=cupy` the same rows are evaluated on CuPy itself. Behaviour
that is undefined on a device, or needs two devices, is tested only on the double, below the table.
"""

import ast
import importlib
import threading
from typing import NamedTuple

import doors
import double
import numpy as np
import pytest
from places import TESTS


class Row(NamedTuple):
    """A line of the table: a call, its result, and the copies between host and device that it makes."""

    call: str
    answer: str
    copies: str


def rows():
    """The table, one parameter for each row."""
    for line in (TESTS / "support" / "double" / "measured.txt").read_text("utf-8").splitlines():
        if " => " in line:
            call, answer = (part.strip() for part in line.split(" => "))
            answer, _, copies = answer.partition(" ; ")
            yield pytest.param(Row(call, answer, copies), id=call)


@pytest.fixture(scope="module")
def real():
    """Whether the tests run on CuPy itself."""
    return doors.NAME == "cupy"


@pytest.fixture(scope="module")
def xp(real):
    """The library that is tested."""
    return importlib.import_module("cupy") if real else double


@pytest.fixture
def only_the_double(real):
    """For tests of behaviour that is undefined on a device, or needs two devices."""
    if real:
        pytest.skip("undefined on a device, or needs two of them: the double alone is asked")


def names(xp):
    """The variables of the calls: an array on the host, on the device in several dtypes, and others."""
    h = np.arange(6.0).reshape(2, 3)
    like_h = {
        name: xp.asarray(h.astype(dtype))
        for name, dtype in (("a", "f8"), ("f", "f4"), ("i", "i8"), ("u", "u1"))
    }
    m, z, t = (xp.asarray(x) for x in (h > 2, np.array(1.5), np.arange(24.0).reshape(2, 3, 4)))
    return {"np": np, "xp": xp, "h": h, **like_h, "m": m, "z": z, "t": t}


def ask(call, names):
    """The value of the last statement of `call`; None if it is not an expression."""
    *first, last = ast.parse(call).body
    if not isinstance(last, ast.Expr):
        first, last = [*first, last], ast.Expr(ast.Constant(None, lineno=0, col_offset=0))
    exec(compile(ast.Module(first, []), call, "exec"), names)
    return eval(compile(ast.Expression(last.value), call, "eval"), names)


def described(x, xp):
    """A result in the notation of the table: the type, then dtype and shape, then up to four elements."""
    if isinstance(x, xp.ndarray):
        host = x.get()
        few = " " + " ".join(f"{v:.6g}" for v in host.ravel().tolist()) if host.size <= 4 else ""
        return f"{spec(host)}{few}"
    if isinstance(x, (np.ndarray, np.generic)):
        return f"host {spec(x)}"
    if isinstance(x, (tuple, list)) and x and isinstance(x[0], xp.ndarray):
        return f"{type(x).__name__} of {len(x)}: {described(x[0], xp)}"
    simple = isinstance(x, (bool, int, float, complex, str, tuple, np.dtype, type(None)))
    return f"{type(x).__name__} {x!r}" if simple else type(x).__name__


def spec(x):
    """f8[2,3]"""
    return f"{x.dtype.kind}{x.dtype.itemsize}[{','.join(map(str, x.shape))}]"


@pytest.mark.parametrize("row", list(rows()))
def test_the_answer_of_the_table(row, xp, real):
    asked = names(xp)
    with double.watch() as counts:
        try:
            result, error = ask(row.call, asked), None
        except Exception as raised:
            result, error = None, raised
    if error is not None:
        assert f"!{type(error).__name__}: {error}".startswith(row.answer)
        return
    assert described(result, xp).rstrip() == row.answer
    if not real:
        copies = {
            "up": counts.uploads,
            "down": counts.downloads,
            "wait": counts.synchronisations - counts.downloads,
        }
        assert ", ".join(f"{n} {word}" for word, n in copies.items() if n) == row.copies


# --- promotion: as in NumPy, with few exceptions ----------------------------------------------------------

PAIRS = ["??", "il", "ff", "if", "ef", "fd", "?f", "Be", "lf", "li", "Bb", "ld"]
DIFFERENT = {("sign", "?"): "b"}  # NumPy refuses


def sample(code):
    return np.array([1, 2, 3]).astype(code)


def dtypes(f, *args):
    """The dtypes of the results of `f`, or its error; all TypeErrors count as equal."""
    try:
        found = f(*args)
    except TypeError:
        return "TypeError"
    return "".join(z.dtype.char for z in (found if isinstance(found, tuple) else (found,)))


@pytest.mark.parametrize("name", sorted({f.name for f in vars(double).values() if isinstance(f, double.ufunc)}))
def test_ufuncs_promote_as_numpys(name, xp):
    f = getattr(np, name)
    codes = PAIRS if f.nin == 2 else sorted(set("".join(PAIRS)))
    with np.errstate(all="ignore"):
        for pair in codes:
            given = [sample(code) for code in pair]
            expected = DIFFERENT.get((name, pair)) or dtypes(f, *given)
            assert dtypes(f, *map(xp.asarray, given)) == expected, (name, pair)


# --- only on the double -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("only_the_double")
class TestUndefined:
    """The behaviour on a device is undefined; the double must behave like the worst case."""

    def test_anyone_may_win_among_duplicates(self):
        winners = set()
        for _ in range(50):
            a = double.zeros(2)
            a[double.asarray([0, 0, 0])] = double.asarray([1.0, 2.0, 3.0])
            winners.add(float(a[0]))
        assert winners == {1.0, 2.0, 3.0}

    def test_adding_in_place_counts_one_of_the_duplicates(self):
        a = double.zeros(2)
        a[double.asarray([0, 0])] += 1.0
        assert a.tolist() == [1.0, 0.0]

    def test_sums_at_duplicates_differ_in_their_last_bits(self):
        terms = double.asarray(np.random.default_rng(0).standard_normal(1000))
        sums = set()
        for _ in range(20):
            a = double.zeros(1)
            double.add.at(a, double.asarray(np.zeros(1000, int)), terms)
            sums.add(float(a[0]))
        assert len(sums) > 1
        np.testing.assert_allclose(list(sums), float(terms.sum()))

    @pytest.mark.parametrize(
        ("dtype", "poison"), [("f4", np.nan), ("f8", np.nan), ("i8", -1), ("u1", 255), ("?", 1)]
    )
    def test_new_memory_is_poisoned(self, dtype, poison):
        like = double.zeros(3, dtype)
        for a in (double.empty(3, dtype), np.empty_like(like), double.ndarray(3, dtype)):
            np.testing.assert_array_equal(a.get(), np.full(3, poison, dtype))

    def test_a_host_array_is_uploaded_as_it_was(self):
        h = np.ones(3)
        a = double.asarray(h)
        h[0] = 5.0
        back = a.get()
        back[1] = 7.0
        assert a.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.usefixtures("only_the_double")
class TestTwoDevices:
    """Documented: without peer access, a kernel accepts only arrays on the current device."""

    MESSAGE = "Array device must be same as the current device: array device = 1 while current = 0"

    def on_the_second(self):
        with double.cuda.Device(1):
            return double.asarray(np.ones(2))

    @pytest.mark.parametrize(
        "call",
        [
            "a + b",
            "b * 2.0",
            "np.tanh(b)",
            "np.sum(b)",
            "np.where(b > 0, a, b)",
            "np.concatenate([a, b])",
            "a.dot(b)",
            "np.add(a, a, out=b)",
            "a[b > 0]",
            "b[0] = 1.0",
            "a[:] = b",
            "b.fill(1.0)",
            "xp.add.at(a, [0], b)",
        ],
    )
    def test_a_kernel_refuses_what_is_not_on_the_current_device(self, call):
        names = {"np": np, "xp": double, "a": double.ones(2), "b": self.on_the_second()}
        with pytest.raises(ValueError, match=self.MESSAGE):
            ask(call, names)

    def test_arrays_stay_on_their_device(self):
        b = self.on_the_second()
        assert b.device.id == 1
        assert b[1:].device.id == b.reshape(2, 1).device.id == 1
        assert np.zeros_like(b).device.id == double.zeros(2).device.id == 0
        assert b.get().tolist() == b.tolist() == [1.0, 1.0]
        assert double.asarray(b).device.id == b.copy().device.id == 0
        with double.cuda.Device(1):
            assert (b + b).device.id == 1

    def test_a_device_is_current_within_its_block_and_thread(self):
        seen = []
        with double.cuda.Device(1):
            with double.cuda.Device(0):
                assert double.cuda.Device().id == 0
            thread = threading.Thread(target=lambda: seen.append(double.cuda.Device().id))
            thread.start()
            thread.join()
            assert double.cuda.Device().id == 1
        assert (double.cuda.Device().id, seen) == (0, [0])

    def test_there_are_no_more(self):
        assert double.cuda.runtime.getDeviceCount() == 2
        with pytest.raises(double.cuda.runtime.CUDARuntimeError, match="invalid device ordinal"):
            double.cuda.Device(2).use()


# --- counting and recording -------------------------------------------------------------------------------


def test_watches_nest_and_end():
    a = double.ones(2)
    with double.watch() as outer:
        a.get()
        with double.watch() as inner:
            double.asarray(np.ones(2))
            float(a[0])
    a.get()
    assert (outer.uploads, outer.downloads, outer.synchronisations) == (1, 2, 2)
    assert (inner.uploads, inner.downloads, inner.synchronisations) == (1, 1, 1)


def from_the_project(text, **names):
    """Run `text` as if it were in a file of the project."""
    exec(
        compile(text, "tinygrad_seq/somewhere.py", "exec"),
        {"__name__": "tinygrad_seq.somewhere", "np": np, **names},
    )


CALLS = {
    "np.sum(a, axis=0)": ("function", "sum", 1, ("axis",)),
    "np.linalg.norm(a)": ("function", "linalg.norm", 1, ()),
    "np.add(a, 1)": ("ufunc", "add", 2, ()),
    "np.add(a, 1, dtype='f4', out=a)": ("ufunc", "add", 2, ("dtype", "out")),
    "a - 1": ("ufunc", "subtract", 2, ()),
    "np.multiply.outer(a, a)": ("ufunc", "multiply.outer", 2, ()),
    "np.add.reduce(a, axis=None)": ("ufunc", "add.reduce", 1, ("axis",)),
    "xp.add.at(a, [0], 1)": ("ufunc", "add.at", 3, ()),
    "xp.asarray([1.0])": ("function", "asarray", 1, ()),
    "a.astype('f4', copy=False)": ("method", "astype", 1, ("copy",)),
    "a[0]": ("method", "__getitem__", 1, ()),
    "float(a[0])": ("method", "__float__", 0, ()),
    "a.strides": ("attribute", "strides", 0, ()),
    "np.unstack(a)": ("function", "unstack", 1, ()),
    "np.max(a, initial=0)": ("function", "max", 1, ("initial",)),
}


@pytest.fixture
def reached():
    """The list of calls, empty for a test; the list of the test run is restored after it."""
    kept = dict(double.reached)
    double.reached.clear()
    yield double.reached
    double.reached.clear()
    double.reached.update(kept)


@pytest.mark.parametrize("call", CALLS)
def test_what_the_project_reaches_is_remembered_with_its_place(call, reached):
    text = f"\ntry:\n    {call}\nexcept TypeError:\n    pass"
    a = double.ones(2)
    exec(text, {"np": np, "xp": double, "a": a})
    assert not reached
    from_the_project(text, xp=double, a=a)
    assert reached[CALLS[call]] == "tinygrad_seq/somewhere.py:3"


def test_a_known_call_keeps_its_first_place(reached):
    a = double.ones(2)
    from_the_project("a.round(decimals=3)", a=a)
    from_the_project("\n\na.round(decimals=3)", a=a)
    assert reached == {("method", "round", 0, ("decimals",)): "tinygrad_seq/somewhere.py:1"}
