"""Code that reads nothing but its arguments and its own attributes, so that its recording can be kept.

The cells, layers and ops of this package are such code. A user marks a class or a function with `pure`.
"""

from __future__ import annotations

import inspect
import weakref
from types import FunctionType
from typing import TypeVar

from tinygrad_seq.engine.errors import describe

Code = TypeVar("Code", bound=type | FunctionType)

_marked: weakref.WeakSet[type | FunctionType] = weakref.WeakSet()


def pure(code: Code) -> Code:
    """Decorator: `scan` may keep the recording of this step, a class of cells or a function.

    `scan` calls a step at every run to see what it computes. The recording of a pure step is kept, and the step
    is called again only if something that it reads has changed. To see that takes less than a tenth of the time
    of a recording, which matters where steps are small, as at batch 1. The cells of `nn` are pure.

    Whoever marks a step promises that what it computes depends only on

    - its arguments: for tensors on their shapes, dtypes and devices, and not on their values;
    - attributes of `self`, if it is a class, also in lists, dicts, and cells or layers that are pure
      themselves: tensors may have new values at every run, all else is compared;
    - its defaults, the variables of functions around it, and globals that its code names: compared likewise;

    and that it has no effect but its result. Neither draws nor files nor the clock are among these. What is
    read is compared by identity for functions, by value for numbers, text, tuples, lists and dicts. If
    something else is read (a NumPy array, a generator, an object of an unmarked class), if a tensor is used
    that could not be found on these paths, or if the value of a tensor is read, then nothing is kept: the
    step is recorded at every run, as without the mark.

    The mark covers the methods of a class and the functions that they call. It is not inherited: a subclass
    that adds or changes a method is pure if it is marked itself. Raises TypeError for anything but a class with
    a `__call__` or a function.

    >>> import numpy as np
    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> @ts.pure
    ... class Leaky(nn.Cell):
    ...     "h' = (1 - rate) h + rate x"
    ...
    ...     def __init__(self, rate):
    ...         self.rate = rate
    ...
    ...     def initial_state(self, batch, like):
    ...         return ts.zeros_like(like, shape=(batch, 1))
    ...
    ...     def __call__(self, h, x):
    ...         h = (1 - self.rate) * h + self.rate * x
    ...         return h, h
    >>> rnn = nn.Recurrent(Leaky(0.5))
    >>> ys, h = rnn(np.ones((3, 1, 1), np.float32))
    >>> rnn.cell.rate = 0.25  # the step is recorded again
    >>> rnn(np.ones((3, 1, 1), np.float32))[0].numpy().ravel()
    array([0.25    , 0.4375  , 0.578125], dtype=float32)
    """
    if not isinstance(code, (type, FunctionType)) or (isinstance(code, type) and not _called(code)):
        raise TypeError(f"pure marks a function or a class with a __call__, got {describe(code)}")
    _marked.add(code)
    return code


def _called(code: type) -> bool:
    return isinstance(inspect.getattr_static(code, "__call__", None), FunctionType)


def is_pure(code: type | FunctionType) -> bool:
    """Whether a class or a function is marked itself."""
    return code in _marked
