"""Every public function is tested against the laws or by example calls.

Every function is a primitive, and so under the laws, or a composition, and held against finite differences
here, to second order.
"""

import inspect

import doors
import numpy as np
import pytest
from compositions import COMPOSITIONS
from naming import public
from results import assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import FUNCTIONS, PRIMITIVES
from tinygrad_seq.ops.indexing import data_of
from tinygrad_seq.testing import check_grad

LANGUAGE = {
    "tensor", "Tensor", "zeros", "ones", "devices", "no_grad", "detect_anomaly", "tape", "step",
    "primitive", "example", "numpy_function", "save", "load",
    "grad", "vjp", "jvp", "jacobian", "hessian", "hvp", "value_and_grad", "vmap", "flatten",
    "scan", "explain", "pure", "emitter", "workspace_limit",
    "__version__",
}  # fmt: skip


def is_primitive(name):
    return hasattr(FUNCTIONS.get(name), "primitive")


@pytest.mark.parametrize(
    "name", sorted(name for name in COMPOSITIONS if name.rpartition(".")[2] not in doors.missing())
)
def test_composition(name):
    """Its derivatives, alone and in a chain; and arrays in, arrays out."""
    for f, *arrays in COMPOSITIONS[name]:
        plain = f(*map(doors.placed, arrays))
        assert isinstance(plain, np.generic) or backend.is_array(plain)
        assert_array_equal(f(*map(ts.tensor, arrays)).numpy(), plain)
        check_grad(f, *arrays)
        check_grad(lambda *xs, f=f: ts.tanh(f(*xs)), *arrays)


def test_every_function_is_a_primitive_or_a_tested_composition():
    for name, function in FUNCTIONS.items():
        if is_primitive(name):
            assert PRIMITIVES[function.primitive.name].function is function
        else:
            assert name in COMPOSITIONS, f"{name} has no entry in COMPOSITIONS"
    assert {name for name in COMPOSITIONS if is_primitive(name)} == set()


def test_every_function_is_public():
    for name, function in FUNCTIONS.items():
        assert public(name) is function, f"{name} is registered and not public"


def test_everything_public_is_known():
    """Each name is an op of the registry, one of the few words of the language, or a submodule."""
    for name in ts.__all__:
        f = getattr(ts, name)
        assert f in FUNCTIONS.values() or name in LANGUAGE or inspect.ismodule(f), name
    assert len(set(ts.__all__)) == len(ts.__all__)


def test_every_primitive_states_its_equation():
    for op in PRIMITIVES.values():
        assert (op.function.__doc__ or "").startswith("z"), f"{op.name} has no equation as docstring"


def test_check_grad_notices_a_wrong_derivative():
    """A function whose gradient is scaled, one whose second derivative is lost, and a right one."""
    x = np.array([0.3, -0.7, 1.1])
    check_grad(lambda x: ts.exp(x) * x, x)
    with pytest.raises(AssertionError, match="finite differences disagree"):
        check_grad(lambda x: ts.exp(x) + ts.tanh(x.detach()), x)
    with pytest.raises(AssertionError, match="the pullback"):
        check_grad(losing, x)
    check_grad(losing, x, order=1)


def losing(x):
    """x^2, of which the second derivative is lost: its rule computes off the tape."""
    from tinygrad_seq.engine.primitive import Primitive

    op = Primitive(losing_forward, "()->()")
    op.vjp(lambda g, x: g * (2 * data_of(x)))
    return op.function(x)


def losing_forward(x, /):
    return x * x
