"""Triangles: a matrix with zeros above or below a diagonal."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.primitive import primitive
from tinygrad_seq.engine.signature import example


@primitive(examples=[example("(a,b)"), example("(a,b,c)", k=-1), example("(a,b)", k=1)])
def tril(x, /, k=0):
    """z = x on and below the k-th diagonal of every matrix (..., n, m), else 0

    >>> ts.tril(ts.tensor([[1, 2], [3, 4]])).numpy()
    array([[1, 0],
           [3, 4]])
    """
    return np.tril(matrices(x), k)


def matrices(x):
    """`x`, or ValueError if it has fewer than two axes; NumPy would repeat a vector as the rows of a matrix."""
    if np.ndim(x) < 2:
        raise ValueError(f"expects matrices (..., n, m), got an array of shape {np.shape(x)}")
    return x


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
