"""Dtypes of results and gradients, and the accuracy of float32 sums."""

import math

import numpy as np
import pytest
from results import assert_allclose

import tinygrad_seq as ts

F16, F32, F64 = np.dtype("float16"), np.dtype("float32"), np.dtype("float64")
I32, I64, BOOL = np.dtype("int32"), np.dtype("int64"), np.dtype(bool)


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, F32),
        ([1.5, 2.5], F32),
        ([[1, 2.5]], F32),
        ((1.0, (2.0)), F32),
        (3, I64),
        ([1, 2], I64),
        (True, BOOL),
        ([True, False], BOOL),
        (np.float64(1.5), F64),
        ([np.float64(1.5)], F64),
        (np.ones(2), F64),
        ([np.ones(2), np.ones(2)], F64),
        (np.ones(2, np.float32), F32),
        (np.ones(2, np.float16), F16),
        (np.arange(2, dtype=np.int32), I32),
        ([], F32),
    ],
)
def test_python_numbers_become_float32_and_numpys_keep_their_dtype(data, dtype):
    assert ts.tensor(data).dtype == dtype
    assert ts.tensor(ts.tensor(data)).dtype == dtype
    assert ts.tensor(data, dtype="float64").dtype == F64


@pytest.mark.parametrize("data", ["a", [object()], None, 1j, np.datetime64("2026-01-01"), {}])
def test_what_is_no_number_is_an_error(data):
    with pytest.raises(TypeError, match="floats, integers or booleans"):
        ts.tensor(data)


def test_ragged_lists_are_an_error():
    with pytest.raises(ValueError, match="inhomogeneous"):
        ts.tensor([[1.0], [1.0, 2.0]])


def test_a_list_of_recorded_tensors_is_an_error():
    t = ts.tensor(1.0, requires_grad=True)
    with pytest.raises(TypeError, match=r"ts\.stack"):
        ts.tensor([t, t])


@pytest.mark.parametrize("data", [1, True, [1, 2]])
def test_only_floats_carry_gradients(data):
    with pytest.raises(TypeError, match="float"):
        ts.tensor(data, requires_grad=True)
    t = ts.tensor(data)
    with pytest.raises(TypeError, match="float"):
        t.requires_grad = True


f32, f64 = ts.tensor([1.0]), ts.tensor(np.ones(1))
i64, flag = ts.tensor([2]), ts.tensor([True])


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (f32 * 2.0, F32),
        (2 * f32, F32),
        (f32 / 3, F32),
        (f32**2, F32),
        (2.0**f32, F32),
        (f32 * f64, F64),
        (f32 * np.float64(2.0), F64),
        (np.float64(2.0) * f32, F64),
        (f32 / np.sqrt(3), F64),
        (f32 / math.sqrt(3), F32),
        (f32 * np.float32(2.0), F32),
        (f32 + np.ones(1, np.float16), F32),
        (f32 * i64, F64),
        (i64 * 2.0, F64),
        (i64 * 2, I64),
        (i64 / 2, F64),
        (f32 * flag, F32),
        (f32 > 0, BOOL),
        (ts.where(f32 > 0, f32, 0.0), F32),
        (ts.where(f32 > 0, 1.0, f64), F64),
        (ts.relu(f32), F32),
        (ts.sigmoid(f32), F32),
        (ts.softmax(f32), F32),
        (ts.log_softmax(f32), F32),
        (ts.logsumexp(f32), F32),
        (ts.mean(f32), F32),
        (ts.sum(flag), I64),
        (ts.mean(flag), F64),
        (ts.argmax(f32), I64),
        (ts.exp(i64), F64),
        (ts.maximum(f32, 0), F32),
        (f32 @ f64[:, None], F64),
        (ts.concatenate([f32, f64]), F64),
        (ts.zeros_like(f32), F32),
        (f32.astype("float64"), F64),
        (f32.astype(int), I64),
        (f64.astype(np.float16), F16),
        (-f32, F32),
        (~flag, BOOL),
        (abs(i64), I64),
    ],
)
def test_promotion_is_numpys(value, dtype):
    assert isinstance(value, ts.Tensor)
    assert value.dtype == dtype


def test_a_gradient_has_the_dtype_of_its_argument():
    x, y = (ts.tensor(np.ones(3), dtype=dtype, requires_grad=True) for dtype in (F32, F64))
    (x * y).sum().backward()
    assert (x.grad.dtype, y.grad.dtype) == (F32, F64)
    z = ts.tensor(np.ones(3), dtype=F16, requires_grad=True)
    (z.astype("float64") * y).sum().backward()
    assert z.grad.dtype == F16


def test_astype_to_integers_leaves_the_tape():
    x = ts.tensor([1.7], requires_grad=True)
    assert not x.astype("int64").requires_grad
    assert x.astype("float64").requires_grad


@pytest.mark.parametrize("bias", [(2,), (1, 2), (1, 1, 2), (), (1,)])
def test_a_long_float32_sum_over_rows_is_accurate(bias):
    """A plain sum over 1e6 rows of 0.1 has an error of 1 %."""
    rows = 1_000_000
    shape = (rows, 2) if len(bias) < 3 else (10, rows // 10, 2)
    g = np.random.default_rng(0).uniform(0.05, 0.15, shape).astype(np.float32)
    b = ts.tensor(np.zeros(bias, np.float32), requires_grad=True)
    (ts.tensor(np.zeros(shape, np.float32)) + b).backward(g)
    exact = g.astype(np.float64).reshape(rows, 2).sum(axis=0)
    expected = exact if math.prod(bias) == 2 else exact.sum()
    assert_allclose(b.grad.numpy().ravel(), np.ravel(expected), rtol=1e-5)
    assert b.grad.shape == bias


def test_a_long_float32_sum_over_a_middle_axis_is_accurate():
    g = np.full((1, 1_000_000, 2), 0.1, np.float32)
    b = ts.tensor(np.zeros((1, 1, 2), np.float32), requires_grad=True)
    (ts.tensor(np.zeros_like(g)) + b).backward(g)
    assert_allclose(b.grad.numpy(), np.full((1, 1, 2), 1e5), rtol=1e-5)


def test_a_number_that_is_scattered_takes_the_dtype_of_the_array():
    """As in x + 2: a Python number is weak."""
    x = ts.tensor(np.zeros(3, np.float32))
    assert ts.scatter_add(x, [0, 2], 2).dtype == ts.scatter_add(x, [0, 2], 0.5).dtype == np.float32
    assert ts.scatter_add(x, [0, 2], np.float64(2)).dtype == np.float64


def test_booleans_squared_have_the_dtype_of_np_power():
    """Whether x is an array, a 0-d array or a scalar; NumPy's array ** 2 is int8."""
    for x in (np.array([True]), np.array(True), np.True_):
        assert (ts.tensor(x) ** 2).dtype == ts.power(x, 2).dtype == np.power(x, 2).dtype == np.int64
