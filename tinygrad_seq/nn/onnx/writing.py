"""Writing a program as a graph: its operations by the table of forms, its loops as operators or as Scan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tinygrad_seq.nn.onnx.cells import weights_of
from tinygrad_seq.nn.onnx.forms import FORMS, Call, NoFormError
from tinygrad_seq.nn.onnx.graph import Array, Graph, UnknownSizeError
from tinygrad_seq.nn.onnx.recorded import Loop, Repeated
from tinygrad_seq.nn.onnx.sizes import Size
from tinygrad_seq.scan.program import Operation, Program
from tinygrad_seq.tensor.tensor import Tensor


class Made(NamedTuple):
    """How a value came about: the op, its arguments, its metadata."""

    op: str
    x: list[Array]
    meta: dict[str, Any]


class Writer:
    """The state of an export.

    names     the names of the parameters, by the id of the tensor
    made      how every value of the graph came about, by name
    tensors   the parameters that are initialisers, by name
    problems  the ops that have no form, each with the reason
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        self.names = names
        self.made: dict[str, Made] = {}
        self.tensors: dict[str, Tensor] = {}
        self.problems: dict[str, None] = {}

    # --- values from outside --------------------------------------------------------------------------

    def captured(self, g: Graph, v: int, x: Any, program: Program) -> None:
        """Put a parameter, a constant or a number into the graph."""
        spec = program.values[v]
        if isinstance(x, Tensor):
            name = self._parameter(g, x, program.names.get(v, "constant"))
        elif isinstance(x, Size):
            name = g.cast(g.number(x), spec.dtype)
        elif isinstance(x, Repeated):
            name = g.node("Expand", g.constant(x.array), g.vector(x.shape))
        else:
            name = g.constant(np.asarray(x, spec.dtype), name=program.names.get(v, "constant"))
        g.env[v] = Array(name, spec.shape, spec.dtype)

    def _parameter(self, g: Graph, x: Tensor, wish: str) -> str:
        for name, known in self.tensors.items():
            if known is x:
                return name
        name = g.root.initializer(self.names.get(id(x), wish), x.numpy())
        self.tensors[name] = x
        return name

    # --- operations -----------------------------------------------------------------------------------

    def write(self, g: Graph, program: Program) -> None:
        """Add all operations of a program."""
        for v, x in program.numbers.items():
            self.captured(g, v, x, program)
        for call in program.operations:
            x = [g.env[v] for v in call.inputs]
            z = [program.values[v] for v in call.outputs]
            try:
                made = self._call(g, call, Call(x, z, call.metadata()))
            except (NoFormError, UnknownSizeError) as error:
                self.problems[f"{call.op.name} {error}".strip()] = None
                made = [g.name("unknown") for _ in z]
            for v, name, spec in zip(call.outputs, made, z, strict=False):
                g.env[v] = g.has(Array(name, spec.shape, spec.dtype))
                self.made.setdefault(name, Made(call.op.name, x, call.metadata()))

    def _call(self, g: Graph, call: Operation, given: Call) -> list[str]:
        if call.op.name == "scan":
            loop: Loop = given.meta["call"]
            return self._operator(g, loop, given) or self._scan(g, loop, given)
        if call.op.name not in FORMS:
            raise NoFormError
        made = FORMS[call.op.name](g, given)
        return [made] if isinstance(made, str) else made

    # --- loops ----------------------------------------------------------------------------------------

    def _operator(self, g: Graph, loop: Loop, given: Call) -> list[str] | None:
        """The loop as RNN, GRU or LSTM; None if its step is not a known cell's, if the model computes the
        weights, and if a mask is not that of lengths."""
        if loop.known is None:
            return None
        count, j = len(loop.program.carries), len(loop.program.carries) + len(loop.program.inputs)
        carries, (xs, *mask), constants = given.x[:count], given.x[count:j], given.x[j:]
        lengths = self._lengths(mask[0]) if mask else None
        if (mask and lengths is None) or any(x.name not in self.tensors for x in constants):
            return None
        operator, names = loop.known.operator, loop.known.parameters
        parameters = {name: self.tensors[x.name] for name, x in zip(names, constants, strict=True)}
        path = self.names.get(id(parameters["Wx"]), "Wx").removesuffix("Wx")
        arrays = weights_of(operator, {name: p.numpy() for name, p in parameters.items()})
        weights = {role: g.constant(array, name=f"{path}{role}") for role, array in arrays.items()}

        zero, one = g.constant([0], np.int64), g.constant([1], np.int64)
        states = [g.node("Unsqueeze", x.name, zero) for x in carries]
        until = g.cast(lengths, np.int32) if lengths else ""
        inputs = [xs.name, weights["W"], weights["R"], weights["B"], until, *states]
        y, *last = g.nodes_of(
            operator.kind,
            [*inputs, weights["P"]] if operator.peepholes else inputs,
            [f"{path}{role}" for role in ("Y", "Y_h", "Y_c")[: 1 + count]],
            hidden_size=carries[0].shape[1],
            direction="reverse" if loop.reverse else "forward",
            **operator.attributes,
        )
        finals = [g.node("Squeeze", x, zero) for x in last]
        if lengths:  # ONNX Runtime returns 0 for a row of length 0, whose state does not change here
            none = g.node("Unsqueeze", g.node("Equal", lengths.name, g.constant(0, lengths.dtype)), one)
            finals = [g.node("Where", none, x.name, z) for x, z in zip(carries, finals, strict=True)]
        return [*finals, g.node("Squeeze", y, one)]

    def _lengths(self, mask: Array) -> Array | None:
        """The lengths of which a mask is t < length, if it came about like that (`runners/lengths.py`)."""
        match self.made.get(mask.name):
            case Made("less_equal", [steps, lengths]) if lengths.ndim == 1:
                match self.made.get(steps.name):
                    case Made("cumsum", [ones], {"axis": 0}):
                        match self.made.get(ones.name):
                            case Made("ones_like", _, {"shape": (_, 1)}):
                                return lengths
        return None

    def _scan(self, g: Graph, loop: Loop, given: Call) -> list[str]:
        """The loop as Scan, whose body is its program."""
        program, count = loop.program, len(loop.program.carries)
        body = Graph(g.free, g)
        for v, x in zip(program.arguments, given.x, strict=True):
            spec = program.values[v]
            name = x.name if v in program.constants else g.name(program.names.get(v, "x"))
            body.env[v] = Array(name, spec.shape, spec.dtype)
        before = [body.env[v] for v, _ in program.carries]
        rows, sequences = [body.env[v] for v in program.inputs], [x.name for x in given.x[count:]]
        sequences = sequences[: len(rows)]
        if not rows:  # a Scan has at least one input
            rows = [Array(g.name("step"), (), np.dtype(np.int64))]
            sequences = [g.node("Expand", g.constant(0, np.int64), g.size(loop.n))]
        for x in (*before, *rows):
            body.has(x)
        self.write(body, program)
        after = [body.env[v] for _, v in program.carries] + [body.env[v] for v in program.outputs]
        outputs = [x._replace(name=body.copy(x.name, "after")) for x in after]
        proto = body.proto(
            g.name("step"), [g.info(x.name, x) for x in (*before, *rows)], [g.info(x.name, x) for x in outputs]
        )
        turned = int(loop.reverse)
        return g.nodes_of(
            "Scan",
            [*(x.name for x in given.x[:count]), *sequences],
            [program.names.get(v, "y") for v in (*(v for _, v in program.carries), *program.outputs)],
            body=proto,
            num_scan_inputs=len(rows),
            scan_input_directions=[turned] * len(rows),
            scan_output_directions=[turned] * len(program.outputs),
        )
