"""Every op that has a form in ONNX: ONNX Runtime computes what it does, and so does the file that is read."""

import inspect
import math

import numpy as np
import pytest
from exported import exported, ours
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tinygrad_seq import nn
from tinygrad_seq.engine.primitive import PRIMITIVES
from tinygrad_seq.nn.onnx.forms import FORMS
from tinygrad_seq.testing.strategies import calls, sprinkled

pytestmark = [pytest.mark.exchange, pytest.mark.host("files of ONNX are written and run on the host")]


OPS = {op.name: op for op in PRIMITIVES.values()}
SPECIAL = (0.0, math.inf, -math.inf, math.nan, 1e-30, 1e30)
FLOAT32_ONLY = {  # of ONNX Runtime
    "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "arcsinh", "arccosh", "arctanh", "erf",
}  # fmt: skip
UNORDERED = {"sort", "argsort", "argmax", "argmin", "sign"}  # where one element is NaN


def model_of(op, meta):
    """A function of one argument for each array of a call."""
    return lambda **arrays: op.function(*arrays.values(), **meta)


def compared(op, arrays, meta, folder, rtol):
    """ONNX Runtime, and the file that is read again, against our op."""
    given = {f"x{i}": x for i, x in enumerate(arrays)}
    inputs = {name: f"{x.dtype}[{', '.join(map(str, x.shape))}]" for name, x in given.items()}
    model = model_of(op, meta)
    with np.errstate(all="ignore"):
        expected = ours(model, given)
        file = exported(model, inputs, folder / "op.onnx")
        read = ours(nn.from_onnx(folder / "op.onnx"), given)
    for found in (file(**given), read):
        for a, b in zip(found, expected, strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(a, b, rtol, rtol)


@pytest.mark.parametrize("special", [False, True], ids=["drawn", "special"])
@pytest.mark.parametrize("name", sorted(FORMS.keys() & OPS.keys()))
def test_an_op_is_ours(name, special, tmp_path):
    @settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def test(data):
        call = data.draw(calls(OPS[name]))
        assume("mask" not in str(call.meta) and all(x.size for x in call.arrays))
        assume(not (isinstance(call.meta.get("axis"), tuple) and "softmax" in name))
        single = name in FLOAT32_ONLY or data.draw(st.booleans())
        arrays = sprinkled(call, SPECIAL, call.rng()) if special else call.arrays
        dtype = np.float32 if single else np.float64
        arrays = [x.astype(dtype) if x.dtype == np.float64 else x for x in arrays]
        compared(OPS[name], arrays, call.meta, tmp_path, 4e-6 if single else 1e-11)

    if special and name in UNORDERED:
        pytest.skip("elements that are NaN have no order")
    test()


INTEGERS = [np.array([7, -7, 5, -3], np.int64), np.array([2, 2, -3, -3], np.int64)]
TRUTHS = [np.array([True, True, False, False]), np.array([True, False, True, False])]
OF_INTEGERS = [
    "add", "subtract", "multiply", "floor_divide", "remainder", "fmod", "maximum", "minimum", "divide", "equal",
    "not_equal", "less", "less_equal", "greater", "greater_equal", "bitwise_and", "bitwise_or", "bitwise_xor",
    "logical_and", "logical_or", "logical_xor",
]  # fmt: skip
OF_TRUTHS = [
    "add", "multiply", "maximum", "minimum", "equal", "not_equal", "less", "less_equal", "greater",
    "greater_equal", "bitwise_and", "bitwise_or", "bitwise_xor", "logical_and", "logical_or", "logical_xor",
]  # fmt: skip


@pytest.mark.parametrize("name", OF_INTEGERS)
def test_integers_are_computed_as_integers(name, tmp_path):
    compared(OPS[name], INTEGERS, {}, tmp_path, 0)


@pytest.mark.parametrize("name", OF_TRUTHS)
def test_truth_values_are_computed_as_such(name, tmp_path):
    compared(OPS[name], TRUTHS, {}, tmp_path, 0)


@pytest.mark.parametrize(
    "name", ["abs", "negative", "square", "sign", "floor", "ceil", "rint", "trunc", "invert"]
)
def test_an_integer_stays_an_integer(name, tmp_path):
    compared(OPS[name], INTEGERS[:1], {}, tmp_path, 0)


@pytest.mark.parametrize(
    "name", ["sum", "prod", "max", "min", "any", "all", "argmax", "argmin", "cumsum", "sort"]
)
def test_integers_over_an_axis(name, tmp_path):
    x = np.array([[3, 0, -2], [1, 5, 4]], np.int64)
    meta = (
        {"axis": 1}
        if "keepdims" not in inspect.signature(OPS[name].forward).parameters
        else {"axis": 1, "keepdims": True}
    )
    compared(OPS[name], [x], meta, tmp_path, 0)


KEYS = [
    (slice(None), [0, 2, 1]),
    ([1, 0], slice(None), [3, 0]),
    (slice(None), [1, 0], [3, 0]),
    (slice(None), [[1], [0]], [3, 0]),
    (0, [1, 2]),
    ([1, 0], 2),
    (..., [1, 0], 3),
    (None, 1, slice(None, None, -2), None, slice(1, 3)),
    (-1, ..., -2),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_an_index_of_any_form(key, tmp_path):
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    file = exported(lambda x: x[key], {"x": "float32[2, 3, 4]"}, tmp_path / "index.onnx")
    np.testing.assert_array_equal(file(x=x)[0], x[key])
    np.testing.assert_array_equal(nn.from_onnx(tmp_path / "index.onnx")(x).numpy(), x[key])


def test_a_row_that_is_masked_has_softmax_0(tmp_path):
    x = np.array([[0.0, 1.0], [-math.inf, -math.inf]], np.float32)
    compared(OPS["softmax"], [x], {}, tmp_path, 1e-6)
    compared(OPS["log_softmax"], [x], {}, tmp_path, 1e-6)


def test_small_differences_are_not_lost(tmp_path):
    x = np.array([1e-9, 1e-7, -1e-7, 1e-3, 0.5, np.inf], np.float32)
    for name in ("log1p", "expm1"):
        file = exported(model_of(OPS[name], {}), {"x": "float32[6]"}, tmp_path / f"{name}.onnx")
        np.testing.assert_allclose(file(x=x)[0], getattr(np, name)(x.astype(float)), 1e-6)
