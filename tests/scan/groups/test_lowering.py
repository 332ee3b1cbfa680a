"""What every op becomes: the interpreter computes what NumPy does, for all arguments and edges of the ops."""

import itertools
from collections import Counter
from functools import partial

import numpy as np
import pytest
from drawing import drawn
from loop_groups import UNSUPPORTED, Loop, check, check_both, check_step, of_step, results
from results import assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq.engine.primitive import PRIMITIVES
from tinygrad_seq.nn.indices import WITHIN
from tinygrad_seq.scan.groups.assignments import UnsupportedError
from tinygrad_seq.scan.groups.lowering import number_of
from tinygrad_seq.scan.groups.ways import assigned
from tinygrad_seq.scan.program import Operation, Program, Spec

# --- every primitive ----------------------------------------------------------------------------------

PLACES = ("carry", "input", "constant")


def of_one_call(call, place):
    """A loop of two steps, each of which is one call; its arguments are constants, inputs, or carries."""
    arrays, count = call.arrays, len(call.arrays)
    made = call.op.forward(*arrays, **call.metadata())
    made = [np.asarray(z) for z in (made if call.op.many else [made])]
    arguments, outputs = tuple(range(count)), tuple(range(count, count + len(made)))
    meta = tuple(call.metadata()[p.name] for p in call.op.metadata)
    program = Program(
        values=tuple(Spec(x.shape, x.dtype) for x in (*arrays, *made)),
        operations=(Operation(call.op, arguments, meta, outputs),),
        carries=tuple((v, v) for v in arguments) if place == "carry" else (),
        inputs=arguments if place == "input" else (),
        constants=arguments if place == "constant" else (),
        numbers={},
        outputs=outputs,
        totals=tuple(v for v, z in zip(outputs, made, strict=True) if z.dtype.kind == "f"),
        names={v: f"v{v}" for v in range(count + len(made))},
    )
    return Loop(program, outputs, [np.stack([x] * 2) if place == "input" else x for x in arrays], 2)


@pytest.mark.parametrize("op", list(PRIMITIVES.values()), ids=lambda op: op.name)
def test_every_primitive(op):
    """From every place of its arguments, with the values that the laws of primitives draw."""
    seen = Counter()
    for call in drawn(op, 1):
        for place in PLACES:
            try:
                check(of_one_call(call, place))
                seen["groups"] += 1
            except UnsupportedError as error:
                seen[str(error)] += 1
    masks = {"indexing by a mask"} if op.name in ("getitem", "scatter") else set()
    assert set(seen) <= ({op.name} if op.name in UNSUPPORTED else {"groups"} | masks)


# --- what is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [3, -4])
def test_an_index_out_of_range_is_found(wrong):
    """Also at a later step."""
    loop = of_step(lambda h, i: (h + h[i], None), np.ones(3), np.array([0, 2, -3]))
    check(loop)
    loop.arrays[loop.program.arguments.index(loop.program.inputs[0])][2] = wrong
    with pytest.raises(IndexError, match="out of bounds"):
        results(loop)


@pytest.mark.parametrize("dtype", ["u1", "i4", "i8", "u8"])
@pytest.mark.parametrize(("ignore", "wrong"), [(None, [-1, 3, -3]), (7, [-1, 3, 8]), (-1, [-2, 3, 7])])
def test_checked_indices(dtype, ignore, wrong):
    """Those of `nn.Embedding` and of losses: from 0 to 2, or equal to `ignore`; none counts from the end."""
    right = [0, 2, 1 if ignore is None or (ignore < 0 and dtype[0] == "u") else ignore]
    checked = partial(WITHIN.function, count=3, name="ids", ignore=ignore)
    loop = of_step(lambda h, i: (h, checked(i)), np.ones(2), np.array([right] * 2).astype(dtype))
    check(loop)
    rows = loop.arrays[loop.program.arguments.index(loop.program.inputs[0])]
    for i in wrong:
        rows[1, 2] = np.array(i).astype(dtype)
        with pytest.raises(IndexError, match="out of bounds"):
            results(loop)


def test_an_op_without_an_expression_is_unsupported():
    """Also one that only a composition uses."""
    for step, op in ((lambda h, x: (ts.sin(h), None), "sin"), (lambda h, x: (ts.softmax(h), None), "exp")):
        loop = of_step(step, np.ones((2, 3)), np.ones(2))
        with pytest.raises(UnsupportedError, match=op):
            assigned(loop.program, loop.kept, lambda found, *_, op=op: found is None or found.name != op)


def test_an_op_without_a_form_is_unsupported():
    loop = of_step(lambda h, x: (ts.sort(h), None), np.ones((2, 3)), np.ones(2))
    with pytest.raises(UnsupportedError, match="sort"):
        check(loop)


# --- one step after the other ---------------------------------------------------------------------------


def integer(h):
    return ts.astype(ts.where(abs(h) < 9, 3 * h, 1.0), "i8")


ALONE = [
    ("several axes roll", lambda h: ts.roll(h, (1, -2, 1), (0, 1, 0))),
    ("margins differ", lambda h: ts.pad(h, ((1, 2), (0, 3)), constant_values=((1, 2), (3, 4)))[1:4, :5]),
    ("a product of no columns", lambda h: h[:, :0] @ h[:0]),
    ("a sum of nothing", lambda h: h * 0 + h[:0].sum(axis=0)),
    ("a logarithm of nothing", lambda h: ts.tanh(ts.logsumexp(h[:0], axis=0)) + h),
    ("zeros in a product", lambda h: ts.zeros_like(h) @ ts.ones_like(h, shape=(5, 5)) + h),
    ("ones in a product of matrices", lambda h: h + (ts.ones_like(h, shape=(4, 3)) @ ts.tanh(h))[:3]),
    ("truth values in a product", lambda h: h + ts.astype((h > 0) @ (h.T > 1) @ (h > 0), h.dtype)),
    (
        "whole numbers in a product",
        lambda h: h + ts.astype(ts.astype(h.T, "i8") @ ts.astype(h, "i8"), h.dtype)[:3],
    ),
    ("a norm that overflows", lambda h: h / ts.norm(h * 1e200, axis=1, keepdims=True)),
    ("arrays apart", lambda h: h + h[[[0], [2]], None, [4, 3, 0]].sum()),
    ("an ellipsis between neighbours", lambda h: h + h[None][:, [0, 1], ..., [2, 3]].sum(axis=0).T),
    ("two parts of a computed value", lambda h: (lambda y: y[:, :1] * y[:, 4:])(2 * h)),
    (
        "additions among sums",
        lambda h: (lambda y: (y, ts.scatter_add(y, [2, 0, 2], 2 * h)))(h + h.sum(axis=0)),
    ),
    ("the gradient of a reversal", lambda h: h[::-1]),
    ("a square and its transpose", lambda h: (lambda y: y + y.T)(ts.tanh(h[:, :3]))),
    ("additions at indices", lambda h: ts.scatter_add(h, [2, 0, 2], 2 * h) + ts.scatter_add(h, [1, 1, 1], h)),
    ("the least of truth values", lambda h: ts.astype(ts.min(h > -9, axis=0), h.dtype)),
    ("the gradient of a view", lambda h: h[::-1, ::-2]),
    ("an index of a computed value", lambda h: (h * 2)[:, [3]]),
    ("a sum for no elements", lambda h: h[:, :0] + h.sum(axis=1, keepdims=True)),
    ("the last index of a vector", lambda h: h[ts.argmax(h, axis=0) - 3][:3]),
]
EDGES = {"nan": np.nan, "infinite": np.inf, "zero": 0.0, "one": 1.5}


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("f", [pytest.param(f, id=name) for name, f in ALONE])
def test_a_step(f, edge):
    h = np.random.default_rng(0).normal(size=(3, 5))
    h[1, 2] = EDGES[edge]
    loop = of_step(lambda h, x: (h * 0.5, f(h)), h, np.ones(2))
    check(loop)  # without the values that a backward loop reads
    assert check_both(loop) == ["groups", "groups"]


def test_a_long_running_sum():
    """In float32 it has one rounding error, not the sum of them all."""
    xs = np.random.default_rng(0).random((1, 30_000), np.float32)
    loop = of_step(lambda h, x: (h, ts.cumsum(x, axis=0)), np.ones(1), xs)
    _, (sums,), _ = results(loop)
    right = np.cumsum(xs, axis=1, dtype=np.float64)
    assert np.all(abs(sums - right) <= np.finfo(np.float32).eps * right)


REDUCTIONS = {
    "softmax": ts.softmax, "log_softmax": ts.log_softmax, "logsumexp": ts.logsumexp, "norm": ts.norm,
    "max": ts.max, "min": ts.min, "argmax": ts.argmax, "argmin": ts.argmin, "cumsum": ts.cumsum, "sum": ts.sum,
    "prod": ts.prod, "cumprod": ts.cumprod,
}  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("rows", list(itertools.product([np.nan, np.inf, -np.inf, 0.0, 2.0], repeat=2)))
def test_what_is_not_finite(name, rows):
    """For every pair of such numbers in a row, alone and with others."""
    x = np.array([[*rows, 1.0], [1.0, *rows], [*rows, rows[0]]])
    check_step(lambda h, x: (h, REDUCTIONS[name](x, axis=1)), np.ones(1), x[None])


@pytest.mark.parametrize("x", [0.0, -0.0, np.nan, 7, True])
def test_arrays_that_are_one_number(x):
    found = number_of(np.full((2, 3), x))
    assert_array_equal(found, x)
    assert np.signbit(found) == np.signbit(x)
    assert number_of(x) is x
    assert number_of(np.full((2, 0), x)) == 0


@pytest.mark.parametrize("xs", [[1.0, 2.0], [0.0, -0.0], [np.nan, 0.0]])
def test_other_arrays_are_no_number(xs):
    with pytest.raises(UnsupportedError, match="an array that a rule makes"):
        number_of(np.array(xs))
