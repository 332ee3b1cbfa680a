"""What CuPy answers when one of NumPy's functions is called with an array of a device.

A function that is not in the table is one that CuPy lacks, or that nobody here has needed yet.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager

import numpy as np

from double import counting, indexing
from double.array import IMPLICIT, NUMBERS, ndarray, own, plain, signature, wrap
from double.reaching import reach

REDUCTION = "a, axis=None, dtype=None, out=None, keepdims=False"
EXTREMUM = "a, axis=None, out=None, keepdims=False"
LIKE = "a, dtype=None, order='K', subok=None, shape=None"
FUNCTIONS = {  # with CuPy's parameters
    **dict.fromkeys(("sum", "prod", "mean"), REDUCTION),
    **dict.fromkeys(("max", "min", "amax", "amin", "any", "all"), EXTREMUM),
    **dict.fromkeys(("argmax", "argmin"), REDUCTION),
    **dict.fromkeys(("var", "std"), "a, axis=None, dtype=None, out=None, ddof=0, keepdims=False"),
    **dict.fromkeys(("cumsum", "cumprod"), "a, axis=None, dtype=None, out=None"),
    **dict.fromkeys(("argsort", "sort"), "a, axis=-1, kind=None"),
    **dict.fromkeys(("concatenate", "stack"), "tup, axis=0, out=None, *, dtype=None, casting='same_kind'"),
    **dict.fromkeys(("zeros_like", "ones_like"), LIKE),
    **dict.fromkeys(("isclose", "allclose"), "a, b, rtol=1e-05, atol=1e-08, equal_nan=False"),
    **dict.fromkeys(("tril", "triu"), "m, k=0"),
    **dict.fromkeys(("may_share_memory", "shares_memory"), "a, b, max_work=None"),
    "array_equal": "a1, a2, equal_nan=False",
    "broadcast_to": "array, shape",
    "can_cast": "from_, to, casting='safe'",
    "clip": "a, a_min, a_max, out=None",
    "copy": "a, order='K'",
    "copyto": "dst, src, casting='same_kind', where=None",
    "count_nonzero": "a, axis=None",
    "diagonal": "a, offset=0, axis1=0, axis2=1",
    "dot": "a, b, out=None",
    "einsum": "*operands, **kwargs",
    "empty_like": LIKE.replace("a,", "prototype,", 1),
    "expand_dims": "a, axis",
    "flip": "a, axis=None",
    "full_like": "a, fill_value, dtype=None, order='K', subok=None, shape=None",
    "linalg.cholesky": "a",
    "linalg.norm": "x, ord=None, axis=None, keepdims=False",
    "linalg.solve": "a, b",
    "moveaxis": "a, source, destination",
    "ndim": "a",
    "nonzero": "a",
    "outer": "a, b, out=None",
    "pad": "array, pad_width, mode='constant', **kwargs",
    "ravel": "a, order='C'",
    "repeat": "a, repeats, axis=None",
    "reshape": "a, newshape, order='C', *, copy=None",
    "result_type": "*arrays_and_dtypes",
    "roll": "a, shift, axis=None",
    "round": "a, decimals=0, out=None",
    "shape": "a",
    "size": "a, axis=None",
    "squeeze": "a, axis=None",
    "swapaxes": "a, axis1, axis2",
    "take": "a, indices, axis=None, out=None",
    "take_along_axis": "a, indices, axis",
    "tensordot": "a, b, axes=2",
    "tile": "A, reps",
    "transpose": "a, axes=None",
    "where": "condition, x=None, y=None",
}
SIGNATURES = {name: signature(text) for name, text in FUNCTIONS.items()}
REDUCTIONS = frozenset(
    ["sum", "prod", "mean", "max", "min", "amax", "amin", "argmax", "argmin", "cumsum", "sort", "any", "all"]
)
OF_ARRAYS = {"may_share_memory", "shares_memory", "shape", "ndim", "size", "can_cast", "result_type"}


def run(function, types, args: tuple, kwargs: dict):
    """The result, or NotImplemented where CuPy does not know what is asked."""
    if not all(issubclass(kind, (ndarray, np.ndarray)) for kind in types):
        return NotImplemented
    name = f"linalg.{function.__name__}" if "linalg" in function.__module__ else function.__name__
    if name not in FUNCTIONS:
        return NotImplemented
    reach("function", name, len(args), tuple(sorted(kwargs)))
    try:
        given = SIGNATURES[name].bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{name}() {error}") from None
    if name in REDUCTIONS and not given.arguments["a"].ndim and given.arguments.get("axis") not in (None, ()):
        raise np.exceptions.AxisError(given.arguments["axis"], 0)
    with np.errstate(all="ignore"):
        if name in SPECIAL:
            return SPECIAL[name](*given.args, **given.kwargs)
        words = {k: plain(v) for k, v in given.kwargs.items()}
        result = function(*map(plain, given.args), **words)
    if name in OF_ARRAYS:
        return result
    if (out := given.arguments.get("out")) is not None:
        return out
    return wrap(result, *given.arguments.values())


# --- those that are asked in another way ---------------------------------------------------------------


def _dtypes(function):
    def answer(*given, **words):
        return function(*[x.dtype if isinstance(x, ndarray) else x for x in given], **words)

    return answer


def _where(condition, x=None, y=None):
    if not isinstance(condition, (ndarray, np.generic)):
        if isinstance(condition, np.ndarray):
            raise TypeError(f"Unsupported type {type(condition)}")
        raise AttributeError(f"{type(condition).__name__!r} object has no attribute 'astype'")
    if x is None:
        counting.downloaded()
        return wrap(np.nonzero(own(condition)))
    for part in (x, y):
        if not isinstance(part, (ndarray, *NUMBERS)):
            raise TypeError(f"Unsupported type {type(part)}")
    return wrap(np.where(plain(condition), plain(x), plain(y)))


def _copyto(dst, src, casting="same_kind", where=None):
    if not isinstance(dst, ndarray):
        raise AttributeError("'memoryview' object has no attribute 'copy_from_async'")
    if isinstance(src, np.ndarray) and src.ndim:
        raise ValueError("non-scalar numpy.ndarray cannot be used for copyto")
    np.copyto(
        own(dst),
        own(src) if isinstance(src, ndarray) else src,
        casting,
        True if where is None else plain(where),
    )


def _einsum(*operands, **kwargs):
    if wrong := [name for name in kwargs if name not in ("dtype", "optimize")]:
        raise TypeError(f"Did not understand the following kwargs: {wrong}")
    arrays = []
    for x in operands:
        if isinstance(x, np.ndarray):
            counting.uploaded()
        arrays.append(own(x) if isinstance(x, ndarray) else x)
    return wrap(np.einsum(*arrays, **kwargs), *operands)


def _take(a, indices, axis=None, out=None):
    if axis is None:
        a, axis = wrap(own(a).ravel()), 0
    axis = np.lib.array_utils.normalize_axis_index(axis, a.ndim)
    return wrap(indexing.read(own(a), (*[slice(None)] * axis, indices)), a)


def _take_along_axis(a, indices, axis):
    if isinstance(indices, np.ndarray):
        counting.uploaded()
    index = indices if isinstance(indices, np.ndarray) else own(indices)
    return wrap(np.take_along_axis(own(a), indexing.wrapped(index, own(a).shape[axis]), axis))


def _broadcast_to(array, shape):
    a = own(array)
    strides = np.broadcast_to(a, shape).strides
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return wrap(np.lib.stride_tricks.as_strided(a, shape, strides, writeable=True), array)


def _like(function):
    """An empty shape, and 0, is no shape to CuPy."""

    def make(a, dtype=None, order="K", subok=None, shape=None):
        return ndarray(function(own(a), dtype, order, shape=shape or None))

    return make


def _empty_like(prototype, dtype=None, order="K", subok=None, shape=None):
    return poisoned(np.empty_like(own(prototype), dtype, order, shape=shape or None))


def poisoned(a: np.ndarray) -> ndarray:
    """Fresh memory, filled with what shows if it is read."""
    a.fill(np.nan if a.dtype.kind in "fc" else a.dtype.type(-1) if a.dtype.kind == "i" else 1)
    return ndarray(a)


def _joined(function):
    def join(tup, axis=0, out=None, *, dtype=None, casting="same_kind"):
        for x in tup:
            if isinstance(x, np.ndarray):
                raise TypeError(f"Unsupported type {type(x)}")
        result = function(
            [own(x) for x in tup], axis, None if out is None else own(out), dtype=dtype, casting=casting
        )
        return wrap(result) if out is None else out

    return join


def _repeat(a, repeats, axis=None):
    if isinstance(repeats, ndarray):
        counting.downloaded()
        counting.downloaded()  # CuPy reads them twice
        repeats = own(repeats)
    return wrap(np.repeat(own(a), repeats, axis))


def _nonzero(a):
    counting.downloaded()
    return wrap(np.nonzero(own(a)))


def _place(function):
    """Of several NaN CuPy may name any, and NumPy names the first; here it is the last."""

    def place(a, axis=None, dtype=None, out=None, keepdims=False):
        x = own(a)
        found = function(x, axis, keepdims=keepdims)
        if x.dtype.kind == "f" and np.isnan(x).any():
            n = x.size if axis is None else x.shape[axis]
            last = n - 1 - function(np.flip(x, axis), axis, keepdims=keepdims)
            found = np.where(np.isnan(x).any(axis, keepdims=keepdims), last, found)
        return wrap(found)

    return place


def _ordered(function):
    def order(a, axis=-1, kind=None):
        if kind not in (None, "stable"):
            raise ValueError("kind can only be None or 'stable'")
        return wrap(function(own(a), axis, kind))

    return order


def _pad(array, pad_width, mode="constant", **kwargs):
    if any(isinstance(value, ndarray) for value in kwargs.values()):
        raise TypeError(IMPLICIT)
    return wrap(np.pad(own(array), pad_width, mode, **kwargs))


# --- linear algebra: what has no answer is garbage, unless it is asked for loudly ------------------------


class Linalg(threading.local):
    how = None


linalg = Linalg()


@contextmanager
def errstate(*, linalg: str | None = None):
    """`cupyx.errstate`: "raise" waits for the outcome of linear algebra."""
    before, state = globals()["linalg"].how, globals()["linalg"]
    state.how = linalg
    try:
        yield
    finally:
        state.how = before


def _solved(function, *arrays, garbage):
    if linalg.how == "raise":
        counting.synchronised()
    try:
        return wrap(function(*arrays))
    except np.linalg.LinAlgError as error:
        if linalg.how == "raise" or "square" in str(error):
            raise
        return wrap(np.full_like(garbage, np.nan))


def _solve(a, b):
    if not isinstance(a, ndarray) or not isinstance(b, ndarray):
        raise np.linalg.LinAlgError("cupy.linalg only supports cupy.ndarray")
    a, b = own(a), own(b)
    if (
        a.shape[:-1] != b.shape[: a.ndim - 1]
        or b.ndim not in (a.ndim, a.ndim - 1)
        or a.shape[-1] != a.shape[-2]
    ):
        raise ValueError("a must have (..., M, M) shape and b must have (..., M, K) for multidimensional b")
    return _solved(np.linalg.solve, a, b, garbage=b)


SPECIAL = {
    "argmax": _place(np.argmax),
    "argmin": _place(np.argmin),
    "argsort": _ordered(np.argsort),
    "sort": _ordered(np.sort),
    "broadcast_to": _broadcast_to,
    "can_cast": _dtypes(np.can_cast),
    "concatenate": _joined(np.concatenate),
    "copyto": _copyto,
    "einsum": _einsum,
    "empty_like": _empty_like,
    "linalg.cholesky": lambda a: _solved(np.linalg.cholesky, own(a), garbage=own(a)),
    "linalg.solve": _solve,
    "nonzero": _nonzero,
    "ones_like": _like(np.ones_like),
    "zeros_like": _like(np.zeros_like),
    "pad": _pad,
    "repeat": _repeat,
    "result_type": _dtypes(np.result_type),
    "stack": _joined(np.stack),
    "take": _take,
    "take_along_axis": _take_along_axis,
    "where": _where,
}
