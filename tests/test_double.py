"""The double is measured, not believed: what it answers is what CuPy answers.

The table `double/outcomes.txt` is replayed on the double, or with `--backend=cupy` on CuPy itself. What a
type and a shape do not tell, the hazards that raise nothing, has tests of its own, which both have to pass.
"""

import importlib
import re
import sys
import warnings
from contextlib import nullcontext
from pathlib import Path

import doors
import numpy as np
import pytest

ROWS = [
    tuple(part.strip() for part in re.split(r" -> | \| ", line))
    for line in (Path(__file__).parent / "double" / "outcomes.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
TYPES = ["f2", "f4", "f8", "i1", "i4", "i8", "u1", "?"]


@pytest.fixture
def xp():
    """The library: CuPy, if the suite runs on it, else its double."""
    return sys.modules["cupy"] if doors.NAME == "cupy" else importlib.import_module("double")


def outcome(xp, z):
    """What came of a call, in the words of the table."""
    if isinstance(z, Exception):
        return type(z).__name__
    if isinstance(z, (tuple, list)) and any(isinstance(part, xp.ndarray) for part in z):
        return f"{type(z).__name__} of {', '.join(dict.fromkeys(outcome(xp, part) for part in z))}"
    place = "device" if isinstance(z, xp.ndarray) else "host"
    array = isinstance(z, (xp.ndarray, np.ndarray))
    return f"{place} {z.dtype}{list(z.shape)}" if array else f"host {type(z).__name__}"


def names(xp):
    x = xp.asarray(np.arange(6, dtype="f4").reshape(2, 3))
    i, eye, none = (xp.asarray(a) for a in (np.array([0, 1]), np.eye(2), np.zeros((0, 3))))
    return {
        "np": np,
        "xp": xp,
        "x": x,
        "i": i,
        "b": x > 2,
        "h": np.ones((2, 3), "f4"),
        "eye": eye,
        "none": none,
    }


@pytest.mark.parametrize(("call", "expected", "source"), ROWS, ids=[call for call, *_ in ROWS])
def test_what_a_call_gives(xp, call, expected, source):
    known = names(xp)
    if "other" in call:
        if xp.cuda.runtime.getDeviceCount() < 2:
            pytest.skip("there is no second device")
        with xp.cuda.Device(1):
            known["other"] = xp.asarray(np.ones(3, "f4"))
    with warnings.catch_warnings(), xp.watch() if doors.NAME != "cupy" else nullcontext() as counts:
        warnings.simplefilter("ignore")
        try:
            found = outcome(xp, eval(call, known))
        except Exception as error:
            found = outcome(xp, error)
    if counts is None:  # CuPy does not count
        expected = re.sub(r", \d (up|down)", "", expected)
    else:
        copies = ((counts.uploads, "up"), (counts.downloads, "down"))
        found = ", ".join([found, *(f"{n} {way}" for n, way in copies if n)])
    assert found == expected, source


# --- hazards: nothing is raised --------------------------------------------------------------------------


def test_an_index_out_of_range_wraps(xp):
    x = xp.asarray(np.arange(3.0))
    far = xp.asarray(np.array([3, 5, -4]))
    assert x[far].get().tolist() == np.take(x, far).get().tolist() == [0.0, 2.0, 2.0]


def test_add_at_adds_every_duplicate(xp):
    x = xp.asarray(np.zeros(3, "f4"))
    xp.add.at(x, (xp.asarray(np.array([0, 2, 0])),), xp.asarray(np.array([1.0, 2.0, 4.0], "f4")))
    assert x.get().tolist() == [5.0, 0.0, 2.0]


@pytest.mark.parametrize("kind", ["?", "i1", "i2"])
def test_add_at_does_not_take_small_integers(xp, kind):
    x = xp.asarray(np.zeros(3, kind))
    with pytest.raises(TypeError):
        xp.add.at(x, (xp.asarray(np.array([0])),), xp.asarray(np.ones(1, kind)))


def test_of_several_values_for_one_element_any_may_win(xp):
    """On CuPy there is one order in a run; on the double there are all of them."""
    places, values = xp.asarray(np.zeros(50, int)), xp.asarray(np.arange(50.0))
    winners = set()
    for _ in range(20):
        x = xp.asarray(np.zeros(1))
        x[places] = values
        winners.add(x.get().item())
    assert winners <= set(range(50))
    assert len(winners) > 1 or doors.NAME == "cupy"


def test_views_share_memory_and_can_be_written_to(xp):
    for view in (
        lambda x: x[1:],
        lambda x: x.T,
        lambda x: x.reshape(-1),
        lambda x: np.broadcast_to(x, (2, 3, 2)),
    ):
        x = xp.asarray(np.zeros((3, 2)))
        v = view(x)
        v[...] = 1.0
        assert x.get().any()
        assert v.base is x
        assert view(v[...]).base is x


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_of_several_nan_any_may_be_named(xp, name):
    """NumPy names the first; CuPy the one that its reduction meets in the end."""
    x = np.array([1.0, np.nan, 0.0, np.nan, 2.0])
    place = getattr(np, name)
    assert place(xp.asarray(x)).item() in (1, 3)
    assert place(xp.asarray(np.stack([x, np.arange(5.0)])), axis=1).get()[0] in (1, 3)
    if doors.NAME != "cupy":
        assert place(xp.asarray(x)).item() != place(x)


def test_fresh_memory_holds_anything(xp):
    assert not np.isfinite(xp.empty((2, 2), "f4").get()).all() or doors.NAME == "cupy"


def test_an_object_that_numpy_asks_is_asked(xp):
    class Foreign:
        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            return ufunc.__name__, len(inputs)

        def __array_function__(self, function, types, args, kwargs):
            return function.__name__

    x, other = xp.asarray(np.ones(2)), Foreign()
    assert x * other == ("multiply", 2)
    for refused in (lambda: other * x, lambda: x.__iadd__(other)):
        with pytest.raises(TypeError):
            refused()
    assert x @ other == ("matmul", 2)
    assert (x < other) == ("less", 2)
    assert x**other == ("power", 2)
    assert np.where(x > 0, other, 0) == "where"


def test_linear_algebra_without_an_answer_is_garbage_unless_it_is_asked_for_loudly(xp):
    errstate = sys.modules["cupyx"].errstate if doors.NAME == "cupy" else xp.cupyx.errstate
    singular = xp.asarray(np.zeros((2, 2)))
    assert isinstance(np.linalg.solve(singular, singular), xp.ndarray)
    with errstate(linalg="raise"), pytest.raises(np.linalg.LinAlgError):
        np.linalg.solve(singular, singular)


# --- dtypes ------------------------------------------------------------------------------------------------

UFUNCS = [
    "add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "arctan2", "logaddexp", "greater",
    "logical_and", "negative", "absolute", "sqrt", "square", "exp", "expm1", "log", "log1p", "tanh", "sin",
    "cos", "isnan", "isfinite", "sign",
]  # fmt: skip
OTHERWISE = {  # of these CuPy makes something else than NumPy
    ("sign", "?"): "int8",
}


@pytest.mark.parametrize("name", UFUNCS)
def test_dtypes_are_numpys(xp, name):
    ufunc = getattr(np, name)
    for one in TYPES:
        for other in TYPES if ufunc.nin == 2 else [one]:
            arrays = [np.ones(2, one), np.ones(2, other)][: ufunc.nin]
            try:
                expected = ufunc(*arrays).dtype
            except TypeError:
                expected = OTHERWISE.get((name, one))
            try:
                found = ufunc(*map(xp.asarray, arrays)).dtype
            except TypeError:
                found = None
            assert found == expected, (name, one, other)
            scalar = ufunc(*map(xp.asarray, arrays[:-1]), 2) if ufunc.nin == 2 and one not in "?" else None
            if scalar is not None:
                assert scalar.dtype == ufunc(*arrays[:-1], 2).dtype, (name, one)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "max", "argmax", "cumsum", "var", "any"])
def test_dtypes_of_reductions_are_numpys(xp, name):
    for kind in TYPES:
        array = np.ones((2, 3), kind)
        found = getattr(np, name)(xp.asarray(array), axis=1)
        assert (found.dtype, found.shape) == (
            getattr(np, name)(array, axis=1).dtype,
            getattr(np, name)(array, axis=1).shape,
        ), kind
