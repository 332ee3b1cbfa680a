"""A function of tensors as one op, whose derivatives are computed by calling the function again.

Its record keeps the arguments and no intermediate values, which trades time for memory. The value may be
computed in another way (`compute`) than the one that is differentiated (`meaning`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Protocol

from tinygrad_seq.derive.functions import jvp, vjp
from tinygrad_seq.engine.primitive import Primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.tensor.tensor import Tensor


class Function(Protocol):
    """The function that `closed` calls. It must be hashable, because it is part of the key of a program.

    compute   from arrays, a tuple of arrays: the value
    meaning   the same from tensors, by ops that have derivatives
    follows   for each argument, whether a derivative passes to it
    """

    def compute(self, arrays: Sequence) -> tuple: ...
    def meaning(self, tensors: Sequence) -> tuple: ...
    def follows(self, arrays: Sequence) -> list[bool]: ...


def _closed(*arrays, function):
    """z = function(*arrays)"""
    return function.compute(arrays)


CLOSED = Primitive(_closed, examples=[example("(a)", function=None)], many=True)


def closed(function: Function, arguments: Sequence) -> tuple:
    """function(*arguments) as one line of the tape."""
    return CLOSED.function(*arguments, function=function)


def _opened(function: Function, arrays: Sequence, asked: Sequence[bool]) -> tuple[Callable, list[int]]:
    """The function of only those arguments that a derivative is asked for and passes to, and their indices."""
    places = [i for i, on in enumerate(function.follows(arrays)) if on and asked[i]]

    def call(*moving):
        whole = list(arrays)
        for i, x in zip(places, moving, strict=True):
            whole[i] = x
        return tuple(z if z.dtype.kind == "f" else None for z in function.meaning(whole))

    return call, places


def _vjp(g, arrays, function, needed):
    call, places = _opened(function, arrays, needed)
    arriving = [i for i, c in enumerate(g) if c is not None]  # not zeros for the others: 0 times NaN is NaN
    _, pullback = vjp(lambda *moving: itemgetter(*arriving)(call(*moving)), *[arrays[i] for i in places])
    found = dict(zip(places, pullback(itemgetter(*arriving)(g)), strict=True))
    return [_like(g, found[i]) if i in found else None for i in range(len(arrays))]


def _jvp(g, arrays, function):
    call, places = _opened(function, arrays, [dx is not None for dx in g])
    return jvp(call, [arrays[i] for i in places], [g[i] for i in places])[1]


def _like(g: Sequence, x: Tensor):
    """The cotangent x as a tensor if the incoming ones are tensors, else as an array."""
    return x if any(isinstance(c, Tensor) for c in g) else x._array


CLOSED.joint_vjp(_vjp, zeros=False)
CLOSED.joint_jvp(_jvp)
