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
from tinygrad_seq.scan.program import Program, Spec
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

    def write(self, g: Graph, program: Program, given: Mapping[int, Any]) -> None:
        """Add the values from outside, `given`, and all operations of a program."""
        for v, x in given.items():
            spec = program.values[v]
            try:
                name = self._value(g, x, spec, program.names.get(v, "constant"))
            except UnknownSizeError as error:
                name = self._problem("a number", error)
            g.env[v] = Array(name, *spec)
        for call in program.operations:
            x, meta = [g.env[v] for v in call.inputs], call.metadata()
            specs = [program.values[v] for v in call.outputs]
            try:
                made = self._call(g, call.op.name, Call(x, specs, meta))
            except (NoFormError, UnknownSizeError) as error:
                made = [self._problem(call.op.name, error)] * len(specs)
            for v, name, spec in zip(call.outputs, made, specs, strict=True):
                g.env[v] = g.has(Array(name, *spec))
                self.made.setdefault(name, Made(call.op.name, x, meta))

    def _problem(self, what: str, error: Exception) -> str:
        """Note that something has no form; what reads it is written on, so that all problems are found."""
        self.problems[f"{what} {error}".strip()] = None
        return "unknown"

    def _value(self, g: Graph, x: Any, spec: Spec, wish: str) -> str:
        """The name of a parameter, a constant or a number."""
        if isinstance(x, Tensor):
            name = g.initializer(self.names.get(id(x), wish), x.numpy())
            self.tensors[name] = x
            return name
        if isinstance(x, Size):
            return g.cast(g.number(x), spec.dtype)
        if isinstance(x, Repeated):
            return g.node("Expand", g.constant(x.array), g.vector(x.shape))
        return g.constant(x, spec.dtype, wish)

    def _call(self, g: Graph, op: str, call: Call) -> list[str]:
        if op == "scan":
            return self._operator(g, call) or self._scan(g, call)
        if op not in FORMS:
            raise NoFormError
        made = FORMS[op](g, call)
        return [made] if isinstance(made, str) else made

    # --- loops ----------------------------------------------------------------------------------------

    def _operator(self, g: Graph, given: Call) -> list[str] | None:
        """A loop as RNN, GRU or LSTM; None if its step is not a known cell's, if the model computes the
        weights, and if a mask is not that of lengths."""
        loop: Loop = given.meta["call"]
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

    def _scan(self, g: Graph, given: Call) -> list[str]:
        """A loop as Scan, whose body is its program."""
        loop: Loop = given.meta["call"]
        program, body = loop.program, Graph(g.free, g)
        for v, x in zip(program.arguments, given.x, strict=True):
            name = x.name if v in program.constants else g.name(program.names.get(v, "x"))
            body.env[v] = body.has(Array(name, *program.values[v]))
        starts, count = [v for v, _ in program.carries], len(program.carries)
        inputs = [body.env[v] for v in (*starts, *program.inputs)]
        outer = [x.name for x in given.x[: len(inputs)]]
        if not program.inputs:  # a Scan has at least one sequence
            inputs.append(Array(g.name("step"), (), np.dtype(np.int64)))
            outer.append(g.node("Expand", g.constant(0, np.int64), g.size(loop.n)))
        self.write(body, program, program.numbers)
        ends = [*(v for _, v in program.carries), *program.outputs]
        outputs = [body.returns(body.env[v], g.name("next")) for v in ends]
        return g.nodes_of(
            "Scan",
            outer,
            [program.names.get(v, "y") for v in ends],
            body=body.proto(g.name("step"), [g.info(x) for x in inputs], [g.info(x) for x in outputs]),
            num_scan_inputs=len(inputs) - count,
            scan_input_directions=[int(loop.reverse)] * (len(inputs) - count),
            scan_output_directions=[int(loop.reverse)] * len(program.outputs),
        )
