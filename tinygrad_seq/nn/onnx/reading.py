"""A file of ONNX as a module: its recurrent nodes become our cells, all other nodes functions of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from tinygrad_seq.nn.cells import GatedCell
from tinygrad_seq.nn.exchange.onnx import ONNX
from tinygrad_seq.nn.exchange.transfer import load
from tinygrad_seq.nn.module import Module, Parameter
from tinygrad_seq.nn.onnx.cells import OPERATORS, Operator
from tinygrad_seq.nn.onnx.functions import FUNCTIONS, Graph, Node, Value
from tinygrad_seq.nn.runners.recurrent import Bidirectional, Recurrent, Runner
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.creation import as_tensor

OLDEST = 13  # the first opset whose Softmax, Squeeze and Split are those of today
ACTIVATIONS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
WEIGHTS = {"W": 1, "R": 2, "B": 3, "P": 7}  # which input of a recurrent node they are
READ = {"hidden_size", "direction", "activations", "linear_before_reset", "input_forget"}
Arrays = Mapping[str, np.ndarray]


class UnreadableError(ValueError):
    """Why a node cannot be read."""


class OnnxModel(Module):
    """The graph of a file of ONNX, as `nn.from_onnx` returns it.

    layers   the runners of the recurrent nodes, by the name of the first output of the node
    weights  the other arrays of floats in the file, by name: parameters; a single number is a constant
    graph    the nodes, and the names of the inputs and outputs
    """

    def __init__(self, proto: onnx.GraphProto) -> None:
        self.graph = Graph.of(proto)
        arrays = {x.name: numpy_helper.to_array(x) for x in proto.initializer}
        problems: list[str] = []
        self.layers = dict(self._runners(arrays, problems))
        if problems:
            raise ValueError(f"from_onnx cannot read {len(problems)} nodes: {'; '.join(problems)}")
        read = {name for node in self.graph.all_nodes() for name in self._values(node)} | {*self.graph.outputs}
        floats = {name: x for name, x in arrays.items() if x.dtype.kind == "f" and x.ndim and name in read}
        self.weights = {name: Parameter(x) for name, x in floats.items()}
        self.constants = {name: x for name, x in arrays.items() if name not in floats}

    def _runners(self, arrays: Arrays, problems: list[str]) -> Iterator[tuple[str, Runner]]:
        """The runners of the recurrent nodes; what cannot be read, of all nodes, is added to `problems`."""
        for node in self.graph.all_nodes():
            try:
                if node.op in ACTIVATIONS:
                    yield node.name, runner(node, arrays)
                elif node.op == "Scan":
                    refuse_turned(node)
                elif node.op not in FUNCTIONS:
                    raise UnreadableError("no function of ours")
            except UnreadableError as error:
                problems.append(f"{node.op} ({node.name}): {error}")

    def _values(self, node: Node) -> Sequence[str]:
        """The names that a node reads, without the weights of a cell."""
        if node.name not in self.layers:
            return node.inputs
        return [name for i, name in enumerate(node.inputs) if i not in WEIGHTS.values()]

    def __call__(self, *args: Any, **inputs: Any) -> Any:
        """The output, or a tuple of the outputs, from the inputs by position or by name."""
        names = self.graph.inputs
        given = {**dict(zip(names, args, strict=False)), **inputs}
        if given.keys() != {*names} or len(args) + len(inputs) != len(names):
            got = [*map(str, range(len(args))), *inputs]
            raise TypeError(f"the model needs the inputs {', '.join(names)}, got {', '.join(got) or 'none'}")
        env = {"": None, **self.weights, **self.constants}
        made = self._run(self.graph, env | {name: as_tensor(x) for name, x in given.items()})
        return made[0] if len(made) == 1 else made

    def _run(self, graph: Graph, env: dict[str, Value]) -> tuple[Any, ...]:
        """The outputs of a graph in which the values of `env` are known."""
        for node in graph.nodes:
            x = [env[name] for name in node.inputs]
            if node.name in self.layers:
                made = recurrent(self.layers[node.name], node, x)
            else:
                made = self._scan(node, x, env) if node.op == "Scan" else FUNCTIONS[node.op](node, *x)
            env.update(zip(node.outputs, made if isinstance(made, tuple) else (made,), strict=False))
        return tuple(as_tensor(env[name]) for name in graph.outputs)

    def _scan(self, node: Node, x: Sequence[Value], env: Mapping[str, Value]) -> tuple[Value, ...]:
        body: Graph = node.get("body")
        states = len(body.inputs) - node.get("num_scan_inputs")

        def step(carry: tuple[Value, ...], rows: tuple[Value, ...]) -> tuple[Any, Any]:
            made = self._run(body, {**env, **dict(zip(body.inputs, (*carry, *rows), strict=True))})
            return made[:states], made[states:]

        given = tuple(map(as_tensor, x))
        carry, ys = scan(step, given[:states], given[states:], reverse=refuse_turned(node))
        return (*carry, *ys)


def refuse_turned(node: Node) -> bool:
    """Whether a Scan runs backwards. UnreadableError if it does and does not, or runs along another axis."""
    ends = ("input", "output")
    ways = {way for end in ends for way in node.get(f"scan_{end}_directions", [0])}
    axes = {axis for end in ends for axis in node.get(f"scan_{end}_axes", [0])}
    if len(ways) > 1 or axes - {0}:
        raise UnreadableError("a Scan needs one direction, and time as the first axis")
    return ways == {1}


# --- recurrent nodes --------------------------------------------------------------------------------------


def runner(node: Node, arrays: Arrays) -> Runner:
    """The runner of a recurrent node, with its weights."""
    if more := [f"{name}={value}" for name, value in node.attributes.items() if name not in READ and value]:
        raise UnreadableError(f"no cell of ours has {', '.join(more)}")
    names = {role: node.inputs[i] for role, i in WEIGHTS.items() if len(node.inputs) > i and node.inputs[i]}
    if computed := [name for name in names.values() if name not in arrays]:
        raise UnreadableError(f"its weights are computed: {', '.join(computed)}")
    operator = operator_of(node, "P" in names)
    first, *second = [
        cell(operator, {role: arrays[name][i] for role, name in names.items()})
        for i in range(len(arrays[names["W"]]))
    ]
    if second:
        return Bidirectional(first, *second)
    return Recurrent(first, reverse=node.get("direction") == "reverse")


def cell(operator: Operator, weights: Arrays) -> GatedCell:
    """The cell of one direction of a recurrent node."""
    rows, columns = (weights[role].shape[-1] for role in ("W", "R"))
    made = operator.make(rows, columns, weights["W"].dtype)
    return load(ONNX, {role: array[None] for role, array in weights.items()}, made)


def operator_of(node: Node, peepholes: bool) -> Operator:
    """The operator among ours that computes what a node computes."""
    count = 2 if node.get("direction") == "bidirectional" else 1
    asked = [name.capitalize() for name in node.get("activations", ACTIVATIONS[node.op] * count)]
    for operator in OPERATORS:
        own = operator.attributes
        if (
            (operator.kind, operator.peepholes) == (node.op, peepholes)
            and asked == own.get("activations", ACTIVATIONS[node.op]) * count
            and all(node.get(name, 0) == own.get(name, 0) for name in ("linear_before_reset", "input_forget"))
        ):
            return operator
    what = [*asked, *["input_forget"] * node.get("input_forget", 0), *["peepholes"] * peepholes]
    raise UnreadableError(f"no cell of ours has {', '.join(what)}")


def recurrent(layer: Runner, node: Node, x: Sequence[Value]) -> tuple[Value, ...]:
    """The outputs Y (T, D, B, H), Y_h and Y_c (D, B, H) of a recurrent node."""
    pair, both = node.op == "LSTM", isinstance(layer, Bidirectional)
    xs, _, _, _, lengths, h, c = [*x, *[None] * 7][:7]
    state: Any = None
    if h is not None or c is not None:
        h, c = (np.zeros_like(s) if own is None else own for own, s in ((h, c), (c, h)))
        each = [(h[i], c[i]) if pair else h[i] for i in range(1 + both)]
        state = tuple(each) if both else each[0]
    ys, last = layer(xs, state, lengths)
    finals = [part if pair else (part,) for part in (last if both else (last,))]
    by_direction: Any = np.stack(np.split(ys, 1 + both, axis=-1), axis=1)
    return (by_direction, *(np.stack(parts) for parts in zip(*finals, strict=True)))


def read(path: str | os.PathLike[str]) -> OnnxModel:
    """`nn.from_onnx` says more."""
    proto = onnx.load(path)
    onnx.checker.check_model(proto)
    opset = {entry.domain: entry.version for entry in proto.opset_import}.get("", OLDEST)
    if opset < OLDEST:
        raise ValueError(
            f"from_onnx needs a file of opset {OLDEST} or later, got {opset}; convert it by "
            f"onnx.version_converter.convert_version(onnx.load(path), {OLDEST})"
        )
    return OnnxModel(proto.graph)
