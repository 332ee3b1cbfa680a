"""What a loop in C leaves outside: what has no form in C, and the sums of products over time.

A product of one step runs at the speed of one of all steps, and values that stay in registers are not written
to memory and read again. So all else stays in the loop, for which NumPy has other rules.
"""

from __future__ import annotations

from tinygrad_seq.scan.groups.ways import WAYS
from tinygrad_seq.scan.np.plan import is_view, pointwise
from tinygrad_seq.scan.program import Hoisting, Operation, Program, summable


def writable(call: Operation) -> bool:
    """Whether the op of a call has a form in C; there are arguments for which it has none even so."""
    return call.op.name in WAYS or (pointwise(call) and call.op.expression is not None)


def before(call: Operation, program: Program) -> bool:
    return not writable(call)


def after(call: Operation, program: Program) -> bool:
    """Of the totals, only sums of products, the gradients of weights: each is one product over all steps."""
    if call.outputs[0] in program.totals:
        return summable(call) or not writable(call)
    return is_view(call, program) or not writable(call)


IN_C = Hoisting(before, after)
