"""Tensors as arguments of NumPy's functions: results, and errors that name what to write instead."""

import numpy as np
import pytest
from naming import numpys
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq.engine.primitive import FUNCTIONS
from tinygrad_seq.tensor.protocols import EQUAL, counterpart


def leaf(data):
    return ts.tensor(np.asarray(data, dtype=np.float64), requires_grad=True)


A = np.array([[1.0, 2.0], [3.0, 4.0]])
MASK = A > 1.5


@pytest.mark.parametrize(
    "f",
    [
        np.tanh,
        np.exp,
        np.abs,
        np.absolute,
        np.negative,
        np.square,
        lambda t: np.sum(t, axis=0),
        lambda t: np.sum(t, 1, keepdims=True),
        lambda t: np.max(t, axis=-1),
        lambda t: np.amax(t, axis=-1),
        np.mean,
        lambda t: A * t,
        lambda t: np.float64(2) * t,
        lambda t: np.float64(2) - t,
        lambda t: A @ t,
        lambda t: A[0] @ t,
        lambda t: A / t,
        lambda t: A**t,
        lambda t: 2.0**t,
        lambda t: np.where(MASK, t, 0),
        lambda t: np.where(t > 1.5, A, t),
        lambda t: np.concatenate([t, t]),
        lambda t: np.concatenate([A, t], axis=1),
        lambda t: np.stack([t, A], axis=-1),
        lambda t: np.transpose(t),
        lambda t: np.transpose(t, (1, 0)),
        lambda t: np.swapaxes(t, 0, 1),
        lambda t: np.reshape(t, (4,)),
        lambda t: np.reshape(t, -1),
        lambda t: np.expand_dims(t, 0),
        lambda t: np.squeeze(np.expand_dims(t, 0), 0),
        lambda t: np.broadcast_to(t, (3, 2, 2)),
        lambda t: np.split(t, 2)[1],
        lambda t: np.split(t, [1], 1)[0],
        lambda t: np.take(t, [1, 1], 0),
        lambda t: np.take_along_axis(t, np.array([[1], [0]]), 1),
        lambda t: np.matmul(t, t),
        lambda t: t @ t[0],
        lambda t: t[0] @ t[1],
        lambda t: np.stack([A, -A]) @ t,
        lambda t: np.matmul(t[0], np.stack([A, -A])),
        lambda t: np.matmul(np.stack([A, -A]), t[1]),
        lambda t: np.matmul(t[None], np.stack([A, -A])),
        lambda t: np.concatenate([t, A], axis=None),
        lambda t: np.take(t, [0, 3]),
        lambda t: np.take_along_axis(t, np.array([3, 0]), None),
        lambda t: np.maximum(t, 2.5),
        lambda t: np.minimum(2.5, t),
        lambda t: np.power(t, 2),
        lambda t: np.astype(t, np.float32),
        lambda t: np.unstack(t)[1],
        lambda t: np.zeros_like(t) + np.ones_like(t) * t,
    ],
)
def test_numpys_functions_work_on_tensors_and_stay_on_the_tape(f):
    t = leaf(A)
    z = f(t)
    assert isinstance(z, ts.Tensor)
    assert_array_equal(z.numpy(), f(A))
    assert z.requires_grad


@pytest.mark.parametrize(
    "f",
    [
        np.sign,
        np.isnan,
        np.isfinite,
        np.argmax,
        lambda t: np.less(t, 2),
        lambda t: np.greater_equal(A, t),
        lambda t: np.equal(t, A),
        lambda t: np.logical_and(t > 1, MASK),
        lambda t: MASK & (t > 3),
        lambda t: (t > 3) | MASK,
        lambda t: ~(t > 3),
        lambda t: np.logical_not(t),
    ],
)
def test_what_has_no_derivative_returns_tensors_too(f):
    z = f(leaf(A))
    assert isinstance(z, ts.Tensor)
    assert not z.requires_grad
    assert_array_equal(z.numpy(), f(A))


def test_queries_have_plain_answers():
    t = leaf(A)
    assert np.shape(t) == (2, 2)
    assert np.ndim(t) == 2
    assert np.size(t) == 4
    assert_array_equal(np.diag_indices_from(t), np.diag_indices(2))
    assert_array_equal(np.tril_indices_from(t, -1), np.tril_indices(2, -1))
    assert_array_equal(np.triu_indices_from(t), np.triu_indices(2))
    assert np.result_type(t, np.float32) == np.float64
    assert (np.isrealobj(t), np.iscomplexobj(t)) == (True, False)
    assert np.allclose(t, A) is True
    assert np.allclose(A, t + 1.0) is False
    assert np.array_equal(t, A) is True
    assert (t.shape, t.ndim, t.size, len(t)) == ((2, 2), 2, 4, 2)


@pytest.mark.parametrize("f", [np.unwrap, np.lcm, np.gcd])
def test_a_function_that_we_lack_is_an_error_that_says_what_to_do(f):
    args = (leaf(A), leaf(A)) if f in (np.lcm, np.gcd) else (leaf(A),)
    with pytest.raises(TypeError, match=r"no counterpart for tensors.*numpy\(\)"):
        f(*args)


NAMESPACES = (np, np.linalg, np.fft, np.emath, np.char, np.strings, np.lib.stride_tricks, np.polynomial, np.rec)
SAME = {numpys(name) for name in EQUAL}  # equal to one of another name


def namesakes():
    """NumPy's functions with a name of ours, each with whether our name stands for it."""
    for namespace in NAMESPACES:
        for f in list(vars(namespace).values()):
            passed_on = isinstance(f, np.ufunc) or hasattr(f, "_implementation")
            if passed_on and f.__name__ in {name.rpartition(".")[2] for name in FUNCTIONS}:
                yield f, f in SAME or any(numpys(name) is f for name in FUNCTIONS)


def test_a_function_is_found_by_its_module_and_its_name():
    t, seen = leaf(A), []
    for f, ours in namesakes():
        if ours:
            assert callable(counterpart(f)), f
        else:
            seen.append(f)
            with pytest.raises(TypeError, match=r"np\.(emath\.|char\.|strings\.)?\w+ has no counterpart"):
                t.__array_function__(f, (ts.Tensor,), (t, t), {})
    assert {np.emath.sqrt, np.emath.log, np.emath.power} <= set(seen)


def test_equal_functions_of_two_modules_are_ours():
    t = leaf(A)
    assert_array_equal(np.linalg.matmul(t, A).numpy(), np.linalg.matmul(A, A))
    assert_array_equal(np.linalg.tensordot(t, A, axes=1).numpy(), np.linalg.tensordot(A, A, axes=1))
    assert_array_equal(np.amin(t, axis=1).numpy(), np.amin(A, axis=1))
    assert_allclose(np.linalg.norm(t, axis=0).numpy(), np.linalg.norm(A, axis=0))
    assert_allclose(np.linalg.solve(t, A).numpy(), np.linalg.solve(A, A), atol=1e-15)


def test_a_ufunc_of_another_library_is_not_ours():
    double = np.frompyfunc(lambda x: 2 * x, 1, 1)
    with pytest.raises(TypeError, match=r"the ufunc .* has no counterpart"):
        double(leaf(A))
    special = pytest.importorskip("scipy.special")
    with pytest.raises(TypeError, match="the ufunc ellipk has no counterpart"):
        special.ellipk(leaf(A))


def test_out_and_ufunc_methods_are_errors():
    t, a = leaf(A), A.copy()
    with pytest.raises(TypeError, match=r"a = a \+ t"):
        np.add(a, t, out=a)
    with pytest.raises(TypeError, match=r"a = a \+ t"):
        a += t
    with pytest.raises(TypeError, match=r"np\.add\.reduce"):
        np.add.reduce(t)
    with pytest.raises(TypeError, match="no argument out"):
        np.sum(t, out=a)
    assert_array_equal(a, A)


def test_numpys_habits_for_names_and_pytorchs_translated():
    t = leaf(A)
    with pytest.raises(TypeError, match="axis"):
        t.sum(dim=0)
    with pytest.raises(TypeError, match="keepdims"):
        t.max(axis=0, keepdim=True)
    with pytest.raises(TypeError, match="axis"):
        ts.softmax(t, dim=-1)


def test_shape_errors_name_the_op_and_its_arguments():
    for f, names in (
        (lambda: leaf(A) + leaf(np.ones(3)), ("add", "x", "y")),
        (lambda: leaf(A) @ A[:1], ("matmul",)),
    ):
        with pytest.raises(ValueError, match=r".") as caught:
            f()
        note = "".join(caught.value.__notes__)
        assert all(name in note for name in names)
        assert "(2, 2)" in note or "float64[2,2]" in note


@pytest.mark.parametrize("other", ["a", None, {}, object()])
def test_operands_that_are_none(other):
    with pytest.raises(TypeError, match=r"add|unsupported"):
        leaf(A) + other
