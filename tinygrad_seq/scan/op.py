"""A loop as one op, and each kind of its derivatives.

    reverse mode           the backward loop, derived and emitted like the loop itself
    higher orders          the derivative of the unrolled loop, replayed from the recorded step
    forward mode           the scan of the pushed step (`pushed.py`)

The loop defines the values; a derivative may be computed in any way that gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinygrad_seq.derive import vjp
from tinygrad_seq.engine.mode import mode
from tinygrad_seq.engine.primitive import Primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.scan.closed import closed
from tinygrad_seq.scan.differentiable import Differentiable
from tinygrad_seq.scan.loop import Run
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor


@dataclass(frozen=True)
class Call:
    """The metadata of the op: which loop, and how it is run."""

    what: Differentiable
    n: int
    reverse: bool

    def __repr__(self) -> str:
        return f"{self.n} steps{' backwards' if self.reverse else ''}"


def _scan(*arrays, call):
    """z = the carries after a loop, its outputs, and the values that it saved of all steps"""
    return call.what.compute(arrays, call.n, call.reverse)


SCAN = Primitive(
    _scan, examples=[example("(a)", call=None)], many=True
)  # tested by its own laws, on random steps


def run_loop(what: Differentiable, env: Mapping[int, object], n: int, reverse: bool) -> Run:
    """Run a loop on tensors or arrays; the run is one record of the tape."""
    out = SCAN.function(*[env[v] for v in what.sources], call=Call(what, n, reverse))
    made = [z if isinstance(z, Tensor) else Tensor(z) for z in out]
    for v, z in zip(what.made, made, strict=True):
        if v not in what.live and mode.trace is None:
            z.line = None  # no derivative passes
    count = len(what.program.carries)
    return Run(dict(enumerate(made[:count])), dict(zip(what.program.outputs, made[count:], strict=False)), {})


def _vjp(g, arrays, z, call, needed):
    what, n, reverse = call.what, call.n, call.reverse
    asked = frozenset(v for v, on in zip(what.sources, needed, strict=True) if on and v in what.active)
    if not any(isinstance(c, Tensor) for c in g):
        return what.pull(asked, g, arrays, z, n, reverse)
    present = tuple(i for i, c in enumerate(g) if c is not None)
    raw = [x._array if isinstance(x, Tensor) else x for x in arrays]
    derivation = what.backward(asked, what.present(g), raw).derivation
    targets = asked.intersection((*derivation.carries, *derivation.gradients))
    found = iter(closed(Pullback(call, present, targets), [*arrays, *z, *(g[i] for i in present)]))
    return [next(found) if v in targets else None for v in what.sources]


@dataclass(frozen=True)
class Pullback:
    """The pullback of a loop, as a function that `closed` can call.

    Its arguments are those of the loop, the values that the loop made, and the cotangents of those of them that
    are listed in `present`; its values are the cotangents of the loop's arguments `targets`.
    """

    call: Call
    present: tuple[int, ...]
    targets: frozenset[int]

    def split(self, arguments: Sequence) -> tuple[Sequence, Sequence, list]:
        what = self.call.what
        i, j = len(what.sources), len(what.sources) + len(what.made)
        g: list = [None] * len(what.made)
        for place, c in zip(self.present, arguments[j:], strict=True):
            g[place] = c
        return arguments[:i], arguments[i:j], g

    def compute(self, arrays: Sequence) -> tuple:
        sources, made, g = self.split(arrays)
        found = self.call.what.pull(self.targets, g, sources, made, self.call.n, self.call.reverse)
        return tuple(x for x in found if x is not None)

    def meaning(self, tensors: Sequence) -> tuple:
        """The pullback of the unrolled loop, which computes the values of the loop again."""
        what, n, reverse = self.call.what, self.call.n, self.call.reverse
        sources, _, g = self.split(tensors)
        places = [i for i, v in enumerate(what.sources) if v in self.targets]
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
        made = [False] * len(what.made)
        return [v in what.active for v in what.sources] + made + [True] * len(self.present)


SCAN.joint_vjp(_vjp, zeros=False)
