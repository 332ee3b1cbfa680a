"""Systems of linear equations, and inverses."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.ops.shape import reshape


def dominant(x):
    """x + 8 I, which is invertible for the values that the laws draw."""
    return x + 8 * np.eye(x.shape[-1])


@primitive("(n,n),(n,m)->(n,m)", domain={"a": dominant})
def _solve(a, b, /):
    """z = a^-1 b"""
    return backend.solve(a, b)


_solve.vjp(lambda g, a, z: _solve(a.mT, np.negative(g)) @ z.mT, lambda g, a: _solve(a.mT, g))
_solve.jvp(lambda g, a, z: _solve(a, np.negative(g @ z)), lambda g, a: _solve(a, g))


@numpy_function(module="linalg")
def solve(a, b):
    """The solution x of a x = b, for invertible a (..., n, n) and b, a vector (n,) or matrices (..., n, m).

    NumPy's LinAlgError for a singular matrix.

    >>> import tinygrad_seq as ts
    >>> ts.solve(ts.tensor([[2.0, 0.0], [0.0, 4.0]]), ts.tensor([2.0, 2.0])).numpy()
    array([1. , 0.5], dtype=float32)
    """
    if np.ndim(b) == 1:
        z = _solve(a, reshape(b, (-1, 1)))
        return reshape(z, np.shape(z)[:-1])
    return _solve(a, b)
