"""Declarations of a primitive that are errors, their texts, and a definition that runs twice."""

import numpy as np
import pytest

import tinygrad_seq as ts
from tinygrad_seq.engine.primitive import FUNCTIONS, PRIMITIVES, Primitive
from tinygrad_seq.engine.signature import Signature


def leaf(data):
    return ts.tensor(np.asarray(data, dtype=np.float64), requires_grad=True)


def cube(x, /):
    return x**3


def test_neither_signature_nor_examples():
    with pytest.raises(TypeError, match="cube has neither a signature nor examples"):
        ts.primitive()(cube)
    assert "cube" not in PRIMITIVES


@pytest.mark.parametrize("name", ["g", "s", "z"])
def test_reserved_names(name):
    scope = {}
    exec(f"def first({name}, /): return {name}\ndef second(x, /, {name}=0): return x", scope)
    for forward in (scope["first"], scope["second"]):
        with pytest.raises(TypeError, match=f"argument named {name}: in rules"):
            ts.primitive("()->()")(forward)


def test_no_array_argument():
    def nothing(x):
        return x

    with pytest.raises(TypeError, match="write a / after its arrays"):
        ts.primitive("()->()")(nothing)


@pytest.mark.parametrize("signature", ["(),()->()", "->()"])
def test_a_signature_of_another_arity(signature):
    with pytest.raises((TypeError, ValueError), match="signature"):
        ts.primitive(signature)(cube)


@pytest.mark.parametrize(
    "text", ["", "()", "(->()", "()->", "(n,),(k)->", "n->n", "(n k)->()", "()=>()", "()->()x"]
)
def test_a_malformed_signature(text):
    with pytest.raises(ValueError, match="as NumPy does"):
        ts.primitive(text)(cube)


def test_signatures_are_read_as_numpy_reads_them():
    assert Signature.parse("(n,k),(k,m)->(n,m)").inputs == (("n", "k"), ("k", "m"))
    assert Signature.parse(" ( n ) , () -> (n) , () ").outputs == (("n",), ())


def test_a_name_that_another_function_of_the_file_has_taken():
    def first():
        def mine(x, /):
            return x

        return ts.primitive("()->()")(mine)

    def second():
        def mine(x, /):
            return 2 * x

        return ts.primitive("()->()")(mine)

    one = first()
    with pytest.raises(TypeError, match=r"mine of .*test_registration is already registered by"):
        second()
    assert PRIMITIVES["mine"].function is one


def test_a_name_that_is_taken():
    def tanh(x, /):
        return x

    with pytest.raises(
        TypeError, match=r"tanh of .*test_registration is already registered by tinygrad_seq\.ops\."
    ):
        ts.primitive("()->()")(tanh)
    assert PRIMITIVES["tanh"].function is ts.tanh


CELL = """
@ts.primitive("()->()")
def softsign(x, /):
    return x / (1 + np.abs(x))

softsign.partials(lambda z: {factor} * (1 - np.abs(z)) ** 2)
"""


def test_a_notebook_cell_can_run_twice():
    """The definition that runs again replaces the old one, with a warning; old results keep old rules."""
    notebook = {"ts": ts, "np": np, "__name__": "__main__"}
    x = leaf([1.0, -3.0])
    exec(compile(CELL.format(factor=1), "cell 1", "exec"), notebook)
    y = notebook["softsign"](x)
    with pytest.warns(UserWarning, match="softsign is defined again and replaced") as caught:
        exec(compile(CELL.format(factor=10), "cell 1", "exec"), notebook)
    assert caught[0].filename == "cell 1"
    assert PRIMITIVES["softsign"].function is FUNCTIONS["softsign"] is notebook["softsign"]
    assert ts.grad(y.sum(), x).numpy().tolist() == [0.25, 0.0625]
    assert ts.grad(notebook["softsign"](x).sum(), x).numpy().tolist() == [2.5, 0.625]
    _, ys = ts.scan(lambda c, x: (c, notebook["softsign"](x)), None, x)
    assert ts.grad(ys.sum(), x).numpy().tolist() == [2.5, 0.625]


def test_numpys_name_stays_with_the_function_that_had_it():
    """A primitive that is replaced takes over NumPy's name only if the old one answered to it."""

    def versine(x, /):
        return x

    FUNCTIONS["versine"] = answer = lambda x: x
    ts.primitive("()->()")(versine)
    with pytest.warns(UserWarning, match="versine is defined again"):
        ts.primitive("()->()")(versine)
    assert FUNCTIONS["versine"] is answer


def test_every_op_of_ours_declares_a_derivative_or_that_it_has_none():
    assert [name for name, op in PRIMITIVES.items() if op.undeclared] == []


def test_an_op_that_declares_nothing_works_off_the_tape():
    op = Primitive(cube, "()->()")
    f, x = op.function, leaf(2.0)
    with ts.no_grad():
        assert (f(2.0), f(ts.tensor(2.0)).item(), f(x).item()) == (8.0, 8.0, 8.0)
    assert ts.scan(lambda c, _: (f(c), None), ts.tensor(2.0), length=2)[0].item() == 512.0
    _, ys = ts.scan(lambda c, n: (c * 2.0, c + f(n)), x, ts.tensor([0, 1]))  # integers have no derivative
    assert ts.grad(ys.sum(), x).item() == 3.0
    with pytest.raises(TypeError, match=r"cube is used on the tape.*cube\.no_derivative\(\)"):
        f(x)
    op.no_derivative()
    assert not f(x).requires_grad


def test_a_declaration_after_a_call_that_may_be_on_the_tape():
    op = Primitive(cube, "()->()")
    op.vjp(lambda g, x: 3 * g * x * x)
    z = op.function(leaf(2.0))
    with pytest.raises(TypeError, match="cube was called before all of its derivatives were declared"):
        op.jvp(lambda g, z: g * z)
    z.backward()


@pytest.mark.parametrize("name", ["raw", "rest", "out", "x_", "_x", "y_line"])
def test_a_name_that_the_generated_call_uses(name):
    scope = {}
    exec(f"def f(y, /, {name}): return y", scope)
    with pytest.raises(TypeError, match=f"an argument named {name}, a name that the generated call uses"):
        Primitive(scope["f"], "()->()")


@pytest.mark.parametrize("declare", ["vjp", "jvp", "partials", "linear"])
def test_a_wrong_number_of_rules(declare):
    op = Primitive(cube, "()->()")
    with pytest.raises(TypeError, match="cube has the arguments x and needs a rule for each"):
        getattr(op, declare)(lambda g: g, lambda g: g)


@pytest.mark.parametrize("declare", ["vjp", "jvp", "partials", "joint_vjp"])
def test_a_rule_that_reads_what_there_is_not(declare):
    op = Primitive(cube, "()->()")
    with pytest.raises(TypeError, match="a rule of cube reads y, w; it may read g, s, z, x"):
        getattr(op, declare)(lambda y, x, w: x)


def test_metadata_that_there_is_not():
    with pytest.raises(TypeError, match="sum has no argument axes: it takes axis, dtype, keepdims"):
        ts.sum(leaf([1.0]), axes=0)
