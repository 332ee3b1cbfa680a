"""From the operations of a loop to assignments.

An op that has no such form raises `UnsupportedError`, and the loop runs as NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence

from tinygrad_seq.scan.groups import indexing, nested, products, reductions, views
from tinygrad_seq.scan.groups.assignments import Assignments, Expressible, Way
from tinygrad_seq.scan.groups.lowering import lowered
from tinygrad_seq.scan.program import Program

WAYS: dict[str, Way] = {
    "stop_gradient": views.same,
    "transpose": views.transpose,
    "broadcast_to": views.broadcast,
    "reshape": views.reshape,
    "split": views.split,
    "unstack": views.unstack,
    "concatenate": views.concatenate,
    "stack": views.stack,
    "roll": views.roll,
    "pad": views.pad,
    "getitem": indexing.getitem,
    "scatter": indexing.scatter,
    "take_along_axis": indexing.take_along_axis,
    "within": indexing.within,
    "scatter_along_axis": indexing.scatter_along_axis,
    "zeros_like": views.filled(0),
    "ones_like": views.filled(1),
    "astype": views.convert,
    "cast": views.convert,
    "sum": reductions.sum,
    "max": reductions.extremum,
    "min": reductions.extremum,
    "any": reductions.truth,
    "all": reductions.truth,
    "argmax": reductions.position,
    "argmin": reductions.position,
    "prod": reductions.prod,
    "cumsum": reductions.cumsum,
    "cumprod": reductions.cumprod,
    "norm": reductions.norm,
    "softmax": reductions.softmax,
    "log_softmax": reductions.log_softmax,
    "logsumexp": reductions.logsumexp,
    "tril": views.triangle,
    "triu": views.triangle,
    "matmul": products.matmul,
    "contract": products.contract,
    "scan": nested.scan,
    "closed": nested.closed,
}


def assigned(loop: Program, kept: Sequence[int], expressible: Expressible) -> Assignments:
    """The assignments of `loop`, which keeps the values `kept` of all steps. Raises UnsupportedError.

    `expressible` says of an op, or of None for a conversion, with the dtypes of its arguments and of its
    result, whether the emitter has an expression for it.
    """
    return lowered(loop, kept, expressible, WAYS)
