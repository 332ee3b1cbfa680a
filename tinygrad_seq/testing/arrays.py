"""Hypothesis strategies for arrays and Tensors, for laws of your own.

The values suit finite differences. All elements of one draw differ by more than a difference step, and none is
near zero, so that ties of max and the kinks of abs and relu are avoided by construction. Axes are short, and
sometimes empty or of length 1, because many mistakes only show there.

    @given(tensors((None, 3)), broadcastable(2))
    def test_my_function(x, arrays): ...
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import DTypeLike

from tinygrad_seq.engine.numbers import integer, number
from tinygrad_seq.engine.signature import Signature
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor
from tinygrad_seq.testing.strategies import SIDE, SIZES, grid

EVERYWHERE = (-math.inf, math.inf)


@st.composite
def tensors(
    draw: st.DrawFn,
    shape: int | Sequence[int | None] | None = None,
    *,
    dtype: DTypeLike = np.float64,
    interval: tuple[float, float] = EVERYWHERE,
    device: str = "cpu",
    requires_grad: bool = True,
) -> Tensor:
    """Float Tensors that are leaves of the tape.

    shape     the shape, in which None is an axis of any length; None instead of a shape is any shape of up to
              three axes
    interval  the open interval that contains all elements

    >>> from hypothesis import given
    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq.testing import tensors
    >>> @given(tensors((None, 3), interval=(0, 1)))
    ... def test_softmax_sums_to_one(x):
    ...     p = ts.softmax(x)
    ...     assert p.shape == (len(x), 3) and np.allclose(ts.sum(p, -1).numpy(), 1)
    >>> test_softmax_sums_to_one()
    """
    if shape is None:
        axes: Sequence[int | None] = [None] * draw(st.integers(0, 3))
    else:
        axes = shape if isinstance(shape, Sequence) else [shape]
    sizes = tuple(draw(SIZES) if n is None else integer("tensors", "shape", n, "[0, inf)") for n in axes)
    (array,) = grid(
        [sizes], [limits("tensors", interval)], np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    )
    return tensor(array.astype(dtype), device=device, requires_grad=requires_grad)


@st.composite
def arrays_for(
    draw: st.DrawFn,
    signature: str,
    *,
    loop_axes: int = 2,
    intervals: Sequence[tuple[float, float]] | None = None,
) -> tuple[np.ndarray, ...]:
    """Float64 arrays whose shapes fit a gufunc signature such as "(n,k),(k,m)->(n,m)".

    loop_axes  the most axes before the core axes of an argument; arguments broadcast along them
    intervals  for each argument, the open interval that contains its elements

    ValueError if there are not as many intervals as arguments.

    >>> from hypothesis import given
    >>> from tinygrad_seq.testing import arrays_for
    >>> @given(arrays_for("(n,k),(k,m)->(n,m)"))
    ... def test_a_product_has_the_rows_of_x(arrays):
    ...     x, y = arrays
    ...     assert (x @ y).shape[-2:] == (x.shape[-2], y.shape[-1])
    >>> test_a_product_has_the_rows_of_x()
    """
    parsed = Signature.parse(signature)
    if intervals is None:
        intervals = [EVERYWHERE] * len(parsed.inputs)
    if len(intervals) != len(parsed.inputs):
        raise ValueError(
            f"{signature} has {len(parsed.inputs)} arguments and needs as many intervals, got {len(intervals)}"
        )
    intervals = [limits("arrays_for", interval) for interval in intervals]
    loop_axes = integer("arrays_for", "loop_axes", loop_axes, "[0, 32]")
    shapes = draw(
        hnp.mutually_broadcastable_shapes(signature=signature, min_side=0, max_side=SIDE, max_dims=loop_axes)
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return tuple(grid(shapes.input_shapes, intervals, rng))


def limits(owner: str, interval: tuple[float, float]) -> tuple[float, float]:
    """The two ends of an open interval."""
    low, high = (number(owner, "end of an interval", end, "[-inf, inf]") for end in interval)
    return low, high


def broadcastable(count: int, *, axes: int = 3) -> st.SearchStrategy[tuple[np.ndarray, ...]]:
    """Groups of `count` float64 arrays whose shapes broadcast together, of up to `axes` axes each.

    >>> from hypothesis import given
    >>> from tinygrad_seq.testing import broadcastable
    >>> @given(broadcastable(3))
    ... def test_a_sum_does_not_care_for_order(arrays):
    ...     x, y, z = arrays
    ...     assert np.allclose(x + y + z, z + y + x)
    >>> test_a_sum_does_not_care_for_order()
    """
    count = integer("broadcastable", "count", count, "[1, inf)")
    axes = integer("broadcastable", "axes", axes, "[0, 32]")
    return arrays_for(f"{','.join(['()'] * count)}->()", loop_axes=axes)
