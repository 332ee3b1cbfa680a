"""Elements selected from several arrays, by conditions or by a number; and those that meet a condition.

`compress` and `extract` have a shape that depends on values: they work outside of the step of a scan, and in a
step where the condition is a constant.
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.primitive import numpy_function
from tinygrad_seq.ops.choice import clip, where
from tinygrad_seq.ops.creation import full_like
from tinygrad_seq.ops.indexing import take, take_along_axis
from tinygrad_seq.ops.joining import stack
from tinygrad_seq.ops.searching import flatnonzero
from tinygrad_seq.ops.shape import broadcast_arrays, expand_dims, ravel, squeeze


@numpy_function
def select(condlist, choicelist, default=0):
    """The elements of the first choice whose condition is true, and of `default` where none is.

    ValueError unless there are as many choices as conditions; TypeError for a condition that is not boolean.

    >>> import tinygrad_seq as ts
    >>> x = ts.tensor([1.0, 2.0, 3.0])
    >>> ts.select([x < 2.0, x < 3.0], [x, 10.0 * x], -1.0).numpy()
    array([ 1., 20., -1.], dtype=float32)
    """
    conditions, choices = list(condlist), list(choicelist)
    if len(conditions) != len(choices) or not conditions:
        raise ValueError(f"select needs as many choices as conditions, got {len(choices)}, {len(conditions)}")
    conditions = [c if hasattr(c, "dtype") else np.asarray(c) for c in conditions]
    if wrong := [c.dtype for c in conditions if c.dtype != bool]:
        raise TypeError(f"select expects boolean conditions, got {wrong[0]}")
    choices = [x if hasattr(x, "dtype") or isinstance(x, (int, float)) else np.asarray(x) for x in choices]
    dtype = np.result_type(*choices, default if isinstance(default, (int, float)) else np.result_type(default))
    z = full_like(conditions[0], default, dtype) if np.ndim(default) == 0 else default
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        z = where(condition, choice, z)
    return z


@numpy_function
def choose(indices, choices, *, mode: str = "raise"):
    """z_i = (choices[indices_i])_i; the indices and the choices broadcast.

    mode  what an index that is out of range does: "raise" an IndexError (on a device it is not noticed), "wrap"
          around, or "clip" to the nearest choice

    >>> import tinygrad_seq as ts
    >>> ts.choose([1, 0], [ts.tensor([1.0, 2.0]), ts.tensor([3.0, 4.0])]).numpy()
    array([3., 2.], dtype=float32)
    """
    i, *choices = broadcast_arrays(indices, *choices)
    if i.dtype.kind not in "iub":
        raise TypeError(f"choose expects integer indices, got {i.dtype}")
    n = len(choices)
    if mode == "clip":
        i = clip(i, 0, n - 1)
    elif mode == "raise":
        i = where(i < 0, n, i)  # NumPy's choose has no negative indices
    elif mode == "wrap":
        i = np.remainder(i, n)
    else:
        raise ValueError(f'choose has the modes "raise", "wrap" and "clip", got {mode!r}')
    return squeeze(take_along_axis(stack(choices), expand_dims(i, 0), 0), 0)


@numpy_function
def compress(condition, x, axis: int | None = None):
    """The slices of `x` along `axis` for which the vector `condition` is true; it may be shorter than the axis.

    Without an axis, elements of the flattened x.

    >>> import tinygrad_seq as ts
    >>> ts.compress([False, True], ts.tensor([[1, 2], [3, 4]]), axis=0).numpy()
    array([[3, 4]])
    """
    if np.ndim(condition) != 1:
        raise ValueError(f"compress expects a vector of conditions, got shape {np.shape(condition)}")
    return take(x, flatnonzero(condition), axis)


@numpy_function
def extract(condition, x):
    """The elements of the flattened `x` for which `condition`, of as many elements, is true.

    >>> import tinygrad_seq as ts
    >>> ts.extract([[True, False], [False, True]], ts.tensor([[1, 2], [3, 4]])).numpy()
    array([1, 4])
    """
    return take(ravel(x), flatnonzero(condition))
