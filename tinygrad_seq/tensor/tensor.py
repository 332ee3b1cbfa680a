"""Tensor: a light handle on an array and on the line of the tape that made it.

A Tensor is a value: the results of ops are read-only, and `data` is a read-only view. The only official
mutations are `assign_` and the optimizer steps. They stamp the memory that they change, so that a derivative
that needs the old values is an error and not a wrong number.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import NoReturn, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import answering, describe, output_of
from tinygrad_seq.engine.mode import mode, refuse_in_a_step, walking
from tinygrad_seq.engine.record import Buffer, Handle, Leaf, Line, next_serial
from tinygrad_seq.engine.recording import frozen
from tinygrad_seq.engine.tape import reverse
from tinygrad_seq.ops.device import moved
from tinygrad_seq.ops.joining import unstack
from tinygrad_seq.tensor import habits
from tinygrad_seq.tensor.conversions import Conversions
from tinygrad_seq.tensor.operators import Operators
from tinygrad_seq.tensor.protocols import Protocols
from tinygrad_seq.tensor.values import array_of

accumulating = threading.Lock()  # a leaf's gradient is read and replaced by one thread at a time


class Tensor(Operators["Tensor"], Conversions["Tensor"], Protocols):
    """An array with a place on the tape; made by `ts.tensor` and by ops.

    Operators, NumPy's functions and most of NumPy's methods work on it and are recorded if one of their
    tensors requires a gradient. `t.grad` is the gradient that `backward()` accumulated, or None.

    >>> import tinygrad_seq as ts
    >>> x = ts.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    >>> x.shape, x.ndim, x.size, x.dtype, x.device
    ((1, 3), 2, 3, dtype('float32'), 'cpu')
    >>> y = x.T @ x
    >>> y.requires_grad, y.is_leaf, x.is_leaf, x.mT.shape
    (True, False, True, (3, 1))
    >>> y.sum().backward()
    >>> x.grad
    tensor([[12., 12., 12.]], float32, cpu)
    >>> x.zero_grad()
    >>> x.grad is None
    True
    >>> x.data, x.numpy()
    (array([[1., 2., 3.]], dtype=float32), array([[1., 2., 3.]], dtype=float32))
    >>> x.detach()
    tensor([[1., 2., 3.]], float32, cpu)
    >>> x.max().item(), x.reshape(3, 1).shape, x.transpose(1, 0).shape
    (3.0, (3, 1), (3, 1))
    """

    __slots__ = ()

    def __init__(self, data: np.ndarray, line: Line | None = None, buffer: Buffer | None = None) -> None:
        if not backend.is_array(data) and not isinstance(data, np.generic):
            raise TypeError("only ops call Tensor(...); make a tensor with ts.tensor(data)")
        self._array, self.line, self.buffer = data, line, buffer

    # --- what it is -----------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def size(self) -> int:
        return self._array.size

    @property
    def dtype(self) -> np.dtype:
        return self._array.dtype

    @property
    def device(self) -> str:
        """ "cpu", or "cuda:0" and so on."""
        return backend.device_of(self._array)

    @property
    def requires_grad(self) -> bool:
        """Whether the tensor is on the tape: a leaf that was asked to be, or made from one."""
        return self.line is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not self.is_leaf:
            raise RuntimeError("only a leaf's requires_grad can be set; this tensor was computed: detach() it")
        if value and self.dtype.kind != "f":
            raise TypeError(
                f"only a float tensor can require a gradient, not {describe(self)}: astype it first"
            )
        if value != self.requires_grad:
            if isinstance(self.line, tuple) and isinstance(self.line[0], Leaf):
                self.line[0].gone = True
            self.line = (Leaf(self.shape, self.dtype), 0) if value else None

    @property
    def is_leaf(self) -> bool:
        """Whether nothing that is recorded made it."""
        return self.line is None or isinstance(self.line[0], Leaf)

    @property
    def grad(self) -> Tensor | None:
        """The gradient that has accumulated on this leaf, a Tensor, or None."""
        leaf = self.line is not None and isinstance(self.line[0], Leaf) and self.line[0]
        return cast("Tensor | None", leaf.grad) if leaf else None

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if self.line is None or not isinstance(self.line[0], Leaf):
            raise RuntimeError("only a leaf that requires a gradient has one to assign")
        if value is not None:
            value = on_device_of(self, value, "gradient")
            if value.shape != self.shape or value.dtype != self.dtype:
                raise ValueError(
                    f"the gradient of {describe(self)} must have its shape and dtype, not {describe(value)}"
                )
        self.line[0].grad = value

    @answering
    def to(self, device: str | None = None, *, dtype: DTypeLike | None = None) -> Tensor:
        """The tensor on another device and with another dtype; itself if it is so already.

        Gradients travel back the same way. Raises RuntimeError for a device that is not available, with the
        reason.

        >>> import tinygrad_seq as ts
        >>> x = ts.tensor([1.0])
        >>> x.to("cpu") is x, x.to(dtype="float64").dtype
        (True, dtype('float64'))
        """
        there: Tensor = self if device is None else moved(self, device)
        return there if dtype is None or there.dtype == dtype else there.astype(dtype)

    # --- reverse mode ---------------------------------------------------------------------------------

    @answering
    def backward(
        self,
        gradient: ArrayLike | Tensor | None = None,
        *,
        retain_graph: bool = False,
        create_graph: bool = False,
    ) -> None:
        """Add d self / d leaf, times `gradient`, to the `grad` of every leaf that self depends on.

        gradient      the cotangent of self, of the same shape; required unless self has one element
        retain_graph  keep the tape, to walk it again
        create_graph  record the walk, so that gradients can be differentiated again; keeps the tape, which
                      then forms a reference cycle, x.grad -> tape -> x, until zero_grad(): prefer `ts.grad`

        Raises RuntimeError if self is not on the tape or the tape was freed; ValueError for a gradient of
        another shape.

        >>> import tinygrad_seq as ts
        >>> x = ts.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad.numpy()
        array([2., 4.], dtype=float32)
        """
        refuse_in_a_step("no gradient can accumulate in it: use ts.grad, which is part of the step")
        seed = seed_of(self, gradient, recorded=create_graph)
        with walking(create_graph):
            kept = retain_graph or create_graph
            for record, cotangents, _ in reverse([seed], retain_graph=kept, create_graph=create_graph):
                if isinstance(record, Leaf):
                    if record.gone:
                        raise RuntimeError(
                            f"{output_of(record, 0)} stopped requiring a gradient, or was moved, after its use"
                        )
                    with accumulating:
                        record.grad = accumulated(cast("Tensor | None", record.grad), cotangents[0])

    @answering
    def zero_grad(self) -> None:
        """Forget the gradient of a leaf."""
        if self.line is not None:
            self.grad = None

    def detach(self) -> Tensor:
        """The same values off the tape: a copy if they could change (those of a leaf or its views)."""
        return Tensor(self._array if self.buffer is None else frozen(self._array.copy()))

    # --- values ---------------------------------------------------------------------------------------

    @property
    def data(self) -> np.ndarray:
        """A read-only view of the array, on its device; later changes by `assign_` show in it."""
        if mode.trace is not None:
            mode.trace.read()
        return frozen(self._array.view()) if backend.is_array(self._array) else self.numpy()

    @data.setter
    def data(self, values: object) -> NoReturn:
        raise AttributeError("the data of a tensor cannot be replaced: write t.assign_(values)")

    def mutable(self) -> np.ndarray:
        """The array, to be changed in place by the caller: its memory is stamped.

        Records that still need the old values will raise an error instead of using the new ones. Views that
        share the memory share the stamp; the result of an op, whose memory others may hold, is copied first.
        """
        if not self.is_leaf:
            raise RuntimeError(
                "only a leaf can be changed in place; this tensor was computed: detach() it first"
            )
        refuse_in_a_step("it cannot change a tensor in place: make the changing value part of the carry")
        if self.buffer is None or self._array.base is not None:
            self._array, self.buffer = backend.copy(self._array), Buffer()
        self.buffer.stamp = next_serial()
        return self._array

    def assign_(self, value: ArrayLike | Tensor) -> Tensor:
        """Overwrite the values of a leaf, in place; shape, dtype and device stay its own.

        A list or a host array is uploaded to the device. Raises TypeError for a tensor on another device and
        for a dtype that cannot be cast, ValueError for another shape.

        >>> import tinygrad_seq as ts
        >>> ts.tensor([1.0, 2.0]).assign_([3.0, 4.0]).numpy()
        array([3., 4.], dtype=float32)
        """
        value = on_device_of(self, value, "new value")
        if value.shape != self.shape:
            raise ValueError(f"assign_ to {describe(self)} needs an array of its shape, got {describe(value)}")
        if not np.can_cast(value.dtype, self.dtype, "same_kind"):
            raise TypeError(f"assign_ to {describe(self)} cannot take {describe(value)}: astype it first")
        self.mutable()[...] = value._array
        return self

    # --- Python's protocols ---------------------------------------------------------------------------

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("a 0-d tensor has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise TypeError("a 0-d tensor cannot be iterated over")
        return iter(unstack(self))  # one record for all rows: an index each would make backward quadratic

    def __contains__(self, x: object) -> bool:
        return bool(np.any((self == x).numpy()))

    def __pos__(self) -> Tensor:
        return self

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(habits.of_a_tensor(name), name=name, obj=self)

    def __reduce__(self) -> tuple[Callable[..., Tensor], tuple[object, ...]]:
        if not self.is_leaf:
            raise TypeError("a tensor on the tape cannot be copied deeply or pickled: detach() it first")
        return _rebuild, (type(self), self.numpy(), self.device, self.requires_grad, self.grad)


Handle.result = Tensor  # the class of what ops return


def _rebuild(kind: type, values: np.ndarray, device: str, requires_grad: bool, grad: Tensor | None) -> Tensor:
    copy: Tensor = object.__new__(kind)
    Tensor.__init__(copy, backend.asarray(np.array(values), device), None, Buffer())
    copy.requires_grad = requires_grad
    if grad is not None:
        copy.grad = grad
    return copy


def on_device_of(t: Tensor, given: ArrayLike | Tensor, what: str, dtype: DTypeLike | None = None) -> Tensor:
    """`given` as a tensor on the device of t, to which lists and host arrays are uploaded.

    TypeError for a tensor on another device; `what` names it in the error.
    """
    if not isinstance(given, Tensor):
        given = Tensor(array_of(given, dtype, t.device if backend.on_host(given) else None), None, Buffer())
    if given.device != t.device:
        raise TypeError(
            f"the {what} of {describe(t)} on {t.device} is on {given.device}: move it, .to({t.device!r})"
        )
    return given


def seed_of(t: Tensor, given: ArrayLike | Tensor | None, *, recorded: bool) -> tuple[Line, object]:
    """The start of a walk from `t`: its line and a cotangent, by default 1 if t has one element."""
    if t.line is None:
        raise RuntimeError(
            f"{describe(t)} is not on the tape: nothing that it was computed from requires a gradient, or it "
            f"was computed under no_grad or detached"
        )
    if given is None:
        if t.size != 1:
            raise ValueError(
                f"{describe(t)} has more than one element, so its derivative needs a cotangent: reduce it to a "
                f"loss first (loss.sum().backward()), or pass a gradient of its shape"
            )
        seed = Tensor(np.ones_like(t._array))
    else:
        seed = on_device_of(t, given, "cotangent", t.dtype)
    if seed.shape != t.shape:
        raise ValueError(f"a cotangent of {describe(t)} must have its shape, not {seed.shape}")
    if seed.dtype != t.dtype:
        seed = seed.astype(t.dtype)
    return t.line, (seed if recorded else seed._array)


def own(share: Tensor | np.ndarray) -> Tensor:
    """A cotangent as a Tensor with memory of its own, which no change of another value can reach."""
    if isinstance(share, Tensor):
        return share if mode.trace else Tensor(frozen(backend.copy(share._array)), share.line)
    return Tensor(backend.copy(share), None, Buffer())


def accumulated(total: Tensor | None, share: Tensor | np.ndarray) -> Tensor:
    """A leaf's gradient with another share added."""
    if total is None:
        return own(share)
    return total + share if isinstance(share, Tensor) or total.requires_grad else own(total._array + share)
