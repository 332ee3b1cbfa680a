"""check_grad: the derivatives of any function of Tensors, compared with finite differences.

One random direction shows whether a derivative is right, at the cost of five calls. Only if it is wrong are the
differences computed for each element, and each rule on the tape tested, for a report that says which elements
are wrong, by how much, and because of which rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

import tinygrad_seq as ts
from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.testing.differences import (
    DisagreementError,
    Function,
    Sequenced,
    agree_along,
    gradients,
    leaf,
    moved,
    noise,
    pullback,
    sequence,
    slope,
)
from tinygrad_seq.testing.suspects import suspects

ELEMENTS = 1000  # the most elements of an input that are compared one by one, for a report
WORST = 3  # the most wrong elements of an input that are shown
NOTICEABLE = 1e-6  # an element with a larger relative error counts as wrong

Arrays = Sequence[np.ndarray]


def check_grad(f: Function, *inputs: ArrayLike | ts.Tensor, order: int = 2, seed: int = 0) -> None:
    """Compare the derivatives of `f`, up to `order`, with finite differences.

    f       a function of Tensors that returns a Tensor, or a sequence of Tensors
    inputs  its arguments: arrays, Tensors or numbers on one device. The derivatives are with respect to all
            floats, which are converted to float64: in float32 a difference quotient has only three right
            digits, too few for a test. Integers and booleans (labels, masks) are constants
    order   1 for only the gradient, 2 for the gradient of the gradient, too, and so on
    seed    the seed of the random directions

    AssertionError with a report if a derivative is wrong. TypeError if `f` returns anything but float64 Tensors
    (it may use a float32 parameter, but must not cast its result), or if no input is a float. ValueError if two
    calls of `f` with equal inputs differ.

    >>> import numpy as np, tinygrad_seq as ts
    >>> from tinygrad_seq.testing import check_grad
    >>> check_grad(lambda x, w: ts.tanh(x @ w), np.ones((2, 3)), np.eye(3))
    """
    order = integer("check_grad", "order", order, "[1, inf)")
    seed = integer("check_grad", "seed", seed, "[0, inf)")
    given = [np.array(x.numpy() if isinstance(x, ts.Tensor) else backend.to_numpy(x)) for x in inputs]
    device = next((d for d in map(_device, inputs) if d != "cpu"), "cpu")
    floats = [i for i, x in enumerate(given) if x.dtype.kind == "f"]
    if not floats:
        raise TypeError(
            f"check_grad needs a float among its inputs, got {', '.join(map(describe, given)) or 'no inputs'}"
        )

    def of_floats(*xs: ts.Tensor) -> Sequence[ts.Tensor]:
        at = dict(zip(floats, xs, strict=True))
        value = f(*(at.get(i, ts.tensor(x, device=device)) for i, x in enumerate(given)))
        if not isinstance(value, (ts.Tensor, list, tuple)):
            raise TypeError(f"{name} must return a Tensor or a sequence of Tensors, got {describe(value)}")
        return sequence(value)

    arrays = [given[i].astype(np.float64) for i in floats]
    name = what = getattr(f, "__name__", "f")
    g: Sequenced = of_floats
    tolerance = "difference"
    _refuse_what_is_no_function(g, arrays, name, device)
    rng = np.random.default_rng(seed)
    for level in range(1, order + 1):
        cotangents = [noise(rng, z.shape) for z in g(*leaves(arrays, device))]
        try:
            disagree = f"{what}: its derivative and finite differences disagree"
            agree_along(g, arrays, cotangents, rng, disagree, tolerance, device)
        except DisagreementError as error:
            names = [f"input {i}" for i in floats]
            report = [
                str(error),
                *where(g, arrays, cotangents, names, device),
                *suspects(of_floats, arrays, level, device),
            ]
            raise AssertionError("\n".join(report)) from None
        g, what, tolerance = pullback(g, cotangents), f"the pullback of {what}", "difference2"


def _device(x: ArrayLike | ts.Tensor) -> str:
    return x.device if isinstance(x, ts.Tensor) else backend.device_of(x)


def leaves(arrays: Arrays, device: str) -> list[ts.Tensor]:
    """Leaves that require a gradient."""
    return [leaf(a, device) for a in arrays]


def _refuse_what_is_no_function(f: Sequenced, arrays: Arrays, name: str, device: str) -> None:
    """TypeError unless f returns float64 Tensors, ValueError unless two calls return the same values."""
    first, second = (list(f(*leaves(arrays, device))) for _ in range(2))
    for z, again in zip(first, second, strict=True):
        if not isinstance(z, ts.Tensor) or z.dtype != np.float64:
            raise TypeError(
                f"{name} of float64 Tensors must return float64 Tensors, got {describe(z)}: differences are "
                f"too inaccurate in other dtypes; for a model, call model.to(dtype=np.float64) first"
            )
        if not np.array_equal(z.numpy(), again.numpy(), equal_nan=True):
            raise ValueError(
                f"two calls of {name} with equal inputs differ; draw random numbers before the calls"
            )


def where(f: Sequenced, arrays: Arrays, cotangents: Arrays, names: Sequence[str], device: str) -> Iterator[str]:
    """The lines of the report: one for every input, and one for each of its worst elements."""
    grads = [dx.numpy() for dx in gradients(f, leaves(arrays, device), cotangents)]
    for i, (name, array, grad) in enumerate(zip(names, arrays, grads, strict=True)):
        numeric = np.full(array.shape, np.nan)
        places = list(np.ndindex(array.shape))[:ELEMENTS]
        for place in places:
            directions = [np.zeros_like(a) for a in arrays]
            directions[i][place] = 1.0
            numeric[place] = slope(moved(f, arrays, cotangents, directions, device))
        errors = {place: _relative(grad[place], numeric[place]) for place in places}
        wrong = sorted(
            (p for p in places if not errors[p] <= NOTICEABLE),
            key=lambda p: -np.nan_to_num(errors[p], nan=np.inf),
        )
        compared = f"{len(wrong)} of {len(places)} elements are wrong" if wrong else "right"
        rest = (
            f" (the first {len(places)} of its {array.size} were compared)" if len(places) < array.size else ""
        )
        yield f"  {name}, {describe(array)}: {compared}{rest}"
        for place in wrong[:WORST]:
            yield (
                f"    [{', '.join(map(str, place))}]  derivative {grad[place]:.9g}  differences "
                f"{numeric[place]:.9g}  relative error {errors[place]:.1e}"
            )


def _relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(abs(found - expected) / max(1.0, abs(found), abs(expected)))
