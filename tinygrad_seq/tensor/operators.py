"""Python's operators and NumPy's methods: how an expression of tensors becomes calls of ops.

Each of them is an op of `tinygrad_seq.ops` under another name; `Tensor` inherits them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from tinygrad_seq.engine.record import Handle
from tinygrad_seq.ops import (
    bits,
    choice,
    comparison,
    cumulative,
    diagonals,
    element_products,
    elementwise,
    indexing,
    linalg,
    ordering,
    products,
    real,
    rearranging,
    reduction,
    rounding,
    searching,
    shape,
    statistics,
    truth,
)

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)  # the class of results


class OfFirst(Protocol):
    """An op of two arguments, the first a Tensor."""

    def __call__(self, x: Handle[T], y: object, /) -> T: ...


class OfSecond(Protocol):
    """An op of two arguments, the second a Tensor."""

    def __call__(self, x: object, y: Handle[T], /) -> T: ...


def _reflected(op: OfSecond) -> Callable[[Handle[T], object], T]:
    """other <op> self, for an `other` that is not a Tensor."""
    return lambda self, other: op(other, self)


def _in_place(op: OfFirst, symbol: str) -> Callable[[Operators[T], object], T]:
    """`t += x` makes a new tensor. For a leaf that requires a gradient that is an error: it would be lost."""

    def update(self: Operators[T], other: object) -> T:
        if self.is_leaf and self.requires_grad:
            raise RuntimeError(
                f"{symbol} would replace a leaf that requires a gradient with a result: change its values with "
                f"t.assign_(...), or name the result, u = t {symbol[:-1]} x"
            )
        return op(self, other)

    return update


def _comparison(op: OfFirst) -> Callable[[Handle[T], object], T]:
    """Elementwise, unless `other` cannot be compared with a tensor."""

    def compare(self: Handle[T], other: object) -> T:
        known = isinstance(other, (float, int, list, tuple)) or hasattr(other, "__array__")
        return op(self, other) if known else NotImplemented

    return compare


class Operators(Handle[R_co]):
    """The operators and NumPy's methods, which return `R_co`."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def is_leaf(self) -> bool: ...
        @property
        def requires_grad(self) -> bool: ...

    __add__, __radd__ = elementwise.add, _reflected(elementwise.add)
    __sub__, __rsub__ = elementwise.subtract, _reflected(elementwise.subtract)
    __mul__, __rmul__ = elementwise.multiply, _reflected(elementwise.multiply)
    __truediv__, __rtruediv__ = elementwise.divide, _reflected(elementwise.divide)
    __pow__, __rpow__ = elementwise.power, _reflected(elementwise.power)
    __matmul__, __rmatmul__ = linalg.matmul, _reflected(linalg.matmul)
    __floordiv__, __rfloordiv__ = rounding.floor_divide, _reflected(rounding.floor_divide)
    __mod__, __rmod__ = rounding.remainder, _reflected(rounding.remainder)
    __divmod__, __rdivmod__ = rounding.divmod, _reflected(rounding.divmod)

    __iadd__ = _in_place(elementwise.add, "+=")
    __isub__ = _in_place(elementwise.subtract, "-=")
    __imul__ = _in_place(elementwise.multiply, "*=")
    __itruediv__ = _in_place(elementwise.divide, "/=")
    __ipow__ = _in_place(elementwise.power, "**=")
    __imatmul__ = _in_place(linalg.matmul, "@=")
    __ifloordiv__ = _in_place(rounding.floor_divide, "//=")
    __imod__ = _in_place(rounding.remainder, "%=")

    __neg__, __abs__, __invert__ = elementwise.negative, elementwise.abs, bits.invert
    __and__, __rand__ = bits.bitwise_and, _reflected(bits.bitwise_and)
    __or__, __ror__ = bits.bitwise_or, _reflected(bits.bitwise_or)
    __xor__, __rxor__ = bits.bitwise_xor, _reflected(bits.bitwise_xor)
    __lshift__, __rlshift__ = bits.left_shift, _reflected(bits.left_shift)
    __rshift__, __rrshift__ = bits.right_shift, _reflected(bits.right_shift)

    __lt__, __le__ = _comparison(comparison.less), _comparison(comparison.less_equal)
    __gt__, __ge__ = _comparison(comparison.greater), _comparison(comparison.greater_equal)
    __eq__ = _comparison(comparison.equal)  # type: ignore[assignment]  # elementwise: no bool, as object's
    __ne__ = _comparison(comparison.not_equal)  # type: ignore[assignment]  # the same
    __hash__ = object.__hash__

    sum, max, min, prod = reduction.sum, reduction.max, reduction.min, element_products.prod
    mean, var, std = statistics.mean, statistics.var, statistics.std
    all, any = truth.all, truth.any
    cumsum, cumprod, clip = cumulative.cumsum, element_products.cumprod, choice.clip
    argmax, argmin, argsort = ordering.argmax, ordering.argmin, ordering.argsort
    argpartition, searchsorted, nonzero = ordering.argpartition, searching.searchsorted, searching.nonzero
    swapaxes, squeeze = shape.swapaxes, shape.squeeze
    ravel, flatten, dot = shape.ravel, shape.ravel, products.dot
    diagonal, trace = diagonals.diagonal, diagonals.trace
    take, astype = indexing.take, elementwise.astype
    round, __round__, conj, conjugate = rounding.round, rounding.round, real.conjugate, real.conjugate
    real, imag = property(real.real), property(real.imag)

    def reshape(self, *shape_: int | tuple[int, ...]) -> R_co:
        """`t.reshape(2, 3)` or `t.reshape((2, 3))`."""
        return shape.reshape(self, shape_[0] if len(shape_) == 1 else shape_)

    def transpose(self, *axes: int | tuple[int, ...] | None) -> R_co:
        """`t.transpose()`, `t.transpose(1, 0)` or `t.transpose((1, 0))`.

        TypeError for two axes that PyTorch would swap: of a matrix in their old order, or of more than two.
        """
        if len(axes) == 2 and isinstance(axes[0], int) and (self._array.ndim != 2 or axes[0] % 2 == 0):
            raise TypeError(
                f"t.transpose{axes}: transpose takes all axes in their new order, as NumPy's does; PyTorch's, "
                f"which swaps two, is t.swapaxes{axes}"
            )
        return shape.transpose(self, axes[0] if len(axes) == 1 else axes or None)

    def repeat(self, repeats: int | Sequence[int] | np.ndarray, *more: int, axis: int | None = None) -> R_co:
        """`t.repeat(2)` or `t.repeat(2, axis=0)`: every element, or every slice along an axis, `repeats` times.

        TypeError for more than one number, which for PyTorch counts copies of the whole tensor.

        >>> import tinygrad_seq as ts
        >>> ts.tensor([1, 2]).repeat(2).numpy()
        array([1, 1, 2, 2])
        """
        if more:
            given = (repeats, *more)
            raise TypeError(
                f"t.repeat{given} is PyTorch's: write ts.tile(t, {given}) for copies of the tensor, or "
                f"t.repeat({repeats}, axis={more[0]}) to repeat its elements"
            )
        return rearranging.repeat(self, repeats, axis)

    @property
    def T(self) -> R_co:  # noqa: N802, NumPy's name
        """The axes in reversed order."""
        return shape.transpose(self)

    @property
    def mT(self) -> R_co:  # noqa: N802, NumPy's name
        """Every matrix transposed: the last two axes exchanged."""
        return shape.swapaxes(self, -1, -2)

    __getitem__ = indexing.getitem

    def __setitem__(self, key: object, value: object) -> None:
        raise TypeError(
            "tensors cannot be assigned into: use ts.where(mask, x, t), ts.stack(...) or ts.concatenate(...); "
            "t.assign_(x) overwrites a whole leaf"
        )
