"""Nothing public escapes the proof: every function is a primitive under the laws, or a composition that is
held against finite differences here, to second order."""

import inspect

import numpy as np
import pytest

import tinygrad_seq as ts
from tinygrad_seq.primitive import FUNCTIONS, PRIMITIVES
from tinygrad_seq.testing import check_grad

rng = np.random.default_rng(0)
V, W, M, S = (rng.uniform(0.5, 1.5, shape) for shape in ((3,), (4,), (3, 4), (2, 3, 4)))

COMPOSITIONS = {  # name: calls, each a function of Tensors and the arrays to differentiate it by
    "astype": [(lambda x: ts.astype(x, "float64"), M)],
    "concatenate": [
        (lambda x, y: ts.concatenate([x, y], axis=1), M, M),
        (lambda x, y: ts.concatenate([x, y], axis=None), M, V),
    ],
    "expand_dims": [(lambda x: ts.expand_dims(x, (0, -1)), M), (lambda x: ts.expand_dims(x, 1), V)],
    "getitem": [
        (lambda x: ts.getitem(x, (0, ..., slice(None, None, -1))), S),
        (lambda x: ts.getitem(x, (slice(None), [2, 0, 2], None)), S),
        (lambda x: ts.getitem(x, M > 1.0), M),
        (lambda x: ts.getitem(x, ts.tensor([[1, 1], [0, 1]])), S),
    ],
    "matmul": [
        (ts.matmul, V, V),
        (ts.matmul, V, M),
        (ts.matmul, M, W),
        (ts.matmul, M.T, M),
        (ts.matmul, S, W),
        (ts.matmul, S, M.T),
        (ts.matmul, V, S),
        (ts.matmul, M, S.swapaxes(1, 2)),
        (ts.matmul, S, S[:1].swapaxes(1, 2)),
        (ts.matmul, S[:, None], S.swapaxes(1, 2)),
    ],
    "mean": [
        (ts.mean, S),
        (lambda x: ts.mean(x, (0, -1)), S),
        (lambda x: ts.mean(x, 1, keepdims=True), S),
        (lambda x: ts.mean(x, ()), V),
    ],
    "squeeze": [(ts.squeeze, M[None, :, None]), (lambda x: ts.squeeze(x, -1), M[..., None])],
    "stack": [(lambda x, y: ts.stack([x, y], axis=-1), M, M), (ts.stack, M)],
    "swapaxes": [(lambda x: ts.swapaxes(x, -1, 0), S)],
    "take": [
        (lambda x: ts.take(x, [1, 1, 0], axis=1), M),
        (lambda x: ts.take(x, [[5, 5], [0, -1]]), M),
        (lambda x: ts.take(x, -1, axis=-1), S),
    ],
    "take_along_axis": [
        (lambda x: ts.take_along_axis(x, np.array([[0, 0], [3, 1], [2, 2]]), axis=1), M),
        (lambda x: ts.take_along_axis(x, [5, 5, 0], axis=None), M),
    ],
}
LANGUAGE = {
    "tensor", "Tensor", "no_grad", "grad", "jvp", "primitive", "example", "numpy_function", "save", "load",
    "__version__",
}  # fmt: skip


def is_primitive(name):
    return name in PRIMITIVES and FUNCTIONS[name] is PRIMITIVES[name].function


@pytest.mark.parametrize("name", sorted(COMPOSITIONS))
def test_composition(name):
    """The derivatives of a composition, and its values, which are those of NumPy's function."""
    for f, *arrays in COMPOSITIONS[name]:
        check_grad(f, *arrays)
        check_grad(lambda *xs, f=f: ts.tanh(f(*xs)), *arrays)


def test_every_function_is_a_primitive_or_a_tested_composition():
    for name, function in FUNCTIONS.items():
        if is_primitive(name):
            assert PRIMITIVES[name].function is function
        else:
            assert name in COMPOSITIONS, f"{name} has no entry in COMPOSITIONS"
    assert {name for name in COMPOSITIONS if is_primitive(name)} == set()


def test_every_function_is_public():
    private = {op.name for op in PRIMITIVES.values() if op.forward.__name__.startswith("_")}
    for name, function in FUNCTIONS.items():
        if name in ts.__all__:
            assert getattr(ts, name) is function
        else:
            assert name in private, f"{name} is registered and not public"


def test_everything_public_is_known():
    """Each name is an op of the registry, one of the few words of the language, or a submodule."""
    for name in ts.__all__:
        assert name in FUNCTIONS or name in LANGUAGE or inspect.ismodule(getattr(ts, name)), name
    assert len(set(ts.__all__)) == len(ts.__all__)


def test_every_primitive_states_its_equation():
    for op in PRIMITIVES.values():
        assert (op.function.__doc__ or "").startswith("z"), f"{op.name} has no equation as docstring"


def test_check_grad_notices_a_wrong_derivative():
    """A function whose gradient is scaled, one whose second derivative is lost, and a right one."""
    x = rng.normal(size=3)
    check_grad(lambda x: ts.exp(x) * x, x)
    with pytest.raises(AssertionError, match="finite differences disagree"):
        check_grad(lambda x: ts.exp(x) + ts.tanh(x.detach()), x)
    with pytest.raises(AssertionError, match="the pullback"):
        check_grad(losing, x)
    check_grad(losing, x, order=1)


def losing(x):
    """x^2, of which the second derivative is lost: its rule computes off the tape."""
    from tinygrad_seq.primitive import Primitive

    op = Primitive(losing_forward, "()->()")
    op.vjp(lambda g, x: g * (2 * np.asarray(x)))
    return op.function(x)


def losing_forward(x, /):
    return x * x
