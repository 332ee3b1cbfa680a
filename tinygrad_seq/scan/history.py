"""A derivative in a step by a tensor from outside of it, when the carry depends on that tensor, too.

In the Python loop, dy/dw counts the w of all earlier steps, through the carry. In a step that is recorded once,
the carry is a given value, so dy/dw would count the w of this step only. Such a derivative is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinygrad_seq.engine.errors import output_of
from tinygrad_seq.engine.mode import mode
from tinygrad_seq.engine.record import Line
from tinygrad_seq.engine.tape import tape
from tinygrad_seq.scan.backward import reached
from tinygrad_seq.scan.program import Program
from tinygrad_seq.scan.trace import Trace
from tinygrad_seq.tensor.tensor import Tensor


def refuse_history(trace: Trace, program: Program, number: Mapping[Line, int], arguments: Sequence) -> None:
    """RuntimeError if a derivative of the step leads to a carry or an input that depends on the same tensor."""
    given = dict(zip(program.arguments, arguments, strict=True))
    lines = {v: x.line for v, x in given.items() if isinstance(x, Tensor) and x.line is not None}
    for line, ends in trace.derivatives:
        stops = {number[end] for end in ends if end in number}
        sources = {v for v, origin in lines.items() if line[0] in tape([origin])}
        if not stops.isdisjoint(reached(program, sources)):
            raise RuntimeError(
                f"the step of a scan is recorded once for all time steps, so ts.grad in it cannot lead to "
                f"{output_of(*line)} of outside the step through the carry or the input, which depend on it, "
                f"too; use ts.vjp for the derivative of one step, or run the Python loop with "
                f"nn.Recurrent(..., unroll=True) for that of all steps"
            )
        if mode.trace is not None:  # in the step of an outer scan, they may depend on it through its carry
            mode.trace.differentiated([lines[v] for v in stops if v in lines], [line])
