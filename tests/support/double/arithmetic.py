"""Computations that are not ufuncs: products, rounding, and the like; queries that do not read elements."""

from __future__ import annotations

import numpy as np

from double.array import SCALARS, deliver, function, host, ndarray, number, view, wrap
from double.counting import downloaded
from double.indexing import indices_of


@function
def dot(a, b, out=None):
    x, y = host(a), host(b, "b")
    if x.ndim and y.ndim and x.shape[-1] != y.shape[-2 if y.ndim > 1 else 0]:
        raise ValueError("Axis dimension mismatch")
    return deliver(np.dot(x, y), out)


@function
def vdot(a, b):
    return wrap(np.vdot(host(a), host(b, "b")))


@function
def inner(a, b):
    return wrap(np.inner(host(a), host(b, "b")))


@function
def convolve(a, v, mode="full"):
    """A short vector and a long one; CuPy uses the FFT where that is faster."""
    if a.size == 0 or v.size == 0:
        raise ValueError(f"{'v' if a.size else 'a'} cannot be empty")
    if v.ndim > 1:
        raise ValueError("v cannot be multidimensional array")
    return convolved(host(a).ravel(), host(v).ravel(), mode)


def convolved(a, v, mode):
    if mode not in ("valid", "same", "full"):
        raise ValueError("acceptable mode flags are `valid`, `same`, or `full`.")
    return wrap(np.convolve(a, v, mode))


@function
def correlate(a, v, mode="valid"):
    if a.size == 0 or v.size == 0:
        raise ValueError("Array arguments cannot be empty")
    if a.ndim != 1 or v.ndim != 1:
        raise ValueError("object too deep for desired array")
    return convolved(host(a), host(v)[::-1], mode)


@function
def interp(x, xp, fp, left=None, right=None, period=None):
    if xp.ndim != 1 or fp.ndim != 1:
        raise ValueError("xp and fp must be 1D arrays")
    if xp.size != fp.size:
        raise ValueError("fp and xp are not of the same length")
    if xp.size == 0:
        raise ValueError("array of sample points is empty")
    return wrap(np.interp(host(x), host(xp), host(fp), left, right, period))


@function
def outer(a, b, out=None):
    return deliver(np.outer(host(a), host(b, "b")), out)


@function
def tensordot(a, b, axes=2):
    return wrap(np.tensordot(host(a), host(b, "b"), axes))


@function
def kron(a, b):
    return wrap(np.kron(host(a), host(b, "b")))


@function
def einsum(*operands, dtype=None, optimize=False, **wrong):
    if wrong:
        raise TypeError(f"Did not understand the following kwargs: {list(wrong)}")
    raw = [x if isinstance(x, (str, *SCALARS)) else indices_of(x) for x in operands]
    z = np.asarray(np.einsum(*raw, dtype=dtype, optimize=optimize))
    owner = next((a for a in operands if type(a) is ndarray and np.may_share_memory(z, a._host)), None)
    return view(wrap(z) if owner is None else owner, z)  # a computed result is a view of new memory


@function
def clip(a, a_min, a_max, out=None):
    low, high = (None if bound is None else number(bound) for bound in (a_min, a_max))
    return deliver(np.clip(host(a), low, high), out)


@function("round", "around")
def around(a, decimals=0, out=None):
    return deliver(np.round(host(a), decimals), out)


@function
def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    found = np.nan_to_num(host(x), True, nan, posinf, neginf)
    return wrap(found) if copy else deliver(found, x)


@function
def diff(a, n=1, axis=-1, prepend=None, append=None):
    ends = {"prepend": prepend, "append": append}
    return wrap(np.diff(host(a), n, axis, **{name: number(x) for name, x in ends.items() if x is not None}))


@function
def isclose(a, b, rtol=1e-5, atol=1e-8, equal_nan=False):
    return wrap(np.isclose(number(a), number(b), rtol, atol, equal_nan))


@function
def real(val):
    return val if val._host.dtype.kind != "c" else view(val, val._host.real)


@function
def imag(val):
    return wrap(np.zeros_like(host(val))) if val._host.dtype.kind != "c" else view(val, val._host.imag)


@function
def ndim(a):
    return a._host.ndim if type(a) is ndarray else np.ndim(a)


@function
def shape(a):
    return a._host.shape if type(a) is ndarray else np.shape(a)


@function
def size(a, axis=None):
    return np.size(a._host if type(a) is ndarray else a, axis)


@function
def result_type(*arrays_and_dtypes):
    return np.result_type(*(x._host if type(x) is ndarray else x for x in arrays_and_dtypes))


@function
def can_cast(from_, to, casting="safe"):
    return np.can_cast(from_._host.dtype if type(from_) is ndarray else from_, to, casting)


@function
def shares_memory(a, b, max_work=None):
    downloaded()
    return np.shares_memory(a._host, b._host)


@function
def may_share_memory(a, b, max_work=None):
    return np.may_share_memory(a._host, b._host)


@function
def iscomplexobj(x):
    return np.iscomplexobj(x._host if type(x) is ndarray else x)
