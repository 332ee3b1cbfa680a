"""Thousands of awkward calls: each gives NumPy's value or a clear error, and does not change its arguments.

The calls are drawn in `fuzzing/ops.py`. A failure prints the call and the code that draws it again.
"""

import warnings

import doors
import numpy as np
import pytest
from fuzzing import ops
from fuzzing.values import FLOATS, SHAPES, one_of
from naming import PUBLIC, numpys
from results import assert_allclose, assert_array_equal, host

import tinygrad_seq as ts
from tinygrad_seq.engine.primitive import FUNCTIONS

EACH = 60  # calls of every function
CLEAR = (ValueError, TypeError, IndexError, ZeroDivisionError, OverflowError)  # an AxisError is two of them
TOLERANCE = {"e": 2e-2, "f": 1e-5, "d": 1e-9}


def key_of(key):
    """A key of our getitem as a key for NumPy: lists become integer arrays."""
    parts = key if isinstance(key, tuple) else (key,)
    return tuple(
        np.array(part, int if len(part) == 0 else None) if isinstance(part, list) else part for part in parts
    )


def scattered(x, key, values):
    x, values = np.asarray(x), np.asarray(values)
    z = np.array(x + np.zeros((), np.result_type(x, values)))
    np.add.at(z, key_of(key), np.broadcast_to(values, z[key_of(key)].shape))  # of another rank, NumPy may crash
    return z


def partitioned(x, kth, axis=-1):
    """As np.argpartition; np.partition may leave the other elements in another order."""
    if axis is None:
        x, axis = np.ravel(x), 0
    return np.take_along_axis(np.asarray(x), np.argpartition(x, kth, axis), axis)


REFERENCES = {  # functions with another name or other arguments in NumPy
    "argsort": lambda x, axis=-1: np.argsort(x, axis, stable=True),
    "clip": lambda x, a_min=None, a_max=None, *, min=None, max=None: np.clip(
        x, min if a_min is None else a_min, max if a_max is None else a_max
    ),
    "empty_like": np.zeros_like,
    "getitem": lambda x, key: np.asarray(x)[key_of(key)],
    "matvec": lambda x, y: np.matmul(x, np.expand_dims(y, -1))[..., 0],
    "vecmat": lambda x, y: np.matmul(np.expand_dims(x, -2), y)[..., 0, :],
    "partition": partitioned,
    "relu": lambda x: np.maximum(x, 0),
    "scatter_add": scattered,
    "softplus": lambda x: np.logaddexp(x, 0),
    "stop_gradient": np.asarray,
    "unstack": lambda x, axis=0: np.unstack(x, axis=axis),
}
ONE_EACH = {
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "ix_",
    "meshgrid",
}  # a result per argument
WITHOUT = {  # functions that NumPy does not have; tests/ops/test_values.py tests their values
    "log_softmax", "logsumexp", "safe_product", "sigmoid", "softmax",
}  # fmt: skip
MORE = {  # functions that accept more than NumPy's, and what
    "astype": "a list is an array, as everywhere else",
    "average": "as mean, and weights may have the sum 0",
    "cov": "weights may be negative",
    "clip": "either bound may be missing",
    "correlate": "a number is a vector of one element, as for convolve",
    "mean": "a number has an axis 0 to reduce, as for NumPy's sum",
    "insert": "empty positions may have any integer dtype",
    "linalg.norm": "axis may be () or a list",
    "linalg.pinv": "rtol may be None for integers",
    "linalg.tensorinv": "a number has an inverse",
    "median": "as mean",
    "nanmedian": "as median, and overwrite_input changes nothing",
    "nanstd": "mean and correction may be None",
    "nanvar": "as nanstd",
    "percentile": "as quantile",
    "quantile": "of no slices it is empty",
    "repeat": "axis may be a list of one",
    "squeeze": "axis may be a list",
    "sum": "axis may be a list",
    "std": "as mean",
    "var": "as mean",
    "unstack": "axis may be any integer",
    "special.multigammaln": "d may be a whole float; NaN where a is not large enough",
}
if np.lib.NumpyVersion(np.__version__) < "2.2.0":
    MORE["pad"] = "pad_width may be a dict"
if np.lib.NumpyVersion(np.__version__) < "2.3.0":
    MORE["take_along_axis"] = "axis may be missing"
INFINITE = {  # functions whose values may differ from NumPy's where they are not finite
    "linalg.lstsq": "an infinity in a column of b stays in this column",
    "linalg.matrix_norm": "as norm",
    "linalg.matrix_power": "the factors are multiplied in another order",
    "linalg.norm": "its squares do not overflow",
    "linalg.vector_norm": "as norm",
    "prod": "float16 is multiplied in float32, and overflows later",
    "std": "the variance of float16 is float32, and does not overflow",
    "special.log_softmax": "a row with an infinity is NaN",
    "special.softmax": "a row with an infinity is NaN",
    "special.yn": "the largest orders are those of yv",
    "tensordot": "of 0 times infinity NumPy's BLAS may make 0",
}
ITERATIVE = {  # functions that NumPy computes by iterations, which for infinities or NaN may never end
    "linalg.cond", "linalg.eigh", "linalg.eigvalsh", "linalg.lstsq", "linalg.matrix_norm", "linalg.matrix_rank",
    "linalg.norm", "linalg.pinv", "linalg.svd", "linalg.svdvals",
}  # fmt: skip
HALF = {  # functions whose values of float16 may differ from NumPy's
    "average": "the sum of the weights is computed in float32, and overflows later",
}
NUMBERS = {  # functions with another dtype than NumPy's for a Python number together with arrays
    "concatenate": "a float64, with axis=None too",
    "choose": "a float64, as in stack",
    "clip": "weak, as first argument too",
    "dot": "weak, as in x * 2",
    "inner": "weak, as in x * 2",
    "kron": "weak, as in x * 2",
}


ON_DEVICES = {  # functions for which CuPy accepts more
    "argmax": "axis may be a tuple",
    "argmin": "axis may be a tuple",
    "choose": "an index that is out of range is not noticed",
    "compress": "as getitem",
    "concatenate": "axis may be a float",
    "count_nonzero": "as max",
    "extract": "as getitem",
    "geomspace": "an end of 0 is not noticed",
    **dict.fromkeys(
        ("all", "any", "max", "nanmax", "nanmin", "ptp"), "keepdims may be a truth value of NumPy's"
    ),
    "min": "as max",
    "sum": "as max",
    "getitem": "an index that is on a device already wraps",
    "sign": "a boolean has one",
    "take": "as getitem",
    "take_along_axis": "as getitem",
}


@pytest.mark.parametrize("name", PUBLIC)
def test_awkward_calls(name):
    tried = given = 0
    for number in range(EACH):
        call = ops.drawn(name, number)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")  # means of nothing, and the like
                given += held(call)
        except BaseException as error:
            error.add_note(f"in the awkward call {call}")
            raise
        tried += 1
    assert tried == EACH
    assert given, "none of the calls was valid, so nothing was compared"


def test_every_function_has_a_reference():
    assert all(numpys(name) or name in REFERENCES or name in WITHOUT for name in PUBLIC)


def held(call):
    """Check one call, by every route; returns whether it gave a value."""
    before = snapshot(call)
    expected = reference(call)
    given = []
    for route in call.routes():
        try:
            given.append(route(*call.args, **call.kwargs))
        except CLEAR as error:
            text = " ".join([str(error), *getattr(error, "__notes__", [])])
            if route is FUNCTIONS[call.name] and call.name.rpartition(".")[2] not in text:
                raise AssertionError("an error that does not name the function") from error
        unchanged(before)
    for value in given:
        more = MORE if doors.NAME == "numpy" else MORE | ON_DEVICES
        assert not isinstance(expected, Exception) or call.name in more, f"NumPy says {expected!r}"
        compare(call, value, expected)
        derive(call, value)
        unchanged(before)
    return bool(given)


def snapshot(call):
    """The arrays and Tensors among the arguments, with copies of their values and of their other properties."""
    kept = []
    for part in call.parts():
        if isinstance(part, np.ndarray):
            kept.append((part, part.copy(), (part.flags.writeable, part.shape, part.strides, part.dtype)))
        elif isinstance(part, ts.Tensor):
            kept.append((part, part.numpy().copy(), (part.line, part.shape, part.dtype)))
    return kept


def unchanged(before):
    for part, values, state in before:
        if isinstance(part, np.ndarray):
            assert (part.flags.writeable, part.shape, part.strides, part.dtype) == state, (
                "an argument was reflagged"
            )
            assert part.tobytes() == values.tobytes(), "an argument was changed"
        else:
            assert (part.line, part.shape, part.dtype) == state
            assert part.numpy().tobytes() == values.tobytes(), "an argument was changed"


def plain(x):
    """An argument or a value with arrays in the place of Tensors."""
    if isinstance(x, (list, tuple)):
        return type(x)(map(plain, x))
    return x.numpy() if isinstance(x, ts.Tensor) else x


def reference(call):
    """NumPy's value or error; None if NumPy has no such function, or if all arguments are Python numbers."""
    if call.name in WITHOUT or not any(hasattr(part, "dtype") for part in call.parts()):
        return None
    if call.name == "inner" and any(isinstance(x, list) and not x for x in call.args):
        return None  # of an empty list NumPy 2.5 takes the dtype of the other argument, before it was float64
    if "where" in call.kwargs or "out" in call.kwargs:  # we refuse these; NumPy may crash
        return None
    if call.name in ITERATIVE and not all(map(finite, call.parts())):
        return None
    function = REFERENCES.get(call.name) or numpys(call.name)
    if call.name.startswith("special."):
        function = with_our_dtype(function)
    try:
        return function(*map(plain, call.args), **{name: plain(value) for name, value in call.kwargs.items()})
    except AttributeError:  # some of NumPy's functions raise it for lists, which we accept
        return None
    except Exception as error:
        return error


def with_our_dtype(function):
    """A function of SciPy, in float64, and then in the dtype of ours: SciPy's own differs between functions."""
    pointwise = isinstance(function, np.ufunc) or function.__name__ == "polygamma"

    def call(*args, **kwargs):
        if not (pointwise or np.size(args[0])):
            return None  # SciPy raises errors, or returns another shape
        operands = args if pointwise else [x for x in (*args[:1], kwargs.get("b")) if x is not None]
        dtype = np.result_type(*(x if isinstance(x, (int, float)) else np.asarray(x) for x in operands))
        count = len(args) if pointwise else 1
        z = function(*(np.asarray(x, np.float64) for x in args[:count]), *args[count:], **kwargs)
        return z.astype(dtype if dtype.kind == "f" else np.float64)

    return call


def compare(call, value, expected):
    """Compare our value with NumPy's: types, number of outputs, shapes, dtypes and elements."""
    ours = list(value) if isinstance(value, (list, tuple)) else [value]
    tensors = any(isinstance(part, ts.Tensor) for part in call.parts())
    if call.name in ONE_EACH:
        assert [isinstance(z, ts.Tensor) for z in ours] == [isinstance(x, ts.Tensor) for x in call.args]
    else:
        assert all(isinstance(z, ts.Tensor) == tensors for z in ours), "Tensors in, Tensors out"
    assert all(plain(z).dtype.kind in "fiub" for z in ours if isinstance(z, ts.Tensor)), "a foreign dtype"
    if call.name in ("argmax", "argmin") and doors.NAME != "numpy" and several_nan(call):
        return  # CuPy may return the index of any of them
    if call.name in ("argpartition", "partition") and doors.NAME != "numpy":
        return  # CuPy sorts them all
    theirs = list(expected) if isinstance(expected, (list, tuple)) else [expected]
    if any(np.asarray(w).dtype.kind not in "fiub" for w in theirs):
        return  # NumPy has no value, or objects
    assert len(ours) == len(theirs), f"{len(ours)} values, NumPy has {len(theirs)}"
    for z, w in zip(map(plain, ours), theirs, strict=True):
        z, w = host(z), np.asarray(w)
        if call.name in NUMBERS and any(isinstance(part, (float, int)) for part in call.parts()):
            w = w.astype(z.dtype)
        assert (np.shape(z), z.dtype) == (w.shape, w.dtype), f"{z.dtype}{z.shape}, NumPy: {w.dtype}{w.shape}"
        tolerance = TOLERANCE.get(w.dtype.char, 0)
        if call.name in HALF and w.dtype == np.float16:
            continue
        if call.name not in INFINITE or np.all(np.isfinite([z, w])):
            assert_allclose(z, w, tolerance, tolerance)


def finite(part):
    """Whether a part of the arguments has no infinity or NaN."""
    array = np.asarray(plain(part))
    return array.dtype.kind != "f" or bool(np.all(np.isfinite(array)))


def several_nan(call):
    arrays = [plain(part) for part in call.parts()]
    return any(np.isnan(a).sum() > 1 for a in arrays if getattr(a, "dtype", np.dtype(int)).kind == "f")


def derive(call, value):
    """Check that the gradients of a value on the tape have the shapes and dtypes of their arguments."""
    zs = [z for z in (value if isinstance(value, (list, tuple)) else [value]) if getattr(z, "line", None)]
    xs = [part for part in call.parts() if getattr(part, "line", None)]
    if not zs:
        return
    for create_graph in (False, True):
        gs = [np.ones(z.shape, z.dtype) for z in zs]
        try:
            grads = ts.grad(zs, xs, gs, zeros=True, retain_graph=True, create_graph=create_graph)
        except np.linalg.LinAlgError:  # a nearly singular matrix, whose transpose counts as singular
            assert call.name.startswith("linalg.")
            return
        for x, grad in zip(xs, grads, strict=True):
            assert (grad.shape, grad.dtype) == (x.shape, x.dtype), "a gradient of another shape or dtype"


@pytest.mark.parametrize("what", ["tensor", "backward", "grad", "assign_"])
def test_awkward_data(what):
    """Other functions that accept data: ts.tensor, backward and grad (cotangents), and assign_."""
    given = 0
    for number in range(2 * EACH):
        rng = np.random.default_rng([number, 5])
        shape = one_of(rng, SHAPES)
        data = ops.operand(rng, shape)
        leaf = ts.tensor(np.ones(shape, one_of(rng, FLOATS)), requires_grad=True)
        before = leaf.numpy()
        kept = data.copy() if isinstance(data, np.ndarray) else None
        try:
            with np.errstate(all="ignore"):
                TAKERS[what](leaf, data)
            given += 1
        except CLEAR:
            pass
        except BaseException as error:
            error.add_note(f"in {what} of {data!r}, number {number}")
            raise
        if leaf.grad is not None:
            assert (leaf.grad.shape, leaf.grad.dtype) == (leaf.shape, leaf.dtype)
        if what != "assign_":
            assert_array_equal(leaf.numpy(), before)
        if kept is not None:
            assert data.tobytes() == kept.tobytes()
    assert 10 < given < 2 * EACH


TAKERS = {
    "tensor": lambda leaf, data: ts.tensor(data),
    "backward": lambda leaf, data: (leaf * 1.0).backward(data),
    "grad": lambda leaf, data: setattr(leaf, "grad", data),
    "assign_": lambda leaf, data: leaf.assign_(data),
}
