"""Every primitive has the values of NumPy's function of that name, or of a plain formula."""

import doors
import numpy as np
import pytest
from drawing import drawn
from naming import numpys
from results import assert_allclose
from scipy import special

from tinygrad_seq.engine.primitive import FUNCTIONS, PRIMITIVES
from tinygrad_seq.ops.indexing import ARRAY, MASK
from tinygrad_seq.testing.strategies import SINGULAR, sprinkled


def softmax(x, axis=-1):
    return np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)


def key_of(key, indices):
    arrays = iter(indices)
    return tuple(next(arrays) if part in (ARRAY, MASK) else part for part in key)


def scatter(x, *indices, key, shape):
    z = np.zeros(shape)
    np.add.at(z, key_of(key, indices), x)
    return z


def scatter_along_axis(x, indices, axis, shape):
    z = np.zeros(shape)
    for place in np.ndindex(indices.shape):
        target = list(place)
        target[axis] = indices[place]
        z[tuple(target)] += x[place]
    return z


def cofactors(a):
    """By the determinants of what is left without a row and a column."""
    n = a.shape[-1]
    z = np.empty(a.shape)
    for i, j in np.ndindex(n, n):
        z[..., i, j] = (-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, -2), j, -1))
    return z


FORMULAS = {  # primitives without a NumPy function of that name, or with other arguments
    "astype": lambda x, dtype: np.array(x, dtype),
    "cast": lambda x, dtype: np.array(x, dtype),
    "cholesky": np.linalg.cholesky,
    "cofactors": cofactors,
    "concatenate": lambda *arrays, axis=0: np.concatenate(arrays, axis),
    "contract": lambda x, y, subscripts: np.einsum(subscripts, x, y),
    "iv": special.iv,
    "ive": special.ive,
    "jv": special.jv,
    "polygamma": special.polygamma,
    "yn": special.yn,
    "yv": special.yv,
    "det": np.linalg.det,
    "eigh": np.linalg.eigh,
    "eigvalsh": np.linalg.eigvalsh,
    "irfft": lambda x, n: np.fft.irfft(x[..., 0] + 1j * x[..., 1], n),
    "rfft": lambda x: np.stack([np.fft.rfft(x).real, np.fft.rfft(x).imag], -1),
    "inv": np.linalg.inv,
    "pinv": lambda a, rtol: np.linalg.pinv(a + np.zeros_like(rtol, float)[..., None, None], rtol),
    "qr": lambda a, complete: np.linalg.qr(a, "complete" if complete else "reduced"),
    "slogdet": np.linalg.slogdet,
    "svd": lambda a, full_matrices: np.linalg.svd(a, full_matrices),
    "svdvals": np.linalg.svdvals,
    "fraction": lambda x: np.modf(x)[0],
    "getitem": lambda x, *indices, key: x[key_of(key, indices)],
    "move": lambda x, device, source: x,
    "log_softmax": lambda x, axis=-1: np.log(softmax(x, axis)),
    "logsumexp": lambda x, axis=None, keepdims=False: np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)),
    "nanargmax": np.nanargmax,  # an error where all are NaN
    "nanargmin": np.nanargmin,
    "pad": lambda x, widths, values: np.pad(x, widths, constant_values=values),
    "norm": lambda x, axis=None, keepdims=False: np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims)),
    "ranked": lambda x, ranks: np.sort(x)[..., list(ranks)],
    "relu": lambda x: np.where(x > 0, x, 0),
    "safe_product": lambda a, p: a * p,
    "scatter": scatter,
    "scatter_along_axis": scatter_along_axis,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softmax": softmax,
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "solve": lambda a, b: np.linalg.inv(a) @ b,
    "stack": lambda *arrays, axis=0: np.stack(arrays, axis),
    "steps": lambda x, axis, apart=1: np.diff(x, axis=axis) if apart == 1 else x[..., apart:] - x[..., :-apart],
    "stop_gradient": lambda x: x,
    "unique": lambda x, inverse=False, counts=False, axis=None, equal_nan=True: np.unique(
        x, True, inverse, counts, axis, equal_nan=equal_nan
    )[1:],
}


KEYS = {f.primitive.name: key for key, f in FUNCTIONS.items() if hasattr(f, "primitive")}


def reference(name):
    return FORMULAS.get(name) or numpys(KEYS.get(name, name))


def compare(op, reference, arrays, meta):
    """Compare op and reference on the same arrays, with shapes and dtypes; returns the number of elements."""
    with np.errstate(all="ignore"):
        found, expected = (f(*arrays, **meta) for f in (op.function, reference))
    pairs = list(zip(found, expected, strict=True)) if op.many else [(found, expected)]
    for one, other in pairs:
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        assert_allclose(one, other, rtol=1e-12, err_msg=f"{op.name} of {arrays}, {meta}")
    return sum(one.size for one, _ in pairs)


@pytest.mark.parametrize("name", sorted(set(PRIMITIVES) - doors.missing()))
def test_value(name):
    op = PRIMITIVES[name]
    assert sum(compare(op, reference(name), call.arrays, call.meta) for call in drawn(op, 12)) > 10


ORDER = pytest.mark.host("huge numbers cancel or not by the order in which they are added")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=ORDER if name == "sum" else ())
        for name in sorted(set(PRIMITIVES) - set(FORMULAS))
    ],
)
def test_value_at_awkward_points(name):
    """At zeros of both signs, infinities, NaN, huge and tiny numbers, values are NumPy's."""
    op = PRIMITIVES[name]
    for call in drawn(op, 12):
        arrays = sprinkled(call, (*SINGULAR, np.nan), call.rng())
        compare(op, reference(name), arrays, call.meta)


def test_formulas_stand_for_primitives():
    assert set(FORMULAS) <= set(PRIMITIVES)
