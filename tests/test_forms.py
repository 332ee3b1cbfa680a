"""Wherever NumPy accepts an argument form, so do we: the same line of code, once in NumPy and once in ours.

Each line is evaluated three times: NumPy's functions on arrays, ours on arrays, ours on Tensors. Shape, dtype
and values must agree, and what comes of a float Tensor must have the right gradient, whatever the form (a
rule reads its metadata too). What NumPy accepts and we do not stands in a table of its own, with the words of
the error that says so.
"""

import math

import numpy as np
import pytest

import tinygrad_seq as ts
from tinygrad_seq.primitive import FUNCTIONS
from tinygrad_seq.testing import check_grad

rng = np.random.default_rng(0)
ARRAYS = {
    "S": rng.uniform(0.5, 1.5, (2, 3, 4)),
    "M": rng.uniform(0.5, 1.5, (3, 4)),
    "Q": rng.uniform(0.5, 1.5, (3, 3)) + 4 * np.eye(3),
    "V": rng.uniform(0.5, 1.5, 4),
    "ROW": rng.uniform(0.5, 1.5, (1, 3, 1)),
    "ONE": np.array(1.5),
    "HALF": np.arange(1, 4, dtype=np.float16),
    "INTS": np.array([[3, 1, 2], [1, 2, 3]]),
    "BYTES": np.arange(1, 4, dtype=np.int8),
    "FLAGS": np.array([True, False, True]),
    "NONE": np.zeros((2, 0)),
}
WORDS = {"np": np, "inf": math.inf, "i": np.int64, "a": np.array, "L": [2, 0, 1], "MASK": ARRAYS["M"] > 1.0}

INTEGERS = ("0", "-1", "i(1)", "a(1)")  # of any kind
AXES = (*INTEGERS, "None", "(0, 1)", "(0, -1)", "(i(0),)", "()", "(2, 0, 1)")


def every(name, axes, arrays="S", more=""):
    return [f"{name}(S, {axis}{more})" for axis in axes] + [f"{name}(S, axis={axis}{more})" for axis in axes]


KINDS = ("INTS", "BYTES", "FLAGS", "HALF", "ONE")
FORMS = [
    *(line for f in ("sum", "prod", "mean", "var", "std", "max", "min") for line in every(f, AXES)),
    *(line for f in ("sum", "prod", "mean", "var", "max") for line in every(f, AXES, more=", keepdims=True")),
    *(line for f in ("argmax", "argmin", "cumsum", "sort", "argsort") for line in every(f, (*INTEGERS, "None"))),
    *(f"{f}({x})" for f in ("sum", "prod", "mean", "std", "max", "cumsum", "flip", "square", "sqrt", "exp", "log1p",
                            "sin", "abs", "sign", "isnan", "logical_not") for x in KINDS),
    *(f"{f}({x})" for f in ("sort", "argsort", "argmax", "argmin") for x in KINDS[:-1]),
    "sum(ONE, 0)", "sum(ONE, -1)", "prod(ONE, 0)", "max(ONE, -1, keepdims=True)", "argmax(INTS, 1, keepdims=True)",
    "sum(NONE)", "prod(NONE, 1)", "cumsum(NONE, 1)", "sum(NONE, 0)",
    "var(S, 1, ddof=1)", "var(S, ddof=i(1))", "std(S, (0, 2), ddof=1.5)",
    *(f"reshape(S, {s})" for s in ("-1", "24", "(2, -1)", "[4, 6]", "(i(4), 6)", "(a(4), a(6))",
                                   "a([4, 6])", "i(24)", "(2, 3, 4, 1)")),
    "S.reshape(4, 6)", "S.reshape(i(4), -1)", "S.reshape([4, -1])", "reshape(ONE, ())", "reshape(S, shape=(6, 4))",
    *(f"transpose(S, {s})" for s in ("None", "(1, 0, 2)", "[1, 0, 2]", "(-1, 0, 1)", "a([2, 0, 1])", "(i(1), 0, 2)")),
    "S.transpose(2, 0, -2)", "S.transpose([2, 0, 1])", "transpose(S, axes=(2, 0, 1))", "S.T", "S.mT", "ONE.T",
    "swapaxes(S, -1, i(0))", "swapaxes(S, a(2), 0)", "S.swapaxes(0, 1)",
    *(f"moveaxis(S, {s})" for s in ("0, -1", "(0, 1), (1, 0)", "[0, 1], [-1, -2]", "i(0), 1", "a(0), a(1)", "0, (1,)")),
    *(f"broadcast_to(V, {s})" for s in ("4", "(3, 4)", "[3, 4]", "(i(3), 4)", "a([3, 4])", "(0, 4)", "i(4)")),
    "broadcast_to(ONE, 3)", "broadcast_to(ONE, ())", "broadcast_to(V, shape=(2, 4))",
    *(f"expand_dims(M, {s})" for s in (*INTEGERS, "(0, 1)", "[0, 1]", "(0, -1)", "a([0, 2])", "()")),
    *(f"squeeze(ROW, {s})" for s in ("0", "-1", "i(0)", "a(0)", "None", "(0, -1)", "()")), "squeeze(ROW)",
    *(f"{f}([S, S], {s})" for f in ("concatenate", "stack") for s in INTEGERS), "concatenate((S, S), axis=None)",
    "concatenate(S)", "stack(S, 1)", "stack((V, V), axis=-1)", "stack([ONE, 2.0])", "concatenate([V, [1, 2]])",
    "concatenate([V, np.arange(2)])", "concatenate([HALF, np.ones(2, np.float32)])", "concatenate([ONE, ONE], None)",
    *(f"split(S, {s})" for s in ("2", "[1]", "(1, 2), 1", "a([1, 3]), -1", "i(2), i(2)", "[], 1", "[3, 1], 2", "[-1], 2")),
    "unstack(S)", "unstack(S, axis=-1)", "unstack(S, axis=i(1))",
    *(f"flip(S, {s})" for s in (*INTEGERS, "None", "(0, 2)", "(-1, 0)", "()")),
    *(f"roll(S, {s})" for s in ("1", "-1, 0", "(1, 2), (0, 1)", "[1, 2], [0, 1]", "i(1), i(0)", "a(1), a(0)", "1, (0, 1)",
                                "(1, 2), 0", "a([1, 2]), (0, -1)", "(1, 2)", "7", "(1, 1), (0, 0)")),
    *(f"pad(S, {s})" for s in ("1", "(1, 2)", "((1, 2),)", "((1, 2), (0, 1), (2, 0))", "[[1, 2], [0, 1], [2, 0]]", "i(1)",
                               "a(1)", "(2,)", "[1]", "((1,), (2,), (0,))", "a([[1, 2], [0, 1], [2, 0]])")),
    *(f"pad(S, 1, constant_values={s})" for s in ("1", "1.5", "i(2)", "a(2.5)", "(1, 2)", "((1, 2), (3, 4), (5, 6))")),
    'pad(INTS, 1, "constant", constant_values=1.5)', 'pad(M, 1, mode="constant")',
    *(f"repeat(S, {s})" for s in ("2", "2, 0", "[1, 2], 0", "a([1, 2]), 0", "i(2), -1", "a(2), 1", "[2], 1", "0, 0",
                                  "[0, 1, 2], axis=i(1)")),
    "S.repeat(2, 1)", "repeat(ONE, 3)", "repeat(ONE, 2, 0)", "repeat(INTS, [1, 2], axis=0)",
    *(f"tile(S, {s})" for s in ("2", "(2,)", "(1, 2)", "[2, 1]", "(2, 1, 1, 2)", "i(2)", "a(2)", "a([1, 2])", "(0,)", "()")),
    "tile(ONE, (2, 3))", "tile(NONE, (2, 2))",
    *(f"clip({x}, {s})" for x in ("M", "INTS", "BYTES", "HALF") for s in ("0, 1", "1, None", "None, 1", "a(0), i(2)")),
    "clip(BYTES, -1000, 2)", "clip(BYTES, 2, 1000)", "clip(M, min=0.7)", "clip(M, a_max=1.2)", "clip(M, V - 0.2, 1.2)",
    "M.clip(0.7, max=1.2)", "clip(INTS, 0.5, 2.5)", "clip(M, [0.7] * 4, np.float32(1.2))", "clip(FLAGS, 1, None)",
    *(f"take(S, {s})" for s in ("0", "-1", "i(1)", "a(1)", "[0, 1]", "(0, 1)", "a([[0, 1], [1, 0]])", "[0, 1], 0", "[]",
                                "a([0], np.uint8), -1", "[0, 2], axis=i(1)", "0, a(1)", "[], 0")),
    "M.take([0, 3], axis=1)", "take_along_axis(M, a([[0], [3], [1]]), -1)",
    "take_along_axis(M, a([L]).T, i(1))", "take_along_axis(M, a(L), None)",
    *(f"S[{k}]" for k in ("0", "-1", "i(1)", "a(1)", "None", "...", "::-1", "i(0):i(1)", "0, 1", "0, 1, 2", "..., 0",
                          "None, 0, None", "[0, 1]", "[1, 0, 1]", "0, [1, 2]", "[0, 1], [1, 2]", "[0, 1], :, [1, 2]",
                          ":, [0, 2], [1, 1]", "0, :, [1, 2]", "a([[1], [0]])", "a([True, False])", "[True, False]",
                          ":, [True, False, True]", "0, a([True, False, True])", "[]", "a([], int)", "()", "5:9",
                          "a([0, 1], np.uint8)", "((0, 1), (1, 2))", "[[0, 1], [1, 0]]", "range(2)", ":, MASK", "1, MASK",
                          "a([True, False]), [1]", "i(0), a(1), np.uint8(2)", "True", "np.True_", "..., [3, 3], None")),
    *(f"{f}(S, {k})" for f in ("tril", "triu") for k in ("0", "-1", "i(1)", "a(1)", "k=1")),
    *(f"norm(S, axis={s})" for s in ("None", "0", "-1", "i(1)", "a(1)", "(0, 1)", "(0, -1)")),
    *(f"norm(M, {s})" for s in ("1, 0", "inf, -1", "-inf, 1", "2, i(0)", "None", '"fro"', '"fro", (1, 0)', "np.float64(1), 0")),
    "norm(V, 1)", "norm(V, inf)", "norm(INTS[0], 1)", "norm(INTS[0], inf)", "norm(INTS)", "norm(S, axis=1, keepdims=True)",
    "norm(S, keepdims=True)", "norm(ONE)", "norm(HALF)",
    "solve(Q, V[:3])", "solve(Q, M)", "solve(Q, [1.0, 2.0, 3.0])", "solve(a([Q, Q]), V[:3])", "solve(Q, a([M, M]))",
    "solve(INTS[:, :2], [1, 2])", "cholesky(a([[2.0, 1.0], [1.0, 2.0]]))", "cholesky(Q @ Q.T)",
    *(f'einsum("{s}", Q)' for s in ("ii", "ii->i", "ij->", "ji", "...", "...j->...", "ij->ji", "i...->...", " i j -> j i")),
    *(f'einsum("{s}", Q, M)' for s in ("ij,jk", "ij, jk -> ik", "ij,kl->i l", "ij...,jk...->ik...", "iJ,Jk", "ij,ik->kj")),
    'einsum("ij,j", Q, [1, 2, 3])', 'einsum("i->", a([100, 100, 100], np.int8))', 'einsum("i,i", BYTES, BYTES)',
    'einsum("i,i", FLAGS, FLAGS)', 'einsum(",i", 2.0, V)', 'einsum("i,i", INTS[0], V[:3])',
    *(f"outer(M, {s})" for s in ("V", "[1, 2]", "2.0", "M", "a(2)")), "outer(ONE, V)",
    *(f"tensordot(M, M, {s})" for s in ("2", "0", "(0, 0)", "([0], [0])", "([0, 1], [0, 1])", "((1, 0), (1, 0))", "(-1, -1)",
                                        "a([[0, 1], [0, 1]])", "[0, 0]", "[[0], [0]]")),
    "tensordot(Q, M, 1)", "tensordot(Q, M, i(1))", "tensordot(Q, M, axes=a(1))", "tensordot(Q, Q)",
    *(f"{f}(M, shape={s})" for f in ("zeros_like", "ones_like") for s in ("3", "(2, 3)", "[2, 3]", "i(3)", "a([2, 3])", "()")),
    *(f"where({c}, M, {y})" for c in ("MASK", "True", "1", "a([1, 0, 1, 0])", "[True, False, True, False]")
      for y in ("0", "0.0", "V", "[1, 2, 3, 4]")),
    *(f"{f}({x}, {y})" for f in ("add", "subtract", "multiply", "divide", "maximum", "minimum", "logaddexp", "arctan2",
                                 "equal", "less", "greater_equal", "not_equal")
      for x in ("M", "BYTES[:1]", "HALF[:1]") for y in ("2", "2.5", "i(2)", "np.float32(2.5)", "a(2)", "[1, 2, 3, 4]", "V")),
    *(f"M.astype({d})" for d in ("np.float32", '"float64"', '"f2"', "float", "int", "bool", 'np.dtype("i4")')),
    "M.sum(-1)", "M.mean((0, 1))", "M.max(axis=i(0))", "M.cumsum(1)", "M.argsort(0)", "M.var(1, ddof=1)", "M.std()", "M.prod(0)",
]  # fmt: skip


def evaluate(line, ours, names):
    functions = FUNCTIONS if ours else {f: getattr(np, f, getattr(np.linalg, f, None)) for f in FUNCTIONS}
    with np.errstate(all="ignore"):
        return eval(line, {**functions, **WORDS, **names})


def parts(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


@pytest.mark.parametrize("line", sorted(set(FORMS)))
def test_a_form_that_numpy_accepts(line):
    expected = parts(evaluate(line, False, ARRAYS))
    tensors = {name: ts.tensor(array) for name, array in ARRAYS.items()}
    if "a([Q, Q])" in line or "a([M, M])" in line:
        tensors.update(Q=ARRAYS["Q"], M=ARRAYS["M"])
    for names in (ARRAYS, tensors):
        found = parts(evaluate(line, True, names))
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            one = one.numpy() if isinstance(one, ts.Tensor) else one
            assert (np.shape(one), one.dtype) == (np.shape(other), other.dtype)
            tolerance = 1e-3 if one.dtype == np.float16 else 1e-7 if one.dtype == np.float32 else 1e-12
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=0)


DIFFERENTIATED = [
    line for line in sorted(set(FORMS))
    if any(name in line for name in ("S", "M", "Q", "V", "ONE")) and "astype" not in line and "a([" not in line
    and all(part.dtype == np.float64 for part in parts(evaluate(line, False, ARRAYS)))
]  # fmt: skip


@pytest.mark.parametrize("line", DIFFERENTIATED)
def test_its_gradient(line):
    """The backward pass understands the form as well."""
    used = [name for name in ("S", "M", "Q", "V", "ONE", "ROW") if name in line.replace("MASK", "").replace("ONES", "")]
    check_grad(
        lambda *xs: evaluate(line, True, {**ARRAYS, **dict(zip(used, xs, strict=True))}),
        *(ARRAYS[name] for name in used),
        order=1,
    )


REFUSED = {  # what NumPy accepts and we do not, and what the error says
    "sum(M, dtype=np.float32)": (TypeError, "sum has no argument dtype"),
    "mean(M, dtype=np.float32)": (TypeError, "mean has no argument dtype.*astype"),
    "sum(M, where=MASK)": (TypeError, "sum has no argument where"),
    "var(M, correction=1)": (TypeError, "correction is called ddof"),
    'sort(M, kind="stable")': (TypeError, "sort has no argument kind"),
    'reshape(M, -1, order="F")': (TypeError, "reshape has no argument order"),
    "concatenate([M, M], dtype=np.float32)": (TypeError, "concatenate has no argument dtype"),
    'take(M, [0], mode="clip")': (TypeError, "take has no argument mode"),
    "take(M, [True, False, True], 0)": (IndexError, "integers, not bool.*mask"),
    "take(M, 1.0)": (IndexError, "integers, not float64"),
    'pad(M, 1, mode="edge")': (ValueError, "constant.*not 'edge'"),
    "einsum(Q, [0, 1], [1])": (TypeError, "subscripts as a string"),
    'einsum("ij,j", Q, V[:3], optimize=True)': (TypeError, "optimize"),
    "norm(M, 2)": (ValueError, "norm knows"),
    'norm(M, "nuc")': (ValueError, "norm knows"),
    "norm(V, 3)": (ValueError, "norm knows"),
    "zeros_like(M, dtype=np.float32)": (TypeError, "zeros_like has no argument dtype"),
    "where(MASK)": (TypeError, "missing 2 required"),
    "M.astype(complex)": (TypeError, "floats, integers or booleans"),
    "add(M, 1j)": (TypeError, "numbers, not complex"),
    "cholesky(Q @ Q.T, upper=True)": (TypeError, "upper"),
}


@pytest.mark.parametrize("line", REFUSED)
def test_a_form_that_we_refuse(line):
    evaluate(line, False, ARRAYS)  # NumPy has an answer
    error, text = REFUSED[line]
    with pytest.raises(error, match=text):
        evaluate(line, True, {name: ts.tensor(array) for name, array in ARRAYS.items()})


NONSENSE = [
    "sum(S, 5)", "sum(S, (0, 0))", "sum(S, 1.0)", "prod(S, 5)", "prod(S, (0, 0))", "mean(S, 3)", "var(S, -4)", "max(NONE)",
    "argmax(NONE)", "cumsum(S, 3)", "sort(S, 3)", "flip(S, 3)", "reshape(S, (5, 5))", "reshape(S, (4, -1, -1))",
    "transpose(S, (0, 1))", "transpose(S, (0, 0, 1))", "swapaxes(S, 3, 0)", "moveaxis(S, (0, 1), (1,))",
    "moveaxis(S, (0, 0), (1, 2))", "broadcast_to(V, (5,))", "broadcast_to(V, (-1, 4))", "expand_dims(M, 7)",
    "expand_dims(M, (0, 0))", "squeeze(ROW, 1)", "squeeze(ROW, (0, 0))", "concatenate([])", "stack([])",
    "concatenate([ONE, ONE])", "stack([V, M])", "split(S, 5)", "unstack(S, axis=9)", "roll(S, 1, 9)",
    "roll(S, (1, 2, 3), (0, 1))", "pad(S, (1, 2, 3))", "pad(S, -1)", "pad(S, 1.0)", "repeat(S, -1, 0)",
    "repeat(S, [1, 2], 1)", "repeat(S, 2, 9)", "tile(S, 1.5)", "take(S, 24)", "take(S, -25)", "take(S, [0, 9], 0)",
    "take(S, [0], 5)", "take_along_axis(M, a([[9]]), 0)", "take_along_axis(M, a([0]), 0)", "S[2]", "S[5,]", "S[[2]]",
    "S[1.0]", "S['a']", "S[..., ...]", "S[0, 1, 2, 3]", "S[a([True, True, True])]", "S[[0.5]]", "tril(S, 1.5)",
    "norm(S, axis=(0, 1, 2))", "norm(S, 2)", "solve(M, V)", "solve(Q, V)", "solve(a([[0.0]]), a([1.0]))",
    "cholesky(a([[-1.0]]))", 'einsum("ij,k", Q)', 'einsum("i", Q)', 'einsum("ij->ijj", Q)', 'einsum("ij->iz", Q)',
    'einsum("ij,jk", M, M)', 'einsum("", Q)', "tensordot(M, M, ((0, 0), (0, 0)))", "tensordot(M, M, ((0, 1), (0,)))",
    "tensordot(M, M, 1)", "tensordot(M, M, (5, 0))", "outer(M)", "add(M, 'a')", "add(S, Q)", "clip(M, 0, 1, 2)",
]  # fmt: skip


@pytest.mark.parametrize("line", NONSENSE)
def test_what_numpy_refuses_so_do_we(line):
    """With an error of the same kind, or a TypeError; of arrays and of Tensors."""
    with pytest.raises(Exception, match="") as theirs:
        evaluate(line, False, ARRAYS)
    for names in (ARRAYS, {name: ts.tensor(array) for name, array in ARRAYS.items()}):
        kinds = (theirs.type, *(kind for kind in (IndexError, ValueError) if issubclass(theirs.type, kind)), TypeError)
        with pytest.raises(kinds, match="."):
            evaluate(line, True, names)
