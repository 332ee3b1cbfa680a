"""New tensors: of data, of a shape, or of what is given beside another; made where they are to be."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.tape import Buffer
from tinygrad_seq.tensor.tensor import Tensor

Shape = int | tuple[int, ...]


def tensor(
    data: ArrayLike | Tensor,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A leaf tensor holding a copy of `data`.

    Python floats, nested lists of them too, become float32, ints int64, bools bool; arrays and NumPy's
    scalars keep their dtype. The copy is on `device`, "cpu", "cuda" or "cuda:1", without one where `data` is:
    an array of CuPy's stays on its device. TypeError for what is no number, or to ask a gradient of what is
    no float; ValueError for ragged lists; RuntimeError for a device that cannot be had, with the reason.

    >>> import tinygrad_seq as ts
    >>> ts.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    tensor([[1., 2.],
            [3., 4.]], float32, cpu, requires_grad)
    """
    if isinstance(data, Tensor):
        data = data.data
    elif any(isinstance(x, Tensor) and x.line for x in _elements(data)):
        raise TypeError("a list of recorded tensors would leave the tape here: join them with ts.stack")
    values = backend.copy(data)
    if (
        dtype is None
        and values.dtype == np.float64
        and all(type(x) in (float, int, bool) for x in _elements(data))
    ):
        dtype = np.float32
    for kind in (values.dtype, np.dtype(dtype or values.dtype)):
        if kind.kind not in "fiub":
            raise TypeError(f"a tensor holds floats, integers or booleans, not {kind}")
    if dtype is not None and dtype != values.dtype:
        values = values.astype(dtype)
    place = backend.device_of(values) if device is None else device
    t = Tensor(backend.asarray(values, place), None, Buffer())
    t.requires_grad = requires_grad
    return t


def _elements(data: object) -> Iterator[object]:
    """What nested lists hold."""
    if isinstance(data, (list, tuple)):
        for part in data:
            yield from _elements(part)
    else:
        yield data


def zeros(
    shape: Shape, *more: int, dtype: DTypeLike = np.float32, device: str = "cpu", requires_grad: bool = False
) -> Tensor:
    """A leaf of zeros.

    RuntimeError for a device that cannot be had, with the reason; TypeError for sizes one by one.

    >>> import tinygrad_seq as ts
    >>> ts.zeros((2, 3)).shape
    (2, 3)
    """
    return _filled(0, (shape, *more), dtype, device, requires_grad)


def ones(
    shape: Shape, *more: int, dtype: DTypeLike = np.float32, device: str = "cpu", requires_grad: bool = False
) -> Tensor:
    """A leaf of ones.

    RuntimeError for a device that cannot be had, with the reason; TypeError for sizes one by one.

    >>> import tinygrad_seq as ts
    >>> ts.ones(2, dtype=int)
    tensor([1, 1], int64, cpu)
    """
    return _filled(1, (shape, *more), dtype, device, requires_grad)


def _filled(value: int, sizes: tuple, dtype: DTypeLike, device: str, requires_grad: bool) -> Tensor:
    if len(sizes) != 1:
        raise TypeError(f"a shape is one argument, as in NumPy: ts.{'ones' if value else 'zeros'}({sizes})")
    values = backend.empty(sizes[0], np.dtype(dtype), device)
    values.fill(value)
    return tensor(values, requires_grad=requires_grad)


def beside(t: Tensor, given: ArrayLike | Tensor, what: str, dtype: DTypeLike | None = None) -> Tensor:
    """`given` as a tensor on the device of t, uploaded if it is a list or an array of the host."""
    if not isinstance(given, Tensor):
        given = tensor(given, dtype=dtype, device=t.device if backend.on_host(given) else None)
    if given.device != t.device:
        raise TypeError(
            f"the {what} of {describe(t)} on {t.device} is on {given.device}: move it, .to({t.device!r})"
        )
    return given
