"""What runs outside a loop in C: operations that have no form in C, views, and sums of products over time."""

import numpy as np
import pytest
from in_c import all_in_c, in_c
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import tree
from tinygrad_seq.scan import over_time, scan, unrolled

pytestmark = pytest.mark.host("C runs on the CPU")


@pytest.fixture(autouse=True)
def compiler():
    with in_c():
        yield


def parts():
    """The parts of the only program, and those of its derivatives."""
    (compiled,) = over_time.PROGRAMS.values()
    yield compiled.parts
    for what in compiled.loops.values():
        yield from (back.parts for back in what.backwards.values())


def names(operations):
    return [call.op.name for call in operations]


def drawn(*shape):
    return np.random.default_rng(0).normal(size=shape)


def check(step, init, xs):
    found, right = (tree.leaves(run(step, init, xs)) for run in (scan, unrolled))
    assert all_in_c()
    for x, y in zip(found, right, strict=True):
        assert_allclose(x, y, rtol=1e-12, atol=1e-12)


def test_what_has_a_form_in_c_stays():
    """Although it needs no carry, and no carry needs it."""
    check(lambda h, x: (h + ts.tanh(x), ts.exp(h)), ts.tensor(drawn(3)), drawn(4, 3))
    (only,) = parts()
    assert names(only.loop.operations) == ["tanh", "add", "exp"]


def test_an_op_without_an_expression_runs_outside():
    """Before the loop or after it, and a view of its result with it."""

    @ts.primitive("()->()")
    def bare(x, /):
        "z = x^3"
        return x**3

    check(lambda h, x: (ts.tanh(h + bare(x)), bare(h)), ts.tensor(drawn(3)), drawn(4, 3))
    (only,) = parts()
    assert (names(only.before), names(only.after)) == (["bare"], ["bare"])
    assert "bare" not in names(only.loop.operations)


def test_a_view_that_nothing_reads_is_taken_after_the_loop():
    check(lambda h, x: (ts.tanh(h + x), h.T), ts.tensor(drawn(3, 2)), drawn(4, 3, 2))
    (only,) = parts()
    assert names(only.after) == ["transpose"]


def test_the_gradient_of_a_weight_is_one_product_over_all_steps():
    """That of a bias is added up in the loop."""
    w, b = (ts.tensor(drawn(*shape), requires_grad=True) for shape in ((3, 3), (3,)))
    h, _ = scan(lambda h, x: (ts.tanh(h @ w + x + b), None), ts.tensor(drawn(2, 3)), drawn(4, 2, 3))
    ts.grad(h.sum(), [w, b])
    assert all_in_c()
    _, back = parts()
    assert names(back.after) == ["transpose", "matmul"]
    assert "sum" in names(back.loop.operations)
