"""Forward mode of a loop: the scan of the pushed step, with carries (C, dC) and inputs (x, dx).

The JVP of a loop is itself a loop over time, so it is written as a `scan`, which is built on the op of
`op.py`; `__init__.py` joins the two.
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq.derive.functions import jvp
from tinygrad_seq.scan.backward import reached
from tinygrad_seq.scan.differentiable import replay
from tinygrad_seq.scan.over_time import scan
from tinygrad_seq.tensor.creation import as_tensor


def pushed(g, arrays, call):
    """The JVP of the op of a loop: a tangent for each output, from `g`, the arguments' tangents or None."""
    what, n, reverse = call.what, call.n, call.reverse
    program = what.program
    known = dict(zip(program.arguments, arrays, strict=True))
    along = {v: dx for v, dx in zip(program.arguments, g, strict=True) if dx is not None}
    live = reached(program, along.keys())
    carries = [before for before, _ in program.carries]
    made = (*what.made, *what.loop.kept[len(program.outputs) :]) if call.nested else what.made
    wanted = [
        v for v in dict.fromkeys((*(after for _, after in program.carries), *program.outputs)) if v in live
    ]

    if not wanted:
        return [None] * len(made)

    def step(carry, x):
        env = {v: known[v] for v in program.constants} | dict(zip(carries, carry[0], strict=True)) | x[0]
        tangents = {v: along[v] for v in program.constants if v in along} | carry[1] | x[1]

        def replayed(*moving):
            env.update(zip(tangents, moving, strict=True))
            replay(program, env)
            return [as_tensor(env[v]) for v in wanted]

        _, dzs = jvp(replayed, [env[v] for v in tangents], list(tangents.values()))
        dz = dict(zip(wanted, dzs, strict=True))
        after = [as_tensor(env[v]) for _, v in program.carries]  # an array, if it depends only on constants
        pushed = {u: as_tensor(dz.get(v, np.zeros_like(env[v]))) for u, v in program.carries if u in live}
        return (after, pushed), {v: dz[v] for v in program.outputs if v in live}

    start = {v: along[v] if v in along else np.zeros_like(known[v]) for v in carries if v in live}
    xs = {v: known[v] for v in program.inputs}, {v: along[v] for v in program.inputs if v in along}
    (_, dcarry), dys = scan(step, ([known[v] for v in carries], start), xs, length=n, reverse=reverse)
    return [dcarry.get(v) for v in carries] + [dys.get(v) for v in made[len(carries) :]]
