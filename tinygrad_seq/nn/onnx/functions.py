"""From the nodes of ONNX to our functions: one table, with the function of each node.

A function receives the node and its inputs, tensors or arrays. What ONNX computes from shapes stays an array of
NumPy, by which a reshape or a slice can be told what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tinygrad_seq.ops.choice import clip, relu
from tinygrad_seq.ops.exponential import sigmoid
from tinygrad_seq.ops.softmax import log_softmax, logsumexp, softmax
from tinygrad_seq.ops.special.errors import erf
from tinygrad_seq.tensor.tensor import Tensor

Value = Any  # a tensor, or an array of NumPy


@dataclass(frozen=True)
class Node:
    """A node: its op, the names of its inputs and outputs, and its attributes."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    @classmethod
    def of(cls, proto: onnx.NodeProto) -> Node:
        attributes = {a.name: readable(helper.get_attribute_value(a)) for a in proto.attribute}
        return cls(proto.op_type, tuple(proto.input), tuple(proto.output), attributes)

    def get(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)

    @property
    def name(self) -> str:
        """The name of its first output, which no other node has; the names of nodes may be empty."""
        return next(filter(None, self.outputs))


@dataclass(frozen=True)
class Graph:
    """A graph, or the body of a loop: its nodes, and the names of its inputs and outputs."""

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, proto: onnx.GraphProto) -> Graph:
        given = {x.name for x in proto.initializer}
        return cls(
            tuple(map(Node.of, proto.node)),
            tuple(x.name for x in proto.input if x.name not in given),
            tuple(x.name for x in proto.output),
        )

    def all_nodes(self) -> Iterator[Node]:
        """Its nodes, and those of the bodies in it."""
        for node in self.nodes:
            yield node
            for value in node.attributes.values():
                if isinstance(value, Graph):
                    yield from value.all_nodes()


def readable(value: Any) -> Any:
    """The value of an attribute: texts instead of bytes, arrays and graphs instead of protocol buffers."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, onnx.GraphProto):
        return Graph.of(value)
    return [readable(part) for part in value] if isinstance(value, list) else value


Function = Callable[..., "Value | tuple[Value, ...]"]


def plain(function: Callable[..., Value]) -> Function:
    """A node without attributes."""
    return lambda node, *x: function(*x)


def folded(function: Callable[..., Value]) -> Function:
    """A node of any number of inputs, two by two."""
    return lambda node, *x: reduce(function, x)


def integers(x: Value) -> list[int]:
    """The numbers of a vector that says what to do."""
    return [int(n) for n in np.ravel(x.numpy() if isinstance(x, Tensor) else x)]


def axes_of(node: Node, given: Value | None) -> tuple[int, ...] | None:
    """The axes of a node: an input, in older versions an attribute; None if there is neither."""
    found = node.get("axes") if given is None else integers(given)
    return None if found is None else tuple(found)


def reduced(function: Callable[..., Value]) -> Function:
    def call(node: Node, x: Value, axes: Value | None = None) -> Value:
        over = axes_of(node, axes)
        if not over:
            over = () if node.get("noop_with_empty_axes", 0) else None
        return function(x, axis=over, keepdims=bool(node.get("keepdims", 1)))

    return call


def position(function: Callable[..., Value]) -> Function:
    return lambda node, x: function(x, axis=node.get("axis", 0), keepdims=bool(node.get("keepdims", 1)))


def along(function: Callable[..., Value]) -> Function:
    return lambda node, x: function(x, axis=node.get("axis", -1))


def divide(x: Value, y: Value) -> Value:
    """Of integers the quotient towards 0."""
    if x.dtype.kind == "f":
        return x / y
    return np.sign(x) * np.sign(y) * (np.abs(x) // np.abs(y))


def power(x: Value, y: Value) -> Value:
    return np.power(x, y).astype(x.dtype)


def gemm(node: Node, a: Value, b: Value, c: Value | None = None) -> Value:
    a, b = (x.T if node.get(turn, 0) else x for x, turn in ((a, "transA"), (b, "transB")))
    z = a @ b if node.get("alpha", 1.0) == 1 else node.get("alpha") * (a @ b)
    if c is None:
        return z
    return z + (c if node.get("beta", 1.0) == 1 else node.get("beta") * c)


def reshape(node: Node, x: Value, shape: Value) -> Value:
    sizes = integers(shape)
    if not node.get("allowzero", 0):
        sizes = [x.shape[i] if n == 0 else n for i, n in enumerate(sizes)]
    return np.reshape(x, tuple(sizes))


def flatten(node: Node, x: Value) -> Value:
    axis = node.get("axis", 1)
    rows = int(np.prod(x.shape[:axis], dtype=int)) if axis else 1
    return np.reshape(x, (rows, -1))


def squeeze(node: Node, x: Value, axes: Value | None = None) -> Value:
    return np.squeeze(x, axis=axes_of(node, axes))


def unsqueeze(node: Node, x: Value, axes: Value | None = None) -> Value:
    return np.expand_dims(x, axes_of(node, axes) or ())


def expand(node: Node, x: Value, shape: Value) -> Value:
    return np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(integers(shape))))


def split(node: Node, x: Value, sections: Value | None = None) -> tuple[Value, ...]:
    axis = node.get("axis", 0)
    n, parts = x.shape[axis], node.get("num_outputs", len(node.outputs))
    sizes = [-(-n // parts)] * parts if sections is None else integers(sections)
    return tuple(np.split(x, np.cumsum(sizes)[:-1].tolist(), axis=axis))


def cut(
    node: Node,
    x: Value,
    starts: Value,
    ends: Value,
    axes: Value | None = None,
    steps: Value | None = None,
) -> Value:
    first, last = integers(starts), integers(ends)
    at = range(len(first)) if axes is None else integers(axes)
    by = [1] * len(first) if steps is None else integers(steps)
    key = [slice(None)] * x.ndim
    for axis, *bounds in zip(at, first, last, by, strict=True):
        key[axis] = slice(*bounds)
    return x[tuple(key)]


def shape(node: Node, x: Value) -> Value:
    return np.array(x.shape[node.get("start", 0) : node.get("end", None)], np.int64)


def constant(node: Node) -> Value:
    (kind,) = node.attributes
    dtypes = {"value": None, "value_int": np.int64, "value_ints": np.int64}
    return np.asarray(node.get(kind), dtypes.get(kind, np.float32))


def constant_of_shape(node: Node, sizes: Value) -> Value:
    value = node.get("value", np.zeros(1, np.float32))
    return np.full(integers(sizes), value[0])


def cast(node: Node, x: Value) -> Value:
    return x.astype(helper.tensor_dtype_to_np_dtype(node.get("to")))


def cumsum(node: Node, x: Value, axis: Value) -> Value:
    (at,) = integers(axis)
    if node.get("exclusive", 0) or node.get("reverse", 0):
        raise ValueError("CumSum with exclusive or reverse")
    return np.cumsum(x, axis=at)


def gather_nd(node: Node, x: Value, indices: Value) -> Value:
    return x[tuple(indices[..., i] for i in range(indices.shape[-1]))]


def pad(node: Node, x: Value, pads: Value, value: Value | None = None) -> Value:
    widths = integers(pads)
    fill = 0 if value is None else value.item()
    return np.pad(x, list(zip(widths[: x.ndim], widths[x.ndim :], strict=True)), constant_values=fill)


def remainder(node: Node, x: Value, y: Value) -> Value:
    return np.fmod(x, y) if node.get("fmod", 0) else np.remainder(x, y)


def top(node: Node, x: Value, k: Value) -> tuple[Value, Value]:
    (count,), axis = integers(k), node.get("axis", -1)
    x = -x if node.get("largest", 1) else x
    order = np.argsort(x, axis=axis)
    key = tuple([slice(None)] * (axis % x.ndim) + [slice(count)])
    z = np.take_along_axis(x, order, axis)[key]
    return (-z if node.get("largest", 1) else z), order[key]


def layer_norm(node: Node, x: Value, scale: Value, bias: Value | None = None) -> Value:
    axes = tuple(range(node.get("axis", -1) % x.ndim, x.ndim))
    d = x - np.mean(x, axis=axes, keepdims=True)
    y = scale * d / np.sqrt(np.mean(np.square(d), axis=axes, keepdims=True) + node.get("epsilon", 1e-5))
    return y if bias is None else y + bias


def limited(node: Node, x: Value, low: Value | None = None, high: Value | None = None) -> Value:
    return clip(x, low, high)


def triangle(node: Node, x: Value, k: Value | None = None) -> Value:
    by = 0 if k is None else integers(k)[0]
    return np.triu(x, by) if node.get("upper", 1) else np.tril(x, by)


def norm(x: Value, axis: Any, keepdims: bool) -> Value:
    return np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims))


FUNCTIONS: dict[str, Function] = {
    "Abs": plain(np.abs),
    "Acos": plain(np.arccos),
    "Acosh": plain(np.arccosh),
    "Add": plain(np.add),
    "And": plain(np.logical_and),
    "ArgMax": position(np.argmax),
    "ArgMin": position(np.argmin),
    "Asin": plain(np.arcsin),
    "Asinh": plain(np.arcsinh),
    "Atan": plain(np.arctan),
    "Atanh": plain(np.arctanh),
    "BitwiseAnd": plain(np.bitwise_and),
    "BitwiseNot": plain(np.invert),
    "BitwiseOr": plain(np.bitwise_or),
    "BitwiseXor": plain(np.bitwise_xor),
    "Cast": cast,
    "Ceil": plain(np.ceil),
    "Clip": limited,
    "Concat": lambda node, *x: np.concatenate(x, axis=node.get("axis")),
    "Constant": constant,
    "ConstantOfShape": constant_of_shape,
    "Cos": plain(np.cos),
    "Cosh": plain(np.cosh),
    "CumSum": cumsum,
    "Div": plain(divide),
    "Dropout": lambda node, x, *more: x,
    "Einsum": lambda node, *x: np.einsum(node.get("equation"), *x),
    "Equal": plain(np.equal),
    "Erf": plain(erf),
    "Exp": plain(np.exp),
    "Expand": expand,
    "Flatten": flatten,
    "Floor": plain(np.floor),
    "Gather": lambda node, x, indices: np.take(x, indices, axis=node.get("axis", 0)),
    "GatherElements": lambda node, x, indices: np.take_along_axis(x, indices, node.get("axis", 0)),
    "GatherND": gather_nd,
    "Gemm": gemm,
    "Greater": plain(np.greater),
    "GreaterOrEqual": plain(np.greater_equal),
    "Identity": plain(lambda x: x),
    "IsInf": plain(np.isinf),
    "IsNaN": plain(np.isnan),
    "LayerNormalization": layer_norm,
    "Less": plain(np.less),
    "LessOrEqual": plain(np.less_equal),
    "Log": plain(np.log),
    "LogSoftmax": along(log_softmax),
    "MatMul": plain(np.matmul),
    "Max": folded(np.maximum),
    "Min": folded(np.minimum),
    "Mod": remainder,
    "Mul": plain(np.multiply),
    "Neg": plain(np.negative),
    "Not": plain(np.logical_not),
    "Or": plain(np.logical_or),
    "Pad": pad,
    "Pow": plain(power),
    "Reciprocal": plain(np.reciprocal),
    "ReduceL2": reduced(norm),
    "ReduceLogSumExp": reduced(logsumexp),
    "ReduceMax": reduced(np.max),
    "ReduceMean": reduced(np.mean),
    "ReduceMin": reduced(np.min),
    "ReduceProd": reduced(np.prod),
    "ReduceSum": reduced(np.sum),
    "Relu": plain(relu),
    "Reshape": reshape,
    "Round": plain(np.rint),
    "Shape": shape,
    "Sigmoid": plain(sigmoid),
    "Sign": plain(np.sign),
    "Sin": plain(np.sin),
    "Sinh": plain(np.sinh),
    "Slice": cut,
    "Softmax": along(softmax),
    "Softplus": plain(lambda x: np.logaddexp(x, np.zeros_like(x))),
    "Split": split,
    "Sqrt": plain(np.sqrt),
    "Squeeze": squeeze,
    "Sub": plain(np.subtract),
    "Sum": folded(np.add),
    "Tan": plain(np.tan),
    "Tanh": plain(np.tanh),
    "TopK": top,
    "Transpose": lambda node, x: np.transpose(x, node.get("perm")),
    "Trilu": triangle,
    "Unsqueeze": unsqueeze,
    "Where": plain(np.where),
    "Xor": plain(np.logical_xor),
}
