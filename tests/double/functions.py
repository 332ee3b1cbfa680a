"""What CuPy answers when one of NumPy's functions is called with an array of a device.

A function that is not in the table is one that CuPy lacks, or that nobody here has needed yet.
"""

from __future__ import annotations

import numpy as np

from double.array import ndarray, wrap
from double.methods import plain, signature
from double.reaching import reach
from double.special import SPECIAL

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
