"""The C expressions of primitives: what they compute, in every dtype, and their texts for given arguments."""

import re

import numpy as np
import pytest
from c_loops import needs_compiler
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_seq as ts
from tinygrad_seq.engine.expression import tokens
from tinygrad_seq.engine.primitive import PRIMITIVES, Primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.scan.c.expressions import ctype, expression
from tinygrad_seq.testing import check_primitive, hold, laws_of
from tinygrad_seq.testing.expressions import agreeing, c, loops, result

OPS = [op for op in PRIMITIVES.values() if op.expression and op.forward.__module__.startswith("tinygrad_seq.")]
ROUNDED = {  # the ops whose floats differ in the last places
    *(
        "power",
        "exp",
        "expm1",
        "log",
        "log1p",
        "logaddexp",
        "tanh",
        "sigmoid",
        "softplus",
        "sin",
        "cos",
        "arctan2",
        "arctan",
        "exp2",
        "log2",
        "log10",
        "log_expit",
        "rad2deg",
    )
}
# pointwise ops without an expression: of an argument that it would name twice, or of a function of C that
# elementary.h does not have; loops with them run as NumPy
WITHOUT = {
    *("arccos", "arccosh", "arcsin", "arcsinh", "arctanh", "cbrt", "ceil", "copysign", "cosh", "floor"),
    *("floor_divide", "fmax", "fmin", "fmod", "fraction", "heaviside", "hypot", "isinf", "ldexp", "left_shift"),
    *("logaddexp2", "remainder", "right_shift", "rint", "signbit", "sinc", "sinh", "tan", "trunc"),
    # of scipy.special
    *("beta", "betaln", "digamma", "entr", "erf", "erfc", "erfcinv", "erfcx", "erfinv", "gamma", "gammaln"),
    *("gammasgn", "i0", "i0e", "i1", "i1e", "iv", "ive", "j0", "j1", "jv", "kl_div", "log_ndtr", "logit"),
    *("ndtr", "ndtri", "polygamma", "rel_entr", "rgamma", "xlog1py", "xlogy", "y0", "y1", "yn", "yv"),
}
SPECIAL = [0.0, 1.0, 0.5, 2.0, 3.0, 1e-5, 88.7, 103.9, 709.7, 745.1, 2.0**24 + 1, 1e300, np.inf]
F4, F8, I1, I8, U8, B = map(np.dtype, ("f4", "f8", "i1", "i8", "u8", "?"))


def by_name(op):
    return op.name


def slope(x, y, /):
    """z = x if it is positive, else x y"""
    return np.where(x > 0, x, x * y)


def own(text):
    op = Primitive(slope, "(),()->()")
    op.partials(lambda x, y: np.where(x > 0, 1, y), lambda x: np.where(x > 0, 0, x), singular=True)
    op.c(text)
    return op


# --- declarations ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x * w", "slope names w; it may name x, y and the functions abs_"),
        ("tanhf(x)", "names tanhf"),
        ("exit_(0)", "names exit_"),
        ("x; y", "cannot contain ;"),
        ("x[0] + y", r"cannot contain \[ \]"),
        ("(x * y", "is not complete"),
        (")x * y(", "is not complete"),
        ("", "is not complete"),
        ("2.0f * x", "names f"),
    ],
)
def test_an_expression_with_unknown_parts_is_refused(text, message):
    with pytest.raises(TypeError, match=message):
        own(text)


@pytest.mark.parametrize("name", ["matmul", "sum", "broadcast_to", "split", "concatenate"])
def test_an_op_that_is_not_pointwise_has_no_expression(name):
    with pytest.raises(TypeError, match=rf"{name} needs a signature such as .* and no metadata"):
        PRIMITIVES[name].c("x")


def test_an_op_with_one_number_of_two_vectors_is_not_pointwise():
    def dot(x, y, /):
        "z = sum_n x_n y_n"
        return (x * y).sum(axis=-1)

    with pytest.raises(TypeError, match=r"dot needs a signature such as .* and no metadata"):
        Primitive(dot, "(n),(n)->()").c("x * y")


def test_a_function_declares_it_too():
    @ts.primitive("()->()")
    def half(x, /):
        """z = x/2"""
        return 0.5 * x

    half.c("0.5 * x")
    try:
        assert half.primitive.expression == "0.5 * x"
        assert expression(half.primitive, [F4], F4, ["x"]) == "0.5f * x"
        assert expression(half.primitive, [F8], F8, ["x"]) == "0.5 * x"
    finally:
        del PRIMITIVES["half"]


def test_an_argument_is_named_once():
    """So an operand may be any text: it is neither computed twice nor does the text grow with its depth."""
    for op in OPS:
        for text in filter(None, (op.expression, op.truth)):
            names = [part for kind, part in tokens(text) if part in op.arguments]
            assert sorted(names) == sorted(op.arguments), op.name


# --- texts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dtypes", "out", "given", "text"),
    [
        ("multiply", [F4, F4], F4, ["f", "c"], "f * c"),
        ("multiply", [F4, F4], F4, ["a + b", "c"], "(a + b) * c"),
        ("multiply", [F4, F4], F4, ["(a) + (b)", "c_at[k + 1]"], "((a) + (b)) * c_at[k + 1]"),
        ("negative", [F4], F4, ["-2.0f"], "-(-2.0f)"),
        ("tanh", [F4], F4, ["a + b"], "tanh_(a + b)"),
        ("tanh", [I8], F8, ["n + 1"], "tanh_((double) (n + 1))"),
        ("divide", [I8, I8], F8, ["n", "m"], "(double) n / (double) m"),
        ("add", [B, F4], F4, ["on", "x"], "(float) on + x"),
        ("add", [B, B], B, ["a", "b"], "a | b"),
        ("add", [I1, I1], I1, ["a", "b"], "(int8_t) (a + b)"),
        ("add", [I8, 1], I8, ["n", "1"], "n + (int64_t) 1"),
        ("where", [B, F4, F8], F8, ["a < b", "x", "y"], "(a < b) ? (double) x : y"),
        ("where", [F8, F4, F4], F4, ["w", "x", "y"], "w ? x : y"),
        ("where", [F8, B, B], B, ["w", "a", "b"], "w ? a : b"),
        ("relu", [B], I8, ["on"], "maximum_((int64_t) on, 0)"),
        ("less", [F4, F8], B, ["x", "y"], "(double) x < y"),
        ("less", [F4, 0.1], B, ["x", "0.1"], "x < (float) 0.1"),
        ("clip", [I1, I1, I1], I1, ["x", "0", "5"], "minimum_(maximum_(x, 0), 5)"),
        ("invert", [B], B, ["on"], "!on"),
        ("invert", [U8], U8, ["n"], "~n"),
        ("stop_gradient", [F4], F4, ["a + b"], "a + b"),
        ("less", [I1, 300], B, ["n", "300"], None),
        ("less", [I8, U8], B, ["n", "m"], None),
        ("power", [I8, I8], I8, ["n", "m"], None),
        ("add", [np.dtype("f2"), F4], F4, ["x", "y"], None),
        ("matmul", [F4, F4], F4, ["x", "y"], None),
    ],
)
def test_the_text_for_given_arguments(name, dtypes, out, given, text):
    assert expression(PRIMITIVES[name], dtypes, out, given) == text


def test_a_comparison_as_a_float_is_cast():
    """In C it is an int, and the quotient of two would be one of integers."""
    op = own("(x > 0) * y")
    assert expression(op, [F4, F4], F4, ["x", "y"]) == "(float) ((x > 0) * y)"
    assert expression(op, [I8, I8], I8, ["n", "m"]) == "(n > 0) * m"


def test_a_division_of_integers_has_no_text():
    def ratio(x, y, /):
        """z = x / y, rounded down"""
        return np.floor_divide(x, y)

    op = Primitive(ratio, "(),()->()", examples=[example([6], [3])])
    op.c("x / y")
    assert expression(op, [I8, I8], I8, ["n", "m"]) is None


def test_names_are_replaced_as_wholes_and_at_once():
    assert expression(PRIMITIVES["where"], [B, F4, F4], F4, ["x", "y", "x_y"]) == "x ? y : x_y"


def test_the_c_types():
    names = ["f4", "f8", "?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
    assert [ctype(np.dtype(name)) for name in names] == [
        *("float", "double", "uint8_t", "int8_t", "int16_t", "int32_t", "int64_t"),
        *("uint8_t", "uint16_t", "uint32_t", "uint64_t"),
    ]
    for name in ("f2", "c8", "M8[s]"):
        with pytest.raises(TypeError, match="has no C type here"):
            ctype(name)


# --- the law --------------------------------------------------------------------------------------------


@needs_compiler
def test_a_primitive_of_the_users_is_held_to_the_law():
    op = own("x > 0 ? x : x * y")
    assert c in laws_of(op)
    hold(op, c)


WRONG = ["x > 0 ? x : y", "x >= 0 ? x : x * y", "x > 0 ? x : x * y * 1.00001", "tanh_(x)", "x > 1 ? x : x * y"]


@needs_compiler
@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_expression_is_found(text):
    with pytest.raises(AssertionError, match=rf"the C expression {re.escape(repr(text))} of slope is .* gives"):
        hold(own(text), c)


@needs_compiler
@pytest.mark.parametrize(
    ("right", "text"), [(lambda x, /: 0.5 * x, "0.50001 * x"), (lambda x, /: -0.5 * x, "0 - 0.5 * x")]
)
def test_the_fifth_digit_and_the_sign_of_zero_are_compared(right, text):
    right.__name__ = "scaled"
    op = Primitive(right, "()->()")
    op.partials(lambda x: 0.5)
    op.c(text)
    with pytest.raises(AssertionError, match="of scaled is"):
        hold(op, c)


@needs_compiler
def test_check_primitive_says_where_an_expression_is_wrong():
    with pytest.raises(AssertionError, match=r"slope breaks the law c: The C expression gives .*\n.*\n.* at "):
        check_primitive(own("x * y"))


@needs_compiler
def test_a_text_that_is_not_c_is_found():
    with pytest.raises(AssertionError, match="does not compile"):
        hold(own("x + * y"), c)


def test_an_op_without_an_expression_is_not_held_to_the_law():
    assert c not in laws_of(PRIMITIVES["matmul"])


# --- values ---------------------------------------------------------------------------------------------


def test_every_pointwise_op_states_an_expression():
    pointwise = {
        op.name
        for op in PRIMITIVES.values()
        if op.signature and not any((*op.signature.inputs, *op.signature.outputs)) and not op.metadata
    }
    assert {op.name for op in OPS} == pointwise - WITHOUT
    assert pointwise >= WITHOUT


def any_elements(dtype, rng):
    """Any bits at all, and small numbers."""
    if dtype.kind == "b":
        return rng.integers(0, 2, 70).astype(bool)
    bits = rng.integers(0, 256, 70 * dtype.itemsize, np.uint8).view(dtype)
    return np.where(rng.random(70) < 0.5, bits, rng.integers(0, 4, 70).astype(dtype))


@needs_compiler
@pytest.mark.parametrize("op", [op for op in OPS if op.name not in ROUNDED], ids=by_name)
@given(seed=st.integers(0, 2**32 - 1))
def test_arithmetic_and_comparisons_are_equal_bit_by_bit(op, seed):
    """For any numbers: integers that overflow, subnormal numbers, NaN."""
    rng = np.random.default_rng(seed)
    for loop in loops(op):
        arrays = [any_elements(dtype, rng) for dtype in loop.dtypes]
        found, expected = loop(*arrays), result(op, arrays)
        nan = np.isnan(expected)
        assert np.array_equal(np.isnan(found), nan)
        assert found[~nan].tobytes() == expected[~nan].tobytes()


@needs_compiler
@pytest.mark.parametrize("op", OPS, ids=by_name)
@pytest.mark.parametrize("dtype", [F4, F8], ids=str)
def test_special_values_are_those_of_numpy(op, dtype):
    """NaN, infinities, signed zeros, the smallest and largest numbers, in every combination."""
    info = np.finfo(dtype)
    with np.errstate(over="ignore"):
        few = np.array([*SPECIAL, info.smallest_subnormal, info.tiny / 3, info.tiny, info.max]).astype(dtype)
    values = np.concatenate([few, -few, [np.nan]]).astype(dtype)
    for loop in loops(op):
        if set(loop.dtypes) == {dtype}:
            arrays = [grid.ravel().copy() for grid in np.meshgrid(*[values] * len(loop.dtypes))]
            assert agreeing(loop(*arrays), result(op, arrays), arrays).all()
            return
    assert op.name in ("invert", "bitwise_and", "bitwise_or", "bitwise_xor")  # not of floats
