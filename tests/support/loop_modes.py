"""The ways to run a random program, and what its results are compared with.

A program is run with scan and with the Python loop, in one of the MODES: values and gradients, second derivatives,
forward mode and their mixtures. In the modes `slope` and `slope2` its derivatives are compared with differences:
of the values, or of the first derivatives, of the Python loop. Where two results differ, the loop is run again with
all its numbers changed by a rounding error; if its own results differ as much, the program says nothing.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from dataclasses import dataclass
from functools import partial

import numpy as np
from choices import Choices
from numpy_steps import NUMPY, numpy_loop
from random_steps import Program, written

import tinygrad_seq as ts
from tinygrad_seq import tree
from tinygrad_seq.scan import scan, unrolled
from tinygrad_seq.testing.differences import noise

TOLERANCE = {"f8": 1e-11, "f4": 2e-5, "f2": 2e-2}  # relative to the largest number that is compared
MODES = [
    *["first"] * 8, *["second"] * 4, *["jvp"] * 3, "jvp of grad", "grad of jvp", "numpy", "slope", "slope2"
]  # fmt: skip


class WrongError(AssertionError):
    """scan is not the loop."""


class Nothing(Exception):  # noqa: N818  # it is no error: a program that says nothing
    """The program cannot be used: why."""


def by_scan(step, init, xs=None, **how):
    return scan(step, init, xs, **how)


def of_numpy(program: Program, arrays):
    """The values of a program, computed by NumPy."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return program.function(NUMPY)(numpy_loop, *arrays), arrays


def by_loop(step, init, xs=None, *, remat=None, **how):
    return unrolled(step, init, xs, **how)


def tensors(program: Program, arrays, active: int) -> list[ts.Tensor]:
    """The arguments of a program; the bits of `active` are the floats with a gradient."""
    return [
        ts.tensor(a, requires_grad=g.gradient and bool(active >> i & 1))
        for i, (g, a) in enumerate(zip(program.given, arrays, strict=True))
    ]


def directions(xs, seed: int) -> list[np.ndarray]:
    return [
        None if x is None else noise(np.random.default_rng([seed, i]), x.shape, x.dtype) for i, x in enumerate(xs)
    ]


def floats(made) -> list[ts.Tensor]:
    return [z for z in tree.leaves(made) if isinstance(z, ts.Tensor) and z.dtype.kind == "f"]


def first(f, xs, seed: int, dropped: int):
    """Values, and gradients for random cotangents; the bits of `dropped` are outputs without one."""
    made = f(*xs)
    outputs = [z if not dropped >> i & 1 else None for i, z in enumerate(floats(made))]
    by = [x for x in xs if x.requires_grad]
    return made, pulled(outputs, by, seed)


def pulled(outputs, by, seed: int):
    """The gradients of outputs, for random cotangents; an output without a tape, or None, has none."""
    vs = [None if z is None else v for z, v in zip(outputs, directions(outputs, seed), strict=True)]
    live = [(z, v) for z, v in zip(outputs, vs, strict=True) if z is not None and z.requires_grad]
    if not live or not by:
        return [ts.zeros_like(x) for x in by]
    return ts.grad([z for z, _ in live], by, [v for _, v in live], zeros=True)


def gradient(f, xs, *, create_graph: bool = True):
    """The gradient of a function of all outputs that is not linear in any."""
    zs = floats(f(*xs))
    value = sum((ts.sum(ts.tanh(z)) * (i + 0.5) for i, z in enumerate(zs) if z.requires_grad), 0.0)
    by = [x for x in xs if x.requires_grad]
    if not by or not isinstance(value, ts.Tensor):
        return [ts.zeros_like(x) for x in by]
    return ts.grad(value, by, create_graph=create_graph, zeros=True)


def second(f, xs, seed: int, dropped: int):
    grads = gradient(f, xs)
    return grads, pulled(grads, [x for x in xs if x.requires_grad], seed)


def moving(f, xs):
    """f as a function of the arguments with a gradient, and those arguments without their tape."""
    places = [i for i, x in enumerate(xs) if x.requires_grad]

    def of(*parts):
        whole = [x.detach() for x in xs]
        for i, part in zip(places, parts, strict=True):
            whole[i] = part
        return floats(f(*whole))

    by = [xs[i].detach() for i in places]
    return of, by if floats(f(*xs)) else []


def forward(f, xs, seed: int, dropped: int):
    of, by = moving(f, xs)
    if not by:
        return f(*xs)
    return ts.jvp(of, by, directions(by, seed))


def forward_of_gradient(f, xs, seed: int, dropped: int):
    of, by = moving(f, xs)
    if not by:
        return f(*xs)

    def value(*parts):
        zs = of(*parts)
        return sum((ts.sum(ts.sin(z)) * (i + 0.5) for i, z in enumerate(zs)), 0.0 * ts.sum(parts[0]))

    return ts.hvp(value, by, directions(by, seed))


def gradient_of_forward(f, xs, seed: int, dropped: int):
    of, by = moving(f, xs)
    if not by:
        return f(*xs)
    vs = directions(by, seed)
    dzs, pullback = ts.vjp(lambda *parts: ts.jvp(of, parts, vs)[1], *by)
    found = pullback(directions(dzs, seed + 1))
    return dzs, [ts.zeros_like(x) if g is None else g for g, x in zip(found, by, strict=True)]


def values(f, xs, seed: int, dropped: int):
    return f(*xs)


WAYS = {
    "numpy": values,
    "first": first,
    "second": second,
    "jvp": forward,
    "jvp of grad": forward_of_gradient,
    "grad of jvp": gradient_of_forward,
}


def results(program: Program, way, loop, arrays, seed: int, active: int, dropped: int, names=None):
    """The tree of Tensors of a program run in one way, and the Tensors that it was given."""
    f = program.function(names)
    xs = tensors(program, arrays, active)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = way(partial(f, loop), xs, seed, dropped)
    return made, xs


@dataclass(frozen=True)
class Case:
    """A program, and how it is run; `active` and `dropped` are bits: see `tensors` and `first`."""

    program: Program
    mode: str
    seed: int
    active: int
    dropped: int

    def check(self) -> str:
        try:
            return check(self.program, self.mode, self.seed, self.active, self.dropped)
        except WrongError as error:
            raise WrongError(f"{error}\n{self}") from error

    def __repr__(self) -> str:
        how = f"# mode {self.mode}, seed {self.seed}, active {self.active}, dropped {self.dropped}"
        return f"{self.program}\n{how}"


def drawn(choices: Choices, must: str | None = None, mode: str | None = None) -> Case:
    """A random program, and a way to run it."""
    mode = mode or choices.one_of(MODES)
    active, dropped = choices.one_of([-1, -1, 1, 2, 5, 0]), choices.one_of([0, 0, 1, 2, 5])
    seed = choices.below(1000)
    return Case(written(choices, must, smooth=mode.startswith("slope")), mode, seed, active, dropped)


def try_one(choices: Choices, must: str | None = None, mode: str | None = None) -> str:
    """WrongError for a random program in which scan is not the loop; else what was seen."""
    return drawn(choices, must, mode).check()


def check(program: Program, mode: str, seed: int, active: int = -1, dropped: int = 0) -> str:
    """WrongError if scan is not the loop; else a word about what was seen."""
    if mode in ("slope", "slope2"):
        return slopes(program, mode, seed, active)
    if mode == "numpy" and not program.plain:
        return "not for NumPy"
    run = partial(results, program, WAYS[mode], seed=seed, active=active, dropped=dropped)
    word = compared(program, mode, run, program.arrays())
    if word == "equal" and seed % 4 == 0:  # again, while the results of the first run are kept
        found, _ = run(by_scan, program.arrays())
        before = [np.array(host(z)) for z in tree.leaves(found)]
        word = compared(program, mode, run, program.arrays(1))
        for a, b in zip(before, tree.leaves(found), strict=True):
            if not np.array_equal(a, host(b), equal_nan=a.dtype.kind == "f"):
                raise WrongError(f"a result of scan was {a} and became {host(b)} in a later run")
    return word


def compared(program: Program, mode: str, run, arrays) -> str:
    """What a comparison of scan with the loop has shown."""
    try:
        expected, given = of_numpy(program, arrays) if mode == "numpy" else run(by_loop, arrays)
    except Exception as error:
        if mode == "numpy":
            return "not for NumPy"
        misused = (IndexError, ValueError, TypeError) if "twin" in program.text else (IndexError, ValueError)
        if program.refused or isinstance(error, misused) or "not on the tape" in str(error):
            expected = error
        else:
            raise WrongError(f"the loop: {type(error).__name__}: {error}") from error
    try:
        found, found_given = run(by_scan, arrays)
    except Exception as error:
        if program.refused and isinstance(error, TypeError) or "the step of a scan is recorded once" in str(error):
            return "refused"
        if isinstance(expected, Exception):
            return "both refused"
        raise WrongError(f"scan: {type(error).__name__}: {error}") from error
    if program.refused:
        raise WrongError("scan accepts what it has to refuse")
    if isinstance(expected, Exception):
        return "the loop refused"
    alike(found, expected)
    limit = tolerance(program, mode)
    apart = [i for i, (a, b, scale) in enumerate(pairs(found, expected)) if distance(a, b) > limit * scale]
    if not apart:
        if mode == "first":
            owned(found, found_given, expected, given)
        return "equal"
    spread = np.zeros(len(tree.leaves(expected)))
    for k in range(3):
        shaken_result, _ = run(by_loop, shaking(arrays, k), names=shaker(k))
        spread = np.maximum(spread, [distance(a, b) for a, b, _ in pairs(shaken_result, expected)])
    for i in apart:
        a, b, scale = pairs(found, expected)[i]
        if distance(a, b) > 20 * spread[i]:
            if mode != "numpy" and not np.isfinite(distance(a, b)) and not finite(run, arrays):
                return "not finite"
            raise WrongError(f"result {i}: scan {a}\nloop {b}\ndistance {distance(a, b):.2e} of {scale:.2e}")
    return "too sensitive"


def finite(run, arrays) -> bool:
    """Whether all numbers of the loop and of its derivatives are finite.

    If not, a cotangent of zeros, which scan has at the last step where the loop has none, may become NaN.
    """
    try:
        with ts.detect_anomaly():
            run(by_loop, arrays)
    except FloatingPointError:
        return False
    return True


def host(z):
    return z.numpy() if isinstance(z, ts.Tensor) else np.asarray(z)


def pairs(found, expected):
    """The arrays of two trees, and the size to which their distances are compared."""
    a, b = ([host(z) for z in tree.leaves(t)] for t in (found, expected))
    finite = [np.abs(z[np.isfinite(z)], dtype="f8").max(initial=0) for z in b if z.dtype.kind == "f"]
    scale = max([1.0, *map(float, finite)])
    return [(x, y, scale) for x, y in zip(a, b, strict=True)]


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference of two arrays; infinite if one is NaN or infinite where the other is not."""
    if a.dtype.kind != "f":
        return 0.0 if np.array_equal(a, b) else math.inf
    a, b = a.astype("f8"), b.astype("f8")
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(all="ignore"):
        apart = np.where(same, 0.0, np.abs(a - b))
    return float(np.where(np.isnan(apart), math.inf, apart).max(initial=0))


def alike(found, expected) -> None:
    """The trees have one form, and their leaves the same shapes and dtypes."""
    if tree.each(lambda z: 0, found) != tree.each(lambda z: 0, expected):
        raise WrongError(f"form: scan {tree.each(np.shape, found)}, loop {tree.each(np.shape, expected)}")
    for a, b in zip(tree.leaves(found), tree.leaves(expected), strict=True):
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            raise WrongError(f"scan gives {a.dtype}{a.shape}, the loop {b.dtype}{b.shape}")
        if on_tape(b) and not on_tape(a):
            raise WrongError("a result of scan is not on the tape")
        if on_tape(a) and a.dtype.kind != "f":
            raise WrongError("a result that is not a float is on the tape")


def on_tape(z) -> bool:
    return isinstance(z, ts.Tensor) and z.requires_grad


def owned(found, given, expected, of_loop) -> None:
    """`assign_` to a result changes no other result and no argument, except where it does in the loop."""
    ours, theirs = ([*tree.leaves(made), *xs] for made, xs in ((found, given), (expected, of_loop)))
    for i, z in enumerate(tree.leaves(found)):
        for j, other in enumerate(ours):
            shared = z is not other and np.may_share_memory(z._data, other._data)
            if not shared or np.may_share_memory(theirs[i]._data, theirs[j]._data) or z.dtype.kind == "b":
                continue
            before = other.numpy().copy()
            with contextlib.suppress(RuntimeError, TypeError):  # the result of an op on the tape
                z.assign_(z.numpy() + 1)
            if not np.array_equal(before, other.numpy(), equal_nan=before.dtype.kind == "f"):
                raise WrongError(f"assign_ to result {i} of scan changes {j}")


def tolerance(program: Program, mode: str) -> float:
    limit = max(TOLERANCE[k] for k in TOLERANCE if k == "f8" or k in program.dtypes)
    return limit if mode in ("first", "jvp", "numpy") else 10 * limit


def epsilon(dtype) -> float:
    return 8 * float(np.finfo(dtype).eps)


def shaking(arrays, k: int) -> list[np.ndarray]:
    """The arrays, with rounding errors."""
    return [shaken(a, np.random.default_rng([9, k, i])) for i, a in enumerate(arrays)]


def shaken(a: np.ndarray, rng) -> np.ndarray:
    if a.dtype.kind != "f":
        return a
    return a + (epsilon(a.dtype) * rng.uniform(-1, 1, a.shape) * np.abs(a)).astype(a.dtype)


class Shaking:
    """`tinygrad_seq`, with a rounding error added to every result of one of its functions."""

    def __init__(self, k: int) -> None:
        self.rng = np.random.default_rng([8, k])

    def __getattr__(self, name: str):
        real = getattr(ts, name)
        if name in ("grad", "jvp", "vjp", "hvp", "no_grad", "tensor", "Tensor") or not callable(real):
            return real

        def call(*args, **kwargs):
            return tree.each(self.shake, real(*args, **kwargs))

        return call

    def shake(self, z):
        if not isinstance(z, ts.Tensor) or z.dtype.kind != "f":
            return z
        return z * (1 + epsilon(z.dtype) * self.rng.uniform(-1, 1, z.shape)).astype(z.dtype)


def shaker(k: int) -> dict:
    return {"ts": Shaking(k)}


# --- derivatives against differences --------------------------------------------------------------------


def slopes(program: Program, mode: str, seed: int, active: int) -> str:
    """Derivatives of scan against differences of the Python loop, for two steps that have to agree."""
    if program.refused or not program.honest or not set(program.dtypes) <= {"f8", "i8", "?"} or not program.given:
        return "not smooth"
    if any(g.even for g in program.given):  # ties, and kinks
        return "not smooth"
    arrays = program.arrays()
    by = [i for i, g in enumerate(program.given) if g.gradient and active >> i & 1]
    if not by:
        return "not smooth"
    vs = dict(zip(by, directions([arrays[i] for i in by], seed), strict=True))
    f = program.function()

    def at(t: float, loop):
        xs = tensors(program, [a + t * vs[i] if i in vs else a for i, a in enumerate(arrays)], active)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if mode == "slope":
                made = floats(f(loop, *xs))
            else:
                made = gradient(partial(f, loop), xs, create_graph=False)
        return np.concatenate([np.zeros(0), *(host(z).ravel() for z in made)])

    quotients = []
    for h in (1e-3, 2.5e-4):
        try:
            points = [at(k * h, by_loop) for k in (-2, -1, 1, 2)]
        except Exception:
            return "the loop refused"
        quotients.append((points[0] - 8 * points[1] + 8 * points[2] - points[3]) / (12 * h))
    if not quotients[0].size:
        return "not smooth"
    scale = 1 + np.abs(quotients[0]).max(initial=0)
    if not np.abs(quotients[0] - quotients[1]).max(initial=0) < 1e-7 * scale:
        return "not smooth"
    xs = tensors(program, arrays, active)
    moved = [vs[i] for i in by]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            of, primals = moving(partial(f, by_scan), xs)
            if not primals:
                return "not smooth"
            if mode == "slope":
                derivatives = ts.jvp(of, primals, moved)[1]
                weights = directions(derivatives, seed + 1)
                back = pulled(floats(f(by_scan, *xs)), [x for x in xs if x.requires_grad], seed + 1)
                total = sum(float(np.sum(host(g) * v)) for g, v in zip(back, moved, strict=True))
                wanted = float(np.sum(quotients[1] * np.concatenate([np.zeros(0), *(w.ravel() for w in weights)])))
                if not abs(total - wanted) < 1e-5 * scale * (1 + quotients[1].size):
                    raise WrongError(f"gradient {total}, differences {wanted}")
            else:

                def grads(*parts):
                    zs = of(*parts)
                    return sum((ts.sum(ts.tanh(z)) * (i + 0.5) for i, z in enumerate(zs)), 0.0 * ts.sum(parts[0]))

                derivatives = ts.hvp(grads, primals, moved)
        except WrongError:
            raise
        except Exception as error:
            if "the step of a scan is recorded once" in str(error):
                return "refused"
            raise WrongError(f"scan: {type(error).__name__}: {error}") from error
    found = np.concatenate([np.zeros(0), *(host(z).ravel() for z in tree.leaves(derivatives))])
    apart = np.abs(found - quotients[1]).max(initial=0)
    if not apart < 1e-5 * scale:
        raise WrongError(f"{mode}: derivative {found}\ndifferences {quotients[1]}\napart {apart:.2e}")
    return "equal"
