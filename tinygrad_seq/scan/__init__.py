"""scan: a loop over time whose step is recorded once and run as a program, forward and backward.

The step of a loop is called once, which leaves a tape of one step. From it a *program* is built: operations on
numbered values, without arrays. An op *rides* if it works unchanged with an extra leading axis, here time, so
that one call on stacked values replaces a call at every step. So each operation has one of four places:

    constant   it depends on no value that changes from step to step: run once
    before     it is *carry-free* (computed only from inputs and constants) and rides: it is *hoisted*, or
               *lifted*, out of the loop and run once on the whole sequence
    loop       everything else: run at every step
    after      no carry depends on it, and it rides: run once on the stacked values of the loop

The sum over time in the gradient of a constant is *late* if it is computed after the loop, from stacked values.
What remains in the loop is *emitted*: written as NumPy source and compiled. The backward pass is a program of
the same kind, derived from the rules of the primitives.

This folder may import `derive` and lower layers (`tensor`, `ops`, `engine`, `tree`), and knows no cell or
module. By task: `trace`, `traced`, `places`, `step` and `twice` record; `pure`, `fingerprint`, `guard` and
`kept` tell when that is not needed; `program` and `riding` place the operations; `gates` joins activations;
`backward` derives; `plan`, `lines` and `emit` write the source; `ready` chooses the emitter, and `loop` and
`execute` run what it made, in memory that waits in the `pool`; `differentiable`, `closed` and `op` make it one
op of the outer tape; `naming`, `equations` and `explain` print.
"""

from tinygrad_seq.scan.explain import explain
from tinygrad_seq.scan.op import SCAN
from tinygrad_seq.scan.over_time import scan, unrolled
from tinygrad_seq.scan.pool import workspace_limit
from tinygrad_seq.scan.pure import pure
from tinygrad_seq.scan.pushed import pushed

__all__ = ["explain", "pure", "scan", "unrolled", "workspace_limit"]

SCAN.joint_jvp(pushed)  # declared here, since it calls scan, which calls the op
