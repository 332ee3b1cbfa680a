"""Triangles: a matrix with zeros above or below a diagonal."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.primitive import primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.linalg.arguments import matrices


@primitive(examples=[example("(a,b)"), example("(a,b,c)", k=-1), example("(a,b)", k=1)])
def tril(x, /, k=0):
    """z = x on and below the k-th diagonal of every matrix (..., n, m), else 0

    >>> ts.tril(ts.tensor([[1, 2], [3, 4]])).numpy()
    array([[1, 0],
           [3, 4]])
    """
    return np.tril(matrices(x), k)


tril.linear(lambda g, k: np.tril(g, k))
tril.rides(k=lambda k: k)


@primitive(examples=[example("(a,b)"), example("(a,b,c)", k=-1), example("(a,b)", k=1)])
def triu(x, /, k=0):
    """z = x on and above the k-th diagonal of every matrix (..., n, m), else 0

    >>> ts.triu(ts.tensor([[1, 2], [3, 4]]), k=1).numpy()
    array([[0, 2],
           [0, 0]])
    """
    return np.triu(matrices(x), k)


triu.linear(lambda g, k: np.triu(g, k))
triu.rides(k=lambda k: k)


def mirrored(x, uplo: str = "L"):
    """The symmetric matrix whose lower, or upper, triangle is that of x."""
    return np.tril(x) + np.tril(x, -1).mT if uplo == "L" else np.triu(x) + np.triu(x, 1).mT


def folded(s, uplo: str = "L"):
    """The cotangent of x, from s, that of `mirrored(x)`, a symmetric matrix."""
    return np.tril(s) + np.tril(s, -1) if uplo == "L" else np.triu(s) + np.triu(s, 1)
