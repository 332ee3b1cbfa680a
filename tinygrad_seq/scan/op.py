"""A loop as one op, and each kind of its derivatives.

    reverse mode           the backward loop, derived and emitted like the loop itself
    higher orders          the derivative of the unrolled loop, replayed from the recorded step
    forward mode           the scan of the pushed step (`pushed.py`)

The loop defines the values; a derivative may be computed in any way that gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinygrad_seq.derive.functions import vjp
from tinygrad_seq.engine.mode import mode
from tinygrad_seq.engine.primitive import Primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.scan.closed import closed
from tinygrad_seq.scan.differentiable import BackwardLoop, Differentiable
from tinygrad_seq.scan.np.loop import Run
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor


@dataclass(frozen=True)
class Call:
    """The metadata of the op: which loop, and how it is run.

    nested  the loop is a part of the step of another loop. The values that it keeps for its derivative are
            then outputs, so that the other loop can keep them of all its steps. Elsewhere the record has them.
    """

    what: Differentiable
    n: int
    reverse: bool
    nested: bool

    def __repr__(self) -> str:
        return f"{self.n} steps{' backwards' if self.reverse else ''}"


def _scan(*arrays, call):
    """z = the carries after a loop, and its outputs"""
    return _kept(*arrays, call=call)[0]


def _kept(*arrays, call):
    """z, and the values kept of all steps."""
    run = call.what.loop(arrays, call.n, call.reverse)
    outputs = run.kept if call.nested else run.kept[: len(call.what.program.outputs)]
    return (*run.finals, *outputs), run.kept


SCAN = Primitive(
    _scan, examples=[example("(a)", call=None)], many=True
)  # tested by its own laws, on random steps
SCAN.keeps(_kept)


def run_loop(what: Differentiable, arguments: Sequence, n: int, reverse: bool) -> Run:
    """Run a loop on tensors or arrays; the run is one record of the tape. What it keeps are its outputs."""
    nested = mode.trace is not None
    made = SCAN.function(*arguments, call=Call(what, n, reverse, nested))
    if made and not isinstance(made[0], Tensor):  # no argument was a tensor
        made = tuple(map(Tensor, made))
    if not nested:
        for i in what.dead:
            made[i].line = None
    count = len(what.program.carries)
    return Run(made[:count], made[count : len(what.made)], ())


def _vjp(g, arrays, z, kept, call, needed):
    what, n, reverse = call.what, call.n, call.reverse
    if kept is None:
        kept = z[len(what.program.carries) :]
    g = g[: len(what.made)]
    if not any(isinstance(c, Tensor) for c in g):
        return what.asked(needed, g, arrays)(arrays, kept, g, n, reverse)
    present = tuple(i for i, c in enumerate(g) if c is not None)
    raw = [x._array if isinstance(x, Tensor) else x for x in arrays]
    shares = what.asked(needed, g, raw).shares  # also of carries that nobody needs
    reached = tuple([bool(on and share) for on, share in zip(needed, shares, strict=True)])
    if not any(reached):
        return [None] * len(reached)
    pullback = Pullback(call, present, reached)
    known = [x if isinstance(x, Tensor) else Tensor(x) for x in kept]
    found = iter(closed(pullback, [*arrays, *known, *(g[i] for i in present)]))
    return [next(found) if on else None for on in reached]


@dataclass(frozen=True)
class Pullback:
    """The pullback of a loop, as a function that `closed` can call.

    Its arguments are those of the loop, the values that the loop kept, and the cotangents of those of its
    results that are listed in `present`; its values are the cotangents of the `needed` arguments of the loop.
    """

    call: Call
    present: tuple[int, ...]
    needed: tuple[bool, ...]

    def split(self, arguments: Sequence) -> tuple[Sequence, Sequence, list]:
        what = self.call.what
        i, j = len(what.program.arguments), len(arguments) - len(self.present)
        g: list = [None] * len(what.made)
        for place, c in zip(self.present, arguments[j:], strict=True):
            g[place] = c
        return arguments[:i], arguments[i:j], g

    def backward(self) -> BackwardLoop:
        """The backward loop that computes it, once it has been derived."""
        given = [i if i in self.present else None for i in range(len(self.call.what.made))]
        return self.call.what.asked(self.needed, given, ())

    def compute(self, arrays: Sequence) -> tuple:
        sources, kept, g = self.split(arrays)
        call = self.call
        pull = call.what.asked(self.needed, g, sources)
        made = pull(sources, kept, g, call.n, call.reverse)
        return tuple([x for x, on in zip(made, self.needed, strict=True) if on])

    def meaning(self, tensors: Sequence) -> tuple:
        """The pullback of the unrolled loop, which computes the values of the loop again."""
        what, n, reverse = self.call.what, self.call.n, self.call.reverse
        sources, _, g = self.split(tensors)
        places = [i for i, on in enumerate(self.needed) if on]
        wanted = [i for i, v in enumerate(what.made) if v in what.live and g[i] is not None]

        def loop(*targets):
            whole = list(sources)
            for i, x in zip(places, targets, strict=True):
                whole[i] = x
            made = what.unrolled(whole, n, reverse)
            return tuple(as_tensor(made[i]) for i in wanted)  # an array, if it depends only on constants

        _, pullback = vjp(loop, *[sources[i] for i in places])
        return pullback(tuple(g[i] for i in wanted))

    def follows(self, arrays: Sequence) -> list[bool]:
        what = self.call.what
        active = [v in what.active for v in what.program.arguments]
        kept = [False] * (len(arrays) - len(active) - len(self.present))
        return active + kept + [True] * len(self.present)


SCAN.joint_vjp(_vjp, zeros=False)
