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
What remains in the loop is *emitted*: written as NumPy source, or as C, and compiled. An *emitter* is what does
that; it says which operations it wants in the loop. The backward pass is a program of the same kind, derived
from the rules of the primitives.

This folder may import `derive` and lower layers (`tensor`, `ops`, `engine`, `tree`), and knows no cell or
module. By task:

    over_time                           `scan` begins here
    recording/                          a step is recorded, or a kept recording is found
    program, riding                     operations are placed
    backward, differentiable            the backward program is derived
    emitter, emitters                   which emitter is chosen, and what all emitters have in common
    np/                                 the NumPy emitter: a loop as NumPy source, and its run
    groups/                             operations as loop nests, for emitters that write such
    c/                                  the C emitter: loop nests as C, the compiler, and the run
    pool                                the memory of loops between their runs
    op, execute, closed, pushed         a loop is one op of the outer tape, with all its derivatives
    batched                             a loop rides: one loop over a batch of examples
    naming, equations, explain          names and equations, and their print
"""

from tinygrad_seq.scan.batched import of_loop, of_pullback, run_batched
from tinygrad_seq.scan.closed import CLOSED
from tinygrad_seq.scan.explain import explain
from tinygrad_seq.scan.op import SCAN
from tinygrad_seq.scan.over_time import scan, unrolled
from tinygrad_seq.scan.pool import workspace_limit
from tinygrad_seq.scan.pushed import pushed
from tinygrad_seq.scan.recording.pure import pure

__all__ = ["explain", "pure", "scan", "unrolled", "workspace_limit"]

# declared here, since they call scan, which calls the op
SCAN.joint_jvp(pushed)
SCAN.rides(call=of_loop)
SCAN.at_once(stacking=run_batched)
CLOSED.rides(function=of_pullback)
