"""A graph of ONNX while it is written: nodes, constants, and where the sizes of the free axes are known.

A loop has a graph of its own, its body, that sees the values of the graphs around it. Constants belong to the
outermost graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tinygrad_seq.nn.onnx.sizes import Number, Shape, Size


class Array(NamedTuple):
    """A value of the graph: its name, shape and dtype."""

    name: str
    shape: Shape
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        return len(self.shape)


class UnknownSizeError(ValueError):
    """A size that no value of the graph has, nor a linear function of one."""


class Graph:
    """The nodes of one graph; `around` is the graph whose values it sees.

    free   the names of the free axes, by their sizes
    env    the values by number
    """

    def __init__(self, free: dict[Size, str], around: Graph | None = None) -> None:
        self.free, self.around = free, around
        self.root: Graph = around.root if around else self
        self.nodes: list[onnx.NodeProto] = []
        self.calls: dict[tuple[str, ...], list[str]] = {}
        self.env: dict[int, Array] = {}
        self.constants: dict[tuple[Any, ...], str] = {}
        self.initializers: list[onnx.TensorProto] = []
        self.taken: set[str] = set()
        self._sizes: dict[Size, str] = {}  # the names of vectors of length 1
        self._known: dict[Size, tuple[str, int]] = {}  # a value that has the size, and the axis

    # --- values ---------------------------------------------------------------------------------------

    def name(self, wish: str) -> str:
        """A name that no value has yet: the wish, or with a number after it."""
        taken, name, i = self.root.taken, wish, 1
        while name in taken:
            i += 1
            name = f"{wish}_{i}"
        taken.add(name)
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """The name of the one output of a new node."""
        (z,) = self.nodes_of(kind, inputs, [kind.lower()], **attributes)
        return z

    def nodes_of(self, kind: str, inputs: Sequence[str], wishes: Sequence[str], **attributes: Any) -> list[str]:
        """The names of the outputs of a node, as `wishes` if they are free; equal nodes are one."""
        key = kind, *inputs, repr(sorted(attributes.items()))
        found = next((graph.calls[key] for graph in self._graphs() if key in graph.calls), None)
        if found is None:
            found = self.calls[key] = [self.name(wish) for wish in wishes]
            self.nodes.append(helper.make_node(kind, list(inputs), found, **attributes))
        return found

    def returns(self, x: Array, name: str) -> Array:
        """x under a name that it has only as an output of this graph.

        If the body of a Scan returns one value twice, ONNX Runtime 1.32 computes other values, in silence:
        findings/onnxruntime_scan_returns_one_value_twice.sh
        """
        self.nodes.append(helper.make_node("Identity", [x.name], [name]))
        return x._replace(name=name)

    def constant(self, value: Any, dtype: Any = None, name: str = "constant") -> str:
        """The name of a constant; equal constants are one."""
        array = np.asarray(value, dtype)
        key = array.dtype.str, array.shape, array.tobytes()
        known = self.root.constants
        if key not in known:
            known[key] = self.initializer(name, array)
        return known[key]

    def initializer(self, wish: str, array: np.ndarray) -> str:
        name = self.name(wish)
        self.root.initializers.append(
            numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        )
        return name

    def cast(self, x: Array, dtype: np.dtype[Any] | type) -> str:
        """x in a dtype."""
        dtype = np.dtype(dtype)
        return x.name if x.dtype == dtype else self.node("Cast", x.name, to=kind_of(dtype))

    # --- sizes ----------------------------------------------------------------------------------------

    def has(self, x: Array) -> Array:
        """Note which sizes the value x has."""
        for axis, n in enumerate(x.shape):
            if isinstance(n, Size) and not self._find(n):
                self._known[n] = x.name, axis
        return x

    def _graphs(self) -> Iterable[Graph]:
        graph: Graph | None = self
        while graph is not None:
            yield graph
            graph = graph.around

    def _find(self, n: Size) -> Graph | None:
        return next((graph for graph in self._graphs() if n in graph._known or n in graph._sizes), None)

    def size(self, n: Number) -> str:
        """A vector of length 1 that holds n."""
        if isinstance(n, int):
            return self.constant([n], np.int64)
        found = self._find(n)
        if found is not None:
            if n not in found._sizes:
                name, axis = found._known[n]
                found._sizes[n] = found.node("Shape", name, start=axis, end=axis + 1)
            return found._sizes[n]
        known = list(dict.fromkeys(k for graph in self._graphs() for k in (*graph._known, *graph._sizes)))
        for k in (*known, *(a * b for i, a in enumerate(known) for b in known[i:])):
            if (line := n.line(k)) is not None:
                break
        else:
            raise UnknownSizeError(f"the size {n.values} in the recordings with {self._told()}")
        z = self.size(k) if k in known else self._product(k, known)
        c, d = line
        z = z if c == 1 else self.node("Mul", z, self.size(c))
        self._sizes[n] = z if d == 0 else self.node("Add", z, self.size(d))
        return self._sizes[n]

    def _product(self, k: Size, known: Sequence[Size]) -> str:
        a, b = next((a, b) for i, a in enumerate(known) for b in known[i:] if a * b == k)
        return self.node("Mul", self.size(a), self.size(b))

    def _told(self) -> str:
        return ", ".join(f"{name} = {size.values}" for size, name in self.free.items())

    def number(self, n: Number) -> Array:
        """n as a number of int64."""
        if isinstance(n, int):
            name = self.constant(n, np.int64)
        else:
            name = self.node("Squeeze", self.size(n), self.constant([0], np.int64))
        return Array(name, (), np.dtype(np.int64))

    def vector(self, numbers: Sequence[Number]) -> str:
        """A vector of integers, some of which may be sizes."""
        if all(isinstance(n, int) for n in numbers):
            return self.constant(np.array(numbers, np.int64).reshape(-1))
        return self.node("Concat", *map(self.size, numbers), axis=0)

    def reshape(self, x: str, before: Shape, shape: Shape) -> str:
        """x in another shape; at most one size is worked out, an axis that stays where it is is copied."""
        free = [axis for axis, n in enumerate(shape) if isinstance(n, Size)]
        copied = [axis for axis in free if axis < len(before) and before[axis] == shape[axis]]
        rest = [axis for axis in free if axis not in copied]
        if len(rest) > 1 or 0 in shape:
            return self.node("Reshape", x, self.vector(shape), **({"allowzero": 1} if 0 in shape else {}))
        numbers = [0 if a in copied else -1 if a in rest else n for a, n in enumerate(shape)]
        return self.node("Reshape", x, self.vector(numbers))

    # --- the result -----------------------------------------------------------------------------------

    def info(self, x: Array) -> onnx.ValueInfoProto:
        """The name, dtype and shape of an input or output; a size that is not a free axis has no name."""
        shape = [self.free.get(n) if isinstance(n, Size) else n for n in x.shape]
        return helper.make_tensor_value_info(x.name, kind_of(x.dtype), shape)

    def proto(
        self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.GraphProto:
        """The graph, without the nodes and constants that its outputs do not need."""
        needed = {output.name for output in outputs}
        kept = []
        for node in reversed(self.nodes):
            if not needed.isdisjoint(node.output):
                kept.append(node)
                needed.update(read_by(node))
        constants = [x for x in self.initializers if x.name in needed]
        return helper.make_graph(kept[::-1], name, list(inputs), list(outputs), constants)


def read_by(node: onnx.NodeProto) -> Iterator[str]:
    """The names that a node reads, also those that the body of a loop reads."""
    yield from node.input
    for attribute in node.attribute:
        for inside in attribute.g.node:
            yield from read_by(inside)


def kind_of(dtype: Any) -> int:
    """The number that ONNX has for a dtype."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
