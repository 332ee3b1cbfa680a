"""A linear readout by ridge regression: least squares with a penalty, solved in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygrad_seq.engine.mode import no_grad
from tinygrad_seq.engine.numbers import integer, number
from tinygrad_seq.nn.layers import Linear
from tinygrad_seq.ops.linalg import solve
from tinygrad_seq.ops.shape import reshape
from tinygrad_seq.ops.statistics import mean
from tinygrad_seq.tensor.creation import as_tensor, tensor
from tinygrad_seq.tensor.tensor import Tensor

Pair = tuple[Tensor, Tensor]  # states and targets


def ridge(
    states: Tensor,
    targets: Tensor,
    *,
    penalty: float | Sequence[float],
    washout: int = 0,
    validation: Pair | None = None,
) -> Linear:
    """The layer y = h W + b that minimizes |h W + b - targets|^2 + penalty |W|^2, summed over steps and rows.

    states      h (T, B, H), for example of a reservoir
    targets     (T, B, O)
    penalty     0 or more, not applied to b; of several, the one with the smallest error on `validation`
    washout     the number of steps at the start that are left out, in which the first state is forgotten
    validation  other (states, targets); their washout is left out too

    The system is solved in float64, whatever the dtype (Hoerl & Kennard 1970). Raises ValueError if states and
    targets do not fit, if the washout leaves no step, if a penalty is negative, or if several penalties are
    given without validation.

    >>> import numpy as np
    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> h = ts.tensor(np.random.default_rng(0).normal(size=(50, 1, 4)))
    >>> readout = nn.ridge(h, 2.0 * h[:, :, :1] + 1.0, penalty=0.0)
    >>> bool(np.allclose(readout.weight.numpy().ravel(), [2.0, 0.0, 0.0, 0.0])), readout.bias.numpy().round(6)
    (True, array([1.]))
    """
    several = list(penalty) if isinstance(penalty, (Sequence, np.ndarray)) and np.ndim(penalty) else [penalty]
    penalties = [number("ridge", "penalty", given, "[0, inf)") for given in several]
    if not penalties:
        raise ValueError("ridge needs a penalty, or several, got none")
    if len(penalties) > 1 and validation is None:
        raise ValueError(
            f"ridge needs validation data to choose among several penalties, got {penalty} without; pass "
            "validation=(states, targets)"
        )
    states, targets = as_tensor(states), as_tensor(targets)
    with no_grad():
        h, y = rows(states, targets, washout)
        h_mean, y_mean = mean(h, 0), mean(y, 0)
        centred = h - h_mean
        products, sums = centred.T @ centred, centred.T @ (y - y_mean)
        unit = tensor(np.eye(h.shape[1]), device=h.device)
        layers = []
        for strength in penalties:
            weight = solve(products + strength * unit, sums)
            layers.append(linear(weight, y_mean - h_mean @ weight, states))
        if validation is None:
            return layers[0]
        unseen, wanted = rows(*validation, washout)
        errors = [mean((unseen.astype(states.dtype) @ f.weight + f.bias - wanted) ** 2).item() for f in layers]
    return layers[int(np.argmin(errors))]


def rows(states: Tensor, targets: Tensor, washout: int) -> Pair:
    """The steps after the washout of all rows of the batch, as the rows of two matrices in float64."""
    if states.ndim != 3 or targets.ndim != 3 or states.shape[:2] != targets.shape[:2]:
        raise ValueError(
            f"ridge needs states (T, B, H) and targets (T, B, O), got {states.shape} and {targets.shape}"
        )
    washout = integer("ridge", "washout", washout, f"[0, {len(states)})")
    x, y = (reshape(t[washout:], (-1, t.shape[2])).astype(np.float64) for t in (states, targets))
    return x, y


def linear(weight: Tensor, bias: Tensor, like: Tensor) -> Linear:
    """The layer with these parameters, with the dtype and on the device of `like`."""
    layer = Linear(*weight.shape, rng=0, dtype=like.dtype).to(like.device)
    layer.load_state_dict({"weight": weight.astype(like.dtype), "bias": bias.astype(like.dtype)})
    return layer
