"""New arrays, made from an array at hand: of its dtype, and where it lives. None has a derivative."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.primitive import primitive
from tinygrad_seq.signature import example

EXAMPLES = [example("(a,b)"), example("(a)", shape=(2, 3))]


@primitive(examples=EXAMPLES)
def zeros_like(x, /, *, shape=None):
    """z = 0, in the shape of x or in another"""
    return np.zeros_like(x, shape=shape)


@primitive(examples=EXAMPLES)
def ones_like(x, /, *, shape=None):
    """z = 1, in the shape of x or in another"""
    return np.ones_like(x, shape=shape)
