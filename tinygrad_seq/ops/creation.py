"""New arrays with the dtype and the device of a given array. They have no derivative."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import primitive
from tinygrad_seq.engine.signature import example

EXAMPLES = [example("(a,b)"), example("(a)", shape=(2, 3))]


@primitive(examples=EXAMPLES)
def zeros_like(x, /, *, shape=None):
    """z = 0, in the shape of x or in `shape`

    >>> ts.zeros_like(ts.tensor([1.0, 2.0])).numpy()
    array([0., 0.], dtype=float32)
    """
    return backend.shaped(np.zeros_like, x, shape)


zeros_like.no_derivative()


@primitive(examples=EXAMPLES)
def ones_like(x, /, *, shape=None):
    """z = 1, in the shape of x or in `shape`

    >>> ts.ones_like(ts.tensor(5), shape=(2,)).numpy()
    array([1, 1])
    """
    return backend.shaped(np.ones_like, x, shape)


ones_like.no_derivative()
