"""Trees of tensors as one vector, and back."""

import numpy as np
import pytest
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq.testing import check_grad

rng = np.random.default_rng(0)
A, B = rng.normal(size=(2, 3)), rng.normal(size=4)


def test_there_and_back():
    tree = {"a": ts.tensor(A), "b": (ts.tensor(B.astype("f4")), None, [2.0])}
    vector, unflatten = ts.flatten(tree)
    assert (vector.shape, vector.dtype) == ((11,), np.float64)
    assert_allclose(vector.numpy(), [*A.ravel(), *B.astype("f4"), 2.0])
    again = unflatten(vector)
    assert_array_equal(again["a"].numpy(), A)
    assert again["b"][1] is None
    assert [x.dtype for x in (again["b"][0], again["b"][2][0])] == [np.float32, np.float32]
    assert_array_equal(again["b"][0].numpy(), B.astype("f4"))
    assert again["b"][2][0].item() == 2.0


def test_the_vector_has_the_widest_dtype():
    assert ts.flatten([B.astype("f2"), A, B.astype("f4")])[0].dtype == np.float64


def test_gradients_pass_both_ways():
    check_grad(lambda a, b: ts.tanh(ts.flatten([a, b])[0]), A, B)
    _, unflatten = ts.flatten([A, B])
    check_grad(lambda v: ts.tanh(unflatten(v)[0]) * unflatten(v)[1][:3], rng.normal(size=10))


def test_arrays_of_other_libraries_are_vectors():
    """A vector of float64 gives float32 tensors back, and one of another dtype float64 ones."""
    _, unflatten = ts.flatten([A.astype("f4")])
    assert unflatten(np.arange(6.0))[0].dtype == np.float32
    _, unflatten = ts.flatten([A])
    assert unflatten(list(range(6)))[0].dtype == np.float64


def test_no_tensors_and_no_elements():
    vector, unflatten = ts.flatten([None, ()])
    assert vector.shape == (0,)
    assert unflatten(vector) == [None, ()]
    vector, unflatten = ts.flatten([np.zeros((0, 2)), np.float64(3.0)])
    assert vector.numpy().tolist() == [3.0]
    assert [x.shape for x in unflatten(vector)] == [(0, 2), ()]


def test_what_is_refused():
    with pytest.raises(TypeError, match=r"flatten needs floats.*int64\[3\]"):
        ts.flatten([np.arange(3)])
    _, unflatten = ts.flatten([A])
    for wrong in (np.zeros(5), np.zeros((2, 3)), 1.0):
        with pytest.raises(ValueError, match="a vector of 6 elements, got float"):
            unflatten(wrong)
