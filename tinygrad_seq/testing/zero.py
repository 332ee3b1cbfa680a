"""The law of zero: a zero cotangent gives a zero gradient, wherever it arrives.

A branch that `where` did not take hands back a cotangent of zero. If the derivative there is infinite or
undefined, a plain product would turn it into NaN, and the NaN would spread to every parameter. Ops whose
partials can be infinite say so (`singular`), and the engine uses the safe product.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tinygrad_seq.engine.primitive import Primitive
from tinygrad_seq.testing.laws import arrays_of, leaves, pulled, raw
from tinygrad_seq.testing.strategies import SINGULAR, Call, sprinkled


class Exemption(NamedTuple):
    """Points at which an op is exempt from the law, and why."""

    points: tuple[float, ...]
    reason: str


PLAIN = "a plain product by design, for speed: guard the argument of x log x"
UNSHIFTED = "an infinite score has no softmax: only -inf, which masks, has a meaning"
EXEMPT = {
    "multiply": Exemption((np.inf, -np.inf), PLAIN),
    "matmul": Exemption((np.inf, -np.inf), PLAIN),
    "contract": Exemption((np.inf, -np.inf), PLAIN),
    "solve": Exemption((np.inf, -np.inf), PLAIN),
    "softmax": Exemption((np.inf,), UNSHIFTED),
    "log_softmax": Exemption((np.inf,), UNSHIFTED),
}


def awkward(op: Primitive) -> list[float]:
    """The points at which the law of zero holds for an op; NaN too, where it says that it is singular."""
    singular = any(rule is not None and "safe_product" in rule.form for rule in op.rules)
    exempt = EXEMPT[op.name].points if op.name in EXEMPT else ()
    return [*(p for p in SINGULAR if p not in exempt), *([np.nan] if singular else [])]


def zero(call: Call) -> None:
    """A zero cotangent gives a zero gradient, also where the derivative is infinite or undefined."""
    zero_at(call, awkward(call.op))


def zero_at(call: Call, points: Sequence[float]) -> None:
    """The law of zero at given points."""
    arrays = sprinkled(call, points, call.rng())
    gs = [np.zeros_like(z) for z in raw(call, arrays)]
    for create_graph in (False, True):
        for grad in arrays_of(pulled(call, gs, leaves(call, arrays), create_graph=create_graph)):
            assert not np.any(grad), (
                f"a zero cotangent gives the gradient {grad} in {call.op.name} of {arrays}, {call.meta}; "
                f"where a partial can be infinite, declare partials(..., singular=True) or use safe_product"
            )
