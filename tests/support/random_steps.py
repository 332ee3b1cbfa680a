"""Random steps of a loop, built from the registry of primitives, and their comparison with the unrolled loop.

A step is a list of calls. Each call is drawn as in the laws, from the signature or the examples of a primitive,
so that a new primitive needs no test code. Its arguments are known values (carries, inputs, captured weights,
earlier results), fitted to the shape and the domain that the primitive needs. An argument that has grown goes
through tanh first, so that rounding errors do not grow either.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import tree
from tinygrad_seq.engine.primitive import PRIMITIVES, Primitive
from tinygrad_seq.scan import scan, unrolled
from tinygrad_seq.testing.differences import noise
from tinygrad_seq.testing.strategies import (
    carries_gradient,
    differentiable,
    families,
    interval,
    lawful,
    shapes_of,
)

TOLERANCE = 1e-12  # relative to the largest number that is compared
SHAPES = [(2, 3), (), (3,), (2,), (1, 3), (3, 1), (2, 1, 3), (0,), (2, 0)]
TAME = {  # ops whose values are no larger than their arguments
    "abs", "broadcast_to", "clip", "concatenate", "cos", "getitem", "max", "maximum", "min", "minimum",
    "negative", "ones_like", "pad", "relu", "reshape", "roll", "sigmoid", "sign", "sin", "softmax",
    "split", "stack", "stop_gradient", "take_along_axis", "tanh", "transpose", "tril", "triu", "unstack",
    "where", "zeros_like",
}  # fmt: skip
STEEP = {  # ops whose values can grow without bound; those of all other ops grow a little
    "exp", "expm1", "power", "divide", "multiply", "matmul", "contract", "safe_product", "solve",
    "square", "cast",
}  # fmt: skip


# --- scan, and the unrolled loop ----------------------------------------------------------------------


def leaf(array) -> ts.Tensor:
    """A tensor that requires a gradient; a constant for integers and booleans."""
    array = np.asarray(array)
    return ts.tensor(array, requires_grad=array.dtype.kind == "f")


def run(loop: Callable, step: Callable, init, xs=None, by=(), *, seed: int = 0, dropped: int = 0, **how):
    """The result of a loop as a tree of arrays; which parts are on the tape; the gradients of `by`.

    The cotangents are random. The set bits of `dropped` are the outputs without a cotangent.
    """
    with np.errstate(all="ignore"):
        made = loop(step, init, xs, **how)
        outputs, weights = [], []
        for i, z in enumerate(tree.leaves(made)):
            if z.requires_grad and not dropped >> i & 1:
                outputs.append(z)
                weights.append(noise(np.random.default_rng([seed, i]), z.shape, z.dtype))
        grads = map(ts.zeros_like, by)
        if outputs and by:  # retained, because two loops may share the tape before them
            grads = ts.grad(outputs, list(by), weights, retain_graph=True, zeros=True)
        grads = [g.numpy() for g in grads]
    return tree.each(lambda z: z.numpy(), made), [z.requires_grad for z in tree.leaves(made)], grads


def agree(found, expected, tolerance: float = TOLERANCE) -> None:
    """Two trees of arrays have the same form, shapes, dtypes, and (up to rounding) numbers."""
    pairs = list(zip(tree.matching(expected, found), tree.leaves(expected), strict=True))
    assert tree.each(type, found) == tree.each(type, expected)
    finite = [np.abs(b[np.isfinite(b)]).max(initial=0) for _, b in pairs]
    scale = max([1.0, *map(float, finite)])
    for a, b in pairs:
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert_allclose(a, b, rtol=0, atol=tolerance * scale)


def is_the_loop(
    step: Callable,
    init,
    xs=None,
    by=(),
    *,
    loop: Callable = scan,
    tolerance: float = TOLERANCE,
    **how,
) -> None:
    """scan equals the unrolled loop: in the form of its result, all values, and all gradients of `by`."""
    values, on_tape, grads = run(unrolled, step, init, xs, by, **how)
    found, on_its_tape, found_grads = run(loop, step, init, xs, by, **how)
    agree(found, values, tolerance)
    assert all(on >= needed for on, needed in zip(on_its_tape, on_tape, strict=True))
    agree(found_grads, grads, tolerance)


# --- random steps -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Statement:
    """A call of a primitive on values of the step. For every argument: its shape (or the array itself), the
    value that it is computed from (`picks`), and the way in which that is fitted (`forms`)."""

    op: Primitive
    meta: dict[str, object]
    parts: tuple
    picks: tuple[int, ...]
    forms: tuple[int, ...]

    def __repr__(self) -> str:
        given = [
            f"{part if isinstance(part, tuple) else part.tolist()} of {pick}, form {form}"
            for part, pick, form in zip(self.parts, self.picks, self.forms, strict=True)
        ]
        return f"{self.op.name}({'; '.join([*given, *(f'{k}={v!r}' for k, v in self.meta.items())])})"


@dataclass(frozen=True)
class RandomLoop:
    """A loop to run: the shapes of its arguments, the calls of its step, the sources of carries and outputs.

    carries  for each carry its shape, and (kind, pick) of its value after a step
    counter  "counted" or "kept" for an additional integer carry, None for no such carry
    active   bits: the arguments that require a gradient
    """

    carries: tuple
    counter: str | None
    inputs: tuple
    weights: tuple
    statements: tuple[Statement, ...]
    outputs: tuple[int, ...]
    steps: int
    reverse: bool
    active: int
    seed: int

    def given(self) -> tuple:
        """New tensors: the carry before the first step, the inputs, the weights; and those with a gradient."""
        rng = np.random.default_rng(self.seed)
        shapes = [shape for shape, *_ in self.carries]
        shapes += [(self.steps, *shape) for shape in self.inputs] + list(self.weights)
        tensors = [
            ts.tensor(noise(rng, shape), requires_grad=bool(self.active >> i & 1))
            for i, shape in enumerate(shapes)
        ]
        carry, rest = tensors[: len(self.carries)], tensors[len(self.carries) :]
        xs, weights = rest[: len(self.inputs)], rest[len(self.inputs) :]
        n = ts.tensor(np.array(int(rng.integers(0, 3))))
        return (
            (*carry, n) if self.counter else tuple(carry),
            tuple(xs),
            weights,
            [t for t in tensors if t.requires_grad],
        )

    def step(self, weights: list[ts.Tensor]) -> Callable:
        def step(carry, x):
            pool = [(v, 0) for v in [*carry, *(x or ()), *weights]]  # values, and how much they have grown
            for call in self.statements:
                pool += called(call, pool)
            after = [
                updated(kind, now, *pool[-1 - pick % len(pool)])
                for (_, kind, pick), now in zip(self.carries, carry, strict=False)
            ]
            if self.counter:
                n = carry[-1]
                after.append(n + 1 if self.counter == "counted" else n)
            ys = tuple(pool[-1 - pick % len(pool)][0] for pick in self.outputs)
            return tuple(after), ys or None

        return step

    def how(self) -> dict:
        return {"length": self.steps, "reverse": self.reverse}


def updated(kind: str, now, value, growth: int):
    """The value of a carry after a step."""
    if kind == "kept":
        return now
    fit = fitted(as_float(value), now.shape, 0)
    return fit if kind == "raw" and not growth else ts.tanh(fit)


def called(call: Statement, pool: list) -> list:
    """The results of a call on values of the pool, and how much they have grown."""
    chosen = [pool[-1 - pick % len(pool)] for pick in call.picks]
    args, growths = [], [0]
    for i, ((v, growth), part, form) in enumerate(zip(chosen, call.parts, call.forms, strict=True)):
        calm = growth < 2 and call.op.name not in STEEP
        args.append(argument(call.op, i, part, v, form, calm))
        growths.append(growth if calm else 0)
    if not any(isinstance(x, ts.Tensor) for x in args):
        args[0] = ts.tensor(args[0])
    made = call.op.function(*args, **call.meta)
    grown = max(growths) + (call.op.name not in TAME)
    return [(z, grown) for z in (made if call.op.many else [made])]


def argument(op: Primitive, i: int, part, v, form: int, calm: bool):
    """The i-th argument of a call, computed from the value v."""
    v = as_float(v)
    if isinstance(part, np.ndarray):
        if form % 2 or (op.name == "getitem" and part.dtype == bool):
            return part
        on = fitted(v, part.shape, form) > offsets(part.shape)
        return (on == part) if part.dtype == bool else part + 0 * ts.astype(on, part.dtype)
    if form == 4 and i and op.signature and not op.signature.inputs[i]:
        return 2 if i % 2 else 0.7
    x = fitted(v, part, form)
    if not carries_gradient(op, i):  # irregular offsets avoid ties
        return x > offsets(part) if differentiable(op) else x + offsets(part)
    if make := lawful(op, i):
        return make(ts.tanh(x))
    low, _ = interval(op, i)
    if math.isfinite(low):
        return low + 1.3 + ts.tanh(x)
    return x if calm else ts.tanh(x)


def fitted(x, shape: tuple[int, ...], form: int):
    """x in another shape: reshaped, its mean repeated, or its elements repeated."""
    if x.shape == shape:
        return x
    if x.size == 0:
        return ts.broadcast_to(ts.sum(x), shape)
    if form % 3 == 0 and x.size == math.prod(shape):
        return ts.reshape(x, shape)
    if form % 3 == 1:
        return ts.broadcast_to(ts.mean(x), shape)
    return ts.reshape(ts.reshape(x, -1)[np.resize(np.arange(x.size), math.prod(shape))], shape)


def offsets(shape: tuple[int, ...]) -> np.ndarray:
    """Irregular numbers between 0.1 and 0.5."""
    return 0.1 + 0.4 * (np.arange(math.prod(shape)) * math.sqrt(2) % 1).reshape(shape)


def as_float(v):
    return v if v.dtype.kind == "f" else ts.astype(v, "float64")


PICKS = st.integers(0, 11)


@st.composite
def statements(draw: st.DrawFn, names: list[str]) -> Statement:
    op = PRIMITIVES[draw(st.sampled_from(names))]
    example = draw(st.sampled_from(families(op)))
    parts = tuple(draw(shapes_of(op, example)))
    meta = dict(example.meta) if example else {}
    picks = draw(st.tuples(*[PICKS] * len(parts)))
    return Statement(op, meta, parts, picks, draw(st.tuples(*[st.integers(0, 5)] * len(parts))))


@st.composite
def random_loops(draw: st.DrawFn, must: str | None = None, smooth: bool = False) -> RandomLoop:
    """A loop of up to six calls, one of them of the primitive `must`; if `smooth`, all are differentiable."""
    names = sorted(name for name, op in PRIMITIVES.items() if not smooth or differentiable(op))
    shape = st.sampled_from(SHAPES)
    update = st.tuples(shape, st.sampled_from(["tanh", "raw", "kept"]), PICKS)
    body = draw(st.lists(statements(names), min_size=must is None, max_size=5))
    if must:
        body.insert(draw(st.integers(0, len(body))), draw(statements([must])))
    return RandomLoop(
        carries=tuple(draw(st.lists(update, min_size=1, max_size=3))),
        counter=draw(st.sampled_from([None, "counted", "kept"])),
        inputs=tuple(draw(st.lists(shape, max_size=2))),
        weights=tuple(draw(st.lists(shape, max_size=2))),
        statements=tuple(body),
        outputs=tuple(draw(st.lists(PICKS, max_size=3))),
        steps=draw(st.integers(1, 4)),
        reverse=draw(st.booleans()),
        active=draw(st.sampled_from([127, 127, 1, 2, 4, 8, 96, 0])),
        seed=draw(st.integers(0, 2**32 - 1)),
    )
