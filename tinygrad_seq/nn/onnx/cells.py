"""The cells that are operators of ONNX, recognised by what their step computes.

A step is a cell's if its program equals that of the cell: so it does not matter which runner runs the cell, nor
whether the step is our own. The loops of a recorded model stay whole if they are known, and are taken apart as
for NumPy if not (`WHERE_UNKNOWN`): an operator has the product with the input inside, a Scan is faster without.

The weights of an operator are those of the table in `nn/exchange/onnx.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinygrad_seq.engine.mode import no_grad, tracing
from tinygrad_seq.nn.cells import (
    CoupledLSTMCell,
    GatedCell,
    GRUCell,
    LSTMCell,
    PeepholeLSTMCell,
    ResetAfterGRUCell,
    RNNCell,
)
from tinygrad_seq.nn.exchange.onnx import ONNX
from tinygrad_seq.nn.exchange.transfer import dump
from tinygrad_seq.nn.runners.recurrent import Recurrent
from tinygrad_seq.scan.backward import BACKWARD
from tinygrad_seq.scan.emitter import emitter
from tinygrad_seq.scan.emitters import MORE, Emitter
from tinygrad_seq.scan.naming import identified
from tinygrad_seq.scan.np.loop import Loop
from tinygrad_seq.scan.program import Hoisting, Operation, Program
from tinygrad_seq.scan.recording.step import Step
from tinygrad_seq.scan.recording.trace import hashable
from tinygrad_seq.tensor.creation import tensor


class Operator(NamedTuple):
    """How a cell is an operator: its kind and attributes, and the activation of an RNN."""

    cell: type[GatedCell]
    kind: str
    attributes: Mapping[str, Any] = {}
    options: Mapping[str, Any] = {}

    def make(self, inputs: int, hidden: int, dtype: Any) -> GatedCell:
        return self.cell(inputs, hidden, rng=0, dtype=dtype, **self.options)

    @property
    def peepholes(self) -> bool:
        return self.cell is PeepholeLSTMCell


OPERATORS = (
    Operator(RNNCell, "RNN", {"activations": ["Tanh"]}, {"activation": "tanh"}),
    Operator(RNNCell, "RNN", {"activations": ["Relu"]}, {"activation": "relu"}),
    Operator(GRUCell, "GRU", {"linear_before_reset": 0}),
    Operator(ResetAfterGRUCell, "GRU", {"linear_before_reset": 1}),
    Operator(LSTMCell, "LSTM"),
    Operator(PeepholeLSTMCell, "LSTM"),
    Operator(CoupledLSTMCell, "LSTM", {"input_forget": 1}),
)


def weights_of(operator: Operator, parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights W, R, B and P of an operator, from the parameters of its cell."""
    rows, columns = (parameters[name].shape[0] for name in ("Wx", "Wh"))
    cell = operator.make(rows, columns, parameters["Wx"].dtype)
    cell.load_state_dict(parameters)
    return dump(ONNX, cell)


# --- recognition ------------------------------------------------------------------------------------------


class Known(NamedTuple):
    """A step that is a known cell's, and for every constant of its program the parameter that it is."""

    operator: Operator
    parameters: tuple[str, ...]


LARGEST = 40  # operations: no known cell has more


def known(program: Program) -> Known | None:
    """The operator that computes what a step computes, if there is one; its rows may be masked by lengths."""
    if not (program.carries and 1 <= len(program.inputs) <= 2 and len(program.operations) <= LARGEST):
        return None
    state, x = (program.values[v] for v in (program.carries[0][0], program.inputs[0]))
    if len(state.shape) != 2 or len(x.shape) != 2 or state.dtype.kind != "f":
        return None
    sizes = *state.shape, x.shape[1]
    key, constants = computed(program)
    found = patterns(*sizes, state.dtype.name, len(program.inputs) == 2).get(key)
    if found is None:
        return None
    operator, names = found
    return Known(operator, tuple(names[constants.index(v)] for v in program.constants))


def computed(program: Program) -> tuple[tuple[Any, ...], list[int]]:
    """What a program computes: equal keys are equal computations, in whatever order the operations stand.

    Also its constants, in the order in which they are needed.
    """
    made = {v: call for call in program.operations for v in call.outputs}
    number = {v: i for i, v in enumerate((*(before for before, _ in program.carries), *program.inputs))}
    key: list[tuple[Any, ...]] = []
    constants: list[int] = []

    def need(v: int) -> int:
        if v in number:
            return number[v]
        call = made.get(v)
        if call is None:
            x = program.numbers.get(v)
            key.append(("number", type(x), x))
            number[v] = len(number)
            constants.extend([v] if x is None else [])
        else:
            key.append((call.op, *map(need, call.inputs), hashable(call.meta)))
            number.update({z: len(number) + i for i, z in enumerate(call.outputs)})
        return number[v]

    ends = *map(need, (after for _, after in program.carries)), *map(need, program.outputs)
    given = tuple(program.values[v] for v in number if v not in made)
    return (len(program.carries), given, ends, tuple(key)), constants


@lru_cache(64)
def patterns(
    batch: int, hidden: int, inputs: int, dtype: str, masked: bool
) -> dict[tuple[Any, ...], tuple[Operator, list[str]]]:
    """What the known cells of these sizes compute, each with the names of its parameters."""
    found = {}
    with no_grad(), tracing(None):
        x = tensor(np.zeros((1, batch, inputs), dtype))
        inside = tensor(np.zeros((1, batch), bool))
        for operator in OPERATORS:
            cell = operator.make(inputs, hidden, dtype)
            state = cell.initial_state(batch, like=x)
            step = Step(Recurrent(cell)._masked, state, (x, inside)) if masked else Step(cell, state, x)
            names = {id(p): name for name, p in cell.named_parameters()}
            given = dict(zip(step.program.arguments, step.arguments(), strict=True))
            key, constants = computed(step.program)
            found[key] = operator, [names[id(given[v])] for v in constants]
    return found


def leaves_the_loop(call: Operation, program: Program) -> bool:
    return call.op.name not in ("scan", "closed") and known(program) is None


WHERE_UNKNOWN = Hoisting(*[leaves_the_loop] * 3)
MORE["onnx"] = Emitter(lambda program: identified(program, WHERE_UNKNOWN), WHERE_UNKNOWN, BACKWARD, False, Loop)


class recognising(emitter):  # noqa: N801 (used like `ts.emitter`)
    """A block in which loops are recorded for ONNX."""

    __slots__ = ()

    def __init__(self) -> None:
        self.name, self.maker, self.why = "onnx", "NumPy", ", by to_onnx"
