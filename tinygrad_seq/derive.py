"""Derivatives as functions, built on the reverse pass and on forward mode.

    reverse mode   grad, vjp, jacobian      one pass back along the tape gives J'g, the gradient of <z, g>
    forward mode   jvp                      one pass forward along the tape gives J v, a directional derivative
    both           hessian, hvp             forward over reverse

`grad` takes tensors; the others take a function of tensors. Each accepts trees of tensors (tuples, lists,
dicts) in the place of one. A derivative is itself on the tape if the tensors that it is computed from are, so
that all of these compose, to any order (`grad` with `create_graph=True`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Literal, cast, overload

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq import tree
from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.mode import mode, recording, walking
from tinygrad_seq.engine.record import Leaf, Line, Record
from tinygrad_seq.engine.rules import push, read
from tinygrad_seq.engine.tape import reverse, tape
from tinygrad_seq.ops.shape import reshape, stack
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor, on_device_of, own, seed_of
from tinygrad_seq.tree import Tree

Direction = ArrayLike | Tensor | None  # a cotangent or a tangent; None if it is missing


@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor,
    cotangents: Direction | Sequence[Direction] = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    zeros: Literal[True],
) -> Tensor: ...
@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor,
    cotangents: Direction | Sequence[Direction] = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    zeros: bool = False,
) -> Tensor | None: ...
@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: tuple[Any, ...],
    cotangents: Direction | Sequence[Direction] = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    zeros: bool = False,
) -> tuple[Any, ...]: ...
@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: dict[Any, Any],
    cotangents: Direction | Sequence[Direction] = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    zeros: bool = False,
) -> dict[Any, Any]: ...
@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Sequence[Tensor],
    cotangents: Direction | Sequence[Direction] = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    zeros: Literal[True],
) -> list[Tensor]: ...
@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Sequence[Tensor],
    cotangents: Direction | Sequence[Direction] = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    zeros: bool = False,
) -> list[Tensor | None]: ...
@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: list[Any],
    cotangents: Direction | Sequence[Direction] = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    zeros: bool = False,
) -> list[Any]: ...
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: object,
    cotangents: Direction | Sequence[Direction] = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    zeros: bool = False,
) -> Any:
    """The gradient of `outputs` with respect to `inputs`; no `t.grad` is changed.

    outputs     a tensor or a sequence of tensors; their contributions add up
    inputs      a tensor or a tree of tensors, leaves or intermediate; the result has the same form
    cotangents  one per output, of its shape; it may be missing for an output of one element
    zeros       return zeros instead of None for an input that no output depends on; an output may then be a
                constant, with zero derivative

    Only derivatives between the inputs and the outputs are computed. `retain_graph` and `create_graph` work as
    in `Tensor.backward`. TypeError for an output or input that is not a tensor, RuntimeError for one that is
    not on the tape, ValueError for a number of cotangents that is not the number of outputs.

    >>> import tinygrad_seq as ts
    >>> x = ts.tensor(3.0, requires_grad=True)
    >>> dy = ts.grad(x**3, x, create_graph=True)
    >>> float(dy), float(ts.grad(dy, x))
    (27.0, 18.0)
    >>> ts.grad(x**3, {"x": x})
    {'x': tensor(27., float32, cpu)}
    """
    if callable(outputs):
        raise TypeError("ts.grad expects the result of a function, got a function; write ts.grad(f(x), x)")
    if isinstance(inputs, Iterable) and not isinstance(inputs, (Tensor, tuple, list, dict)):
        inputs = list(inputs)
    xs = tree.leaves(inputs)
    ys = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    if others := [t for t in [*ys, *xs] if not isinstance(t, Tensor)]:
        raise TypeError(f"grad expects tensors, got {describe(others[0])}")
    several = [None] * len(ys) if cotangents is None else cotangents
    given = cast("Sequence[Direction]", [cotangents] if isinstance(outputs, Tensor) else several)
    if len(given) != len(ys):
        raise ValueError(
            f"grad of {len(ys)} outputs needs {len(ys)} cotangents (None is one), got {len(given)}"
        )
    live = create_graph or mode.trace is not None  # in the step of a scan the walk is recorded, too
    seeds = [
        seed_of(y, g, recorded=live) for y, g in zip(ys, given, strict=True) if not (zeros and y.line is None)
    ]
    targets = [_line(x) for x in xs]
    if mode.trace is not None:
        mode.trace.differentiated([line for line, _ in seeds], targets)
    with walking(create_graph):
        walk = reverse(seeds, targets, retain_graph=retain_graph or live, create_graph=live)
        found = {record: cotangents for record, cotangents, _ in walk}
    result: list[Tensor | None] = []
    for x, (record, i) in zip(xs, targets, strict=True):
        share = found[record][i] if record in found else None
        if share is None and zeros:
            share = np.zeros_like(x._array)
        result.append(None if share is None else own(share))
    return tree.like(inputs, result)


def vjp(f: Callable[..., Tree], *primals: object) -> tuple[Tree, Callable[[object], tuple[Any, ...]]]:
    """`f(*primals)` and its pullback, g -> J'g.

    primals   trees of tensors; derivatives are with respect to floats, integers and booleans are constants
    pullback  takes a tree of cotangents, like the value of f; returns a tuple with a tree of gradients like
              each primal (None for an integer); it can be called any number of times

    TypeError if f returns anything but a tree of float tensors. Under `no_grad` the derivatives are the same,
    but not on the tape.

    >>> import tinygrad_seq as ts
    >>> y, pullback = ts.vjp(lambda x: x * x, ts.tensor([1.0, 2.0]))
    >>> pullback([1.0, 10.0])[0].numpy()
    array([ 2., 40.], dtype=float32)
    """
    call = _Call(f, primals)

    def pullback(cotangents: object) -> tuple[Any, ...]:
        given = tree.matching(call.value, cotangents)
        if any(g is None for g in given):
            raise ValueError(
                "every output of f needs a cotangent, got None; pass zeros for an output to ignore"
            )
        return call.gradients(call.outputs, given)

    return tree.each(call.public, call.value), pullback


def jvp(f: Callable[..., Tree], primals: Sequence[object], tangents: Sequence[object]) -> tuple[Tree, Tree]:
    """`f(*primals)` and its derivative along `tangents`, J v, by one pass forward along the tape.

    primals   trees of tensors, as for `vjp`
    tangents  for each primal a tree of directions of the same shapes; None for an integer

    Returns the value of f and a tree of its tangents. TypeError for a missing tangent and for one of an
    integer; ValueError for a tangent of another shape, and for a number of tangents that is not the number of
    primals.

    >>> import tinygrad_seq as ts
    >>> y, dy = ts.jvp(lambda x: x * x, [ts.tensor(3.0)], [1.0])
    >>> float(y), float(dy)
    (9.0, 6.0)
    """
    if len(primals) != len(tangents):
        raise ValueError(f"{len(primals)} primals need {len(primals)} tangents, got {len(tangents)}")
    call = _Call(f, primals)
    pushed: dict[Record, Sequence[Any]] = {}
    along = tree.matching(tuple(primals), tuple(tangents))
    for x, v in zip(tree.leaves(call.primals), along, strict=True):
        if (v is None) != (x.dtype.kind != "f"):
            raise TypeError(
                f"{describe(x)} needs a tangent, got None; pass zeros if it does not change"
                if v is None
                else f"{describe(x)} is not a float and cannot have a tangent; pass None for it"
            )
        if v is None:
            continue
        v = on_device_of(x, v, "tangent", x.dtype)
        if v.shape != x.shape:
            raise ValueError(f"a tangent of {describe(x)} must have its shape, got {v.shape}")
        pushed[_line(x)[0]] = [v if v.dtype == x.dtype else v.astype(x.dtype)]
    with walking(create_graph=call.live(along)):
        for record in tape(y.line for y in call.outputs if y.line is not None):
            if record.op is None or record in pushed:
                continue
            shares = [
                pushed[line[0]][line[1]] if line and line[0] in pushed else None for line in record.inputs
            ]
            if any(share is not None for share in shares):
                pushed[record] = push(record, shares, read(record, as_tensors=True))
    found = [pushed[y.line[0]][y.line[1]] if y.line and y.line[0] in pushed else None for y in call.outputs]
    dys = [
        Tensor(np.zeros_like(y._array)) if dy is None else dy for y, dy in zip(call.outputs, found, strict=True)
    ]
    return tree.each(call.public, call.value), tree.like(call.value, map(call.public, dys))


def jacobian(f: Callable[..., object], *primals: object) -> Any:
    """All partial derivatives of `f` at `primals`, by one reverse pass for each element of its value.

    Returns a tree like the value of f. In the place of each tensor y it has a tree like the primals (a tuple of
    trees if there are several), whose tensors have the shape y.shape + x.shape.

    >>> import tinygrad_seq as ts
    >>> ts.jacobian(lambda x: x * x, ts.tensor([1.0, 2.0])).numpy()
    array([[2., 0.],
           [0., 4.]], dtype=float32)
    """
    call = _Call(f, primals)
    rows = []
    for y in call.outputs:
        basis = np.eye(y.size, dtype=y.dtype).reshape(y.size, *y.shape)
        passes = [tree.leaves(call.gradients([y], [e])) for e in basis]
        parts = [
            reshape(stack([found[i] for found in passes]), y.shape + x.shape)
            if passes
            else Tensor(backend.shaped(np.zeros_like, x._array, y.shape + x.shape))
            for i, x in enumerate(call.inputs)
        ]
        rows.append(_alone(tree.like(call.floats(), parts)))
    return tree.like(call.value, rows)


def hessian(f: Callable[..., object], *primals: object) -> Any:
    """All second derivatives of `f`, whose value is one number: the Jacobian of its gradient.

    Returns a tree like the primals (a tuple of trees if there are several). In the place of each tensor x it
    has another tree like the primals, with a tensor of shape x.shape + x'.shape for each tensor x'.

    >>> import tinygrad_seq as ts
    >>> ts.hessian(lambda x: (x**3).sum(), ts.tensor([1.0, 2.0])).numpy()
    array([[ 6.,  0.],
           [ 0., 12.]], dtype=float32)
    """
    return jacobian(_gradient(f), *primals)


def hvp(f: Callable[..., object], primals: Sequence[object], tangents: Sequence[object]) -> Any:
    """The Hessian of `f` times `tangents`, as the JVP of the gradient; the Hessian itself is not computed.

    Returns a tree like the primals (a tuple of trees if there are several).

    >>> import tinygrad_seq as ts
    >>> ts.hvp(lambda x: (x**3).sum(), [ts.tensor([1.0, 2.0])], [[1.0, 1.0]]).numpy()
    array([ 6., 12.], dtype=float32)
    """
    return jvp(_gradient(f), primals, tangents)[1]


# --- helpers -------------------------------------------------------------------------------------------


class _Call(Generic[Tree]):
    """One call of a function. Each float primal gets a new line, so that only its use in this call counts."""

    def __init__(self, f: Callable[..., Tree], primals: Sequence[object]) -> None:
        self.primals = tuple(tree.each(_own_line, x) for x in primals)
        given, own_lines = tree.leaves(tuple(primals)), tree.leaves(self.primals)
        self.inputs = [x for x in own_lines if x.dtype.kind == "f"]
        self.private = {
            _line(x)[0]
            for x, t in zip(own_lines, given, strict=True)
            if x.line is not None and getattr(t, "line", None) is None
        }
        with recording(True):
            self.value = f(*self.primals)
        self.outputs: list[Tensor] = tree.leaves(self.value)
        returned: Sequence[object] = self.outputs or [self.value]
        for y in returned:
            if not isinstance(y, Tensor) or y.dtype.kind != "f":
                raise TypeError(f"a function to differentiate must return float tensors, got {describe(y)}")

    def floats(self) -> tuple[object, ...]:
        """The primals, with None for integers and booleans."""
        return tuple(tree.each(lambda x: x if x.dtype.kind == "f" else None, x) for x in self.primals)

    def gradients(self, outputs: Sequence[Tensor], cotangents: Sequence[Direction]) -> tuple[Any, ...]:
        """For each primal, a tree of the gradients of <outputs, cotangents>."""
        if not self.inputs:
            return self.floats()
        found = grad(
            outputs,
            self.inputs,
            cotangents,
            retain_graph=True,
            create_graph=self.live(cotangents),
            zeros=True,
        )
        made: tuple[Any, ...] = tree.like(self.floats(), map(self.public, found))
        return made

    def live(self, directions: Sequence[Direction]) -> bool:
        """Whether a derivative along `directions` may itself be differentiated, and so must be recorded."""
        moving = any(isinstance(v, Tensor) and v.line is not None for v in directions)
        return mode.recording and (moving or mode.trace is not None or self.exposed(self.outputs))

    def exposed(self, tensors: Iterable[Tensor]) -> bool:
        """Whether `tensors` depend on a leaf that is not private, so that a gradient can be asked for."""
        records = tape(t.line for t in tensors if t.line is not None)
        return any(isinstance(record, Leaf) and record not in self.private for record in records)

    def public(self, t: Tensor) -> Tensor:
        """`t`, taken off the tape if no gradient can be asked for (not in the step of a scan)."""
        return t if mode.trace or (mode.recording and self.exposed([t])) else Tensor(t._array, None, t.buffer)


def _own_line(x: ArrayLike | Tensor) -> Tensor:
    """`x` on a new line, if it is a float."""
    x = as_tensor(x)
    if x.dtype.kind != "f":
        return x
    if x.line is None:
        return Tensor(x._array, (Leaf(x.shape, x.dtype), 0), x.buffer)
    with recording(True):
        return reshape(x, x.shape)


def _gradient(f: Callable[..., object]) -> Callable[..., object]:
    """The function that returns the gradient of f, whose value is one number; a tuple for several primals."""

    def gradient(*primals: object) -> object:
        value, pullback = vjp(f, *primals)
        if not isinstance(value, Tensor) or value.size != 1:
            given = describe(value) if isinstance(value, Tensor) else f"a {type(value).__name__}"
            raise TypeError(f"second derivatives need a function whose value is one number, got {given}")
        return _alone(pullback(np.ones(value.shape)))

    return gradient


def _alone(parts: tuple[object, ...]) -> object:
    return parts[0] if len(parts) == 1 else parts


def _line(x: Tensor) -> Line:
    if x.line is None:
        raise RuntimeError(
            f"grad: the input {describe(x)} is not on the tape; create it with requires_grad=True"
        )
    return x.line
