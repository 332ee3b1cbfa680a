"""The law of zero: a zero cotangent gives a zero gradient, at every point.

The branch that `where` did not take receives a cotangent of zero. If a derivative in it is infinite or
undefined, a plain product would be NaN, and the NaN would spread to every parameter. So an op whose partials
can be infinite declares them `singular`, and the engine uses the safe product for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

import tinygrad_seq as ts
from tinygrad_seq.engine.primitive import Primitive
from tinygrad_seq.testing.differences import noise, pulled_back
from tinygrad_seq.testing.laws import actives, arrays_of, leaves, pulled, raw
from tinygrad_seq.testing.strategies import SINGULAR, Call, sprinkled


class Exemption(NamedTuple):
    """Points at which an op is exempt from the law, and why."""

    points: tuple[float, ...]
    reason: str


PLAIN = "a plain product by design, for speed; guard the argument of x log x"
UNSHIFTED = "a row with +inf has no softmax; only -inf, a mask, is valid"
EXEMPT = {
    "multiply": Exemption((np.inf, -np.inf), PLAIN),
    "matmul": Exemption((np.inf, -np.inf), PLAIN),
    "contract": Exemption((np.inf, -np.inf), PLAIN),
    "convolve": Exemption((np.inf, -np.inf), PLAIN),
    "correlate": Exemption((np.inf, -np.inf), PLAIN),
    "solve": Exemption((np.inf, -np.inf), PLAIN),
    "softmax": Exemption((np.inf,), UNSHIFTED),
    "log_softmax": Exemption((np.inf,), UNSHIFTED),
}


def awkward(op: Primitive) -> list[float]:
    """The points at which the law of zero is tested for an op; also NaN, if the op is declared singular."""
    singular = any(rule is not None and "safe_product" in rule.form for rule in op.rules)
    exempt = EXEMPT[op.name].points if op.name in EXEMPT else ()
    return [*(p for p in SINGULAR if p not in exempt), *([np.nan] if singular else [])]


def zero(call: Call) -> None:
    """A zero cotangent gives a zero gradient, also where the derivative is infinite or undefined.

    At finite points the derivative of that gradient is zero, too. At infinity most rules have none: x (1 - x).
    """
    points = awkward(call.op)
    zero_at(call, points)
    zero_again_at(call, [p for p in points if np.isfinite(p)])


def zero_at(call: Call, points: Sequence[float]) -> None:
    """The law of zero at given points."""
    arrays = sprinkled(call, points, call.rng())
    gs = [np.zeros_like(z) for z in raw(call, arrays)]
    for create_graph in (False, True):
        grads = pulled(call, gs, leaves(call, arrays), create_graph=create_graph)
        vanish("gradient", call, arrays, grads)


def zero_again_at(call: Call, points: Sequence[float]) -> None:
    """The law of zero at given points, for the derivative of the gradient."""
    rng = call.rng()
    arrays = sprinkled(call, points, rng)
    gs, xs = [np.zeros_like(z) for z in raw(call, arrays)], leaves(call, arrays)
    grads = [dx for dx in pulled(call, gs, xs, create_graph=True) if dx.requires_grad]
    if grads:
        again = pulled_back(grads, actives(call, xs), [noise(rng, dx.shape) for dx in grads])
        vanish("derivative of its gradient", call, arrays, again)


def vanish(what: str, call: Call, arrays: Sequence[np.ndarray], grads: Sequence[ts.Tensor]) -> None:
    for grad in arrays_of(grads):
        assert not np.any(grad), (
            f"a zero cotangent gives the {what} {grad} in {call.op.name} of {arrays}, {call.meta}, expected 0; "
            f"if a partial can be infinite, declare partials(..., singular=True) or use safe_product"
        )
