"""Counting elements by their values, and in bins. Counts have no derivative; weights that are summed have."""

from __future__ import annotations

import builtins

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.mode import mode, refuse_in_a_step
from tinygrad_seq.engine.primitive import numpy_function
from tinygrad_seq.engine.record import Handle
from tinygrad_seq.engine.recording import frozen
from tinygrad_seq.ops.creation import ones_like
from tinygrad_seq.ops.indexing import ARRAY, _scatter, data_of, on_device_of
from tinygrad_seq.ops.reduction import as_dtype


@numpy_function
def bincount(x, /, weights=None, minlength: int = 0):
    """How often each of 0, 1, 2 ... up to the largest, or to `minlength` - 1, is in x; with weights, their sum.

    Differentiable with respect to the weights. Not in the step of a scan, since its length depends on values.
    TypeError for an x that does not hold integers, ValueError for negative ones, and if x is not a vector.

    >>> import tinygrad_seq as ts
    >>> ts.bincount(ts.tensor([0, 2, 2])).numpy()
    array([1, 0, 2])
    """
    x = x if hasattr(x, "ndim") else np.asarray(x, np.intp if np.size(x) == 0 else None)
    if mode.trace is not None and mode.trace.varies(x):
        refuse_in_a_step("bincount, whose length depends on values, is not possible; use scatter_add")
    if x.dtype.kind not in "iu":
        raise TypeError(f"bincount needs integers, got {describe(x)}")
    values = data_of(x)
    if x.ndim != 1 or minlength < 0 or (x.size and int(values.min()) < 0):
        raise ValueError(f"bincount needs a vector of integers >= 0, got {describe(x)}, minlength={minlength}")
    length = builtins.max(minlength, int(values.max()) + 1 if x.size else 0)
    if weights is None or not x.size:  # of nothing, NumPy counts
        weights = ones_like(as_dtype(x, np.int64))
    else:
        weights = as_dtype(on_device_of(x, weights), np.float64)
        if weights.shape != x.shape:
            raise ValueError(f"bincount of {describe(x)} needs a weight for each, got {describe(weights)}")
    return _scatter(weights, x, key=(ARRAY,), shape=(length,))


@numpy_function
def histogram(x, bins=10, range=None, density=None, weights=None):
    """How many elements of the flattened x are in each bin, and the edges of the bins; counted on the host.

    All of NumPy's arguments. Neither result is on the tape, and a gradient for weights would be lost: TypeError
    if they are on it, `bincount` has one. Not in the step of a scan, which does not read values.

    >>> import tinygrad_seq as ts
    >>> [z.numpy() for z in ts.histogram(ts.tensor([1.0, 2.0, 2.5, 4.0]), bins=[0.0, 2.0, 4.0])]
    [array([1, 3]), array([0., 2., 4.])]
    """
    if getattr(weights, "requires_grad", False):
        raise TypeError("histogram has no derivative for weights: detach them, or use bincount")
    given = (x, bins, weights)
    if mode.trace is not None and any(map(mode.trace.varies, given)):
        refuse_in_a_step("histogram, which reads values, is not possible; sum a condition for each bin")
    values, bins, weights = (backend.to_numpy(data_of(a)) if hasattr(a, "dtype") else a for a in given)
    found = np.histogram(values, bins, range, density, weights)
    z = [np.array(part) for part in found]  # copies: NumPy returns the given bins themselves
    if any(part.dtype.kind not in "fiub" for part in z):
        raise TypeError(f"histogram takes real numbers, got {describe(x)} and the weights {describe(weights)}")
    counts, edges = (backend.asarray(part, backend.device_of(data_of(x))) for part in z)
    tensors = any(hasattr(a, "line") for a in given)
    return (Handle.result(frozen(counts)), Handle.result(frozen(edges))) if tensors else (counts, edges)
