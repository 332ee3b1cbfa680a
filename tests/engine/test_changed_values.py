"""Never a wrong number in silence: every way to change a value between the forward pass and the backward pass.

The ways that are errors, each of which names what changed; then what is refused at once; last the limit, what
NumPy cannot protect. The ways that are harmless, because the tape holds a copy, are in `test_kept_copies.py`,
and `test_mutation.py` has the engine's side of it.
"""

import numpy as np
import pytest
from results import assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn, optim

STALE = "changed in place"
OPTIMIZERS = [optim.SGD, optim.RMSprop, optim.Adam, optim.AdamW]


def leaf(data):
    return ts.tensor(np.asarray(data, dtype=np.float64), requires_grad=True)


def model():
    """A linear layer with a gradient, so that an optimizer has something to do."""
    layer = nn.Linear(3, 2, rng=0, dtype=np.float64)
    ts.sum(layer(np.ones((4, 3))) ** 2).backward()
    return layer


# --- an error that names the tensor -------------------------------------------------------------------


def by_assignment():
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    return (x * w).sum(), lambda: w.assign_([0.0, 0.0]), "y of multiply, float64[2]"


def by_an_assignment_to_a_constant():
    x, w = ts.tensor(np.ones((2, 3))), leaf(np.ones((3, 2)))
    return (x @ w).sum(), lambda: x.assign_(np.zeros((2, 3))), "x of matmul, float64[2,3]"


def by_an_assignment_to_what_a_view_shows():
    x, w = leaf(np.ones((2, 3))), leaf(np.ones((3, 2)))
    view = x.T[::-1]
    return (view * w).sum(), lambda: x.assign_(np.zeros((2, 3))), "x of multiply, float64[3,2]"


def by_an_assignment_under_no_grad():
    x = leaf([1.0])

    def change():
        with ts.no_grad():
            x.assign_(x * 2.0)

    return (x * x).sum(), change, "of multiply, float64[1]"


def by_an_assignment_to_a_mask():
    mask, x = ts.tensor([True, False]), leaf([1.0, 2.0])
    return ts.where(mask, x, 0.0).sum(), lambda: mask.assign_([False, True]), "condition of where, bool[2]"


def by_loading_a_state():
    layer, x = model(), leaf(np.ones((4, 3)))
    state = {name: array + 1.0 for name, array in layer.state_dict().items()}
    return ts.sum(layer(x)), lambda: layer.load_state_dict(state), "y of matmul, float64[3,2]"


def by_a_weight_that_two_layers_share():
    one, two = nn.Linear(3, 3, rng=0, dtype=np.float64), nn.Linear(3, 3, rng=1, dtype=np.float64)
    two.weight = one.weight
    x = leaf(np.ones((4, 3)))
    return ts.sum(two(one(x))), lambda: two.weight.assign_(np.eye(3)), "y of matmul, float64[3,3]"


def by_a_second_backward_after_a_step():
    layer, x = model(), leaf(np.ones((4, 3)))
    loss = ts.sum(layer(x) ** 2)
    loss.backward(retain_graph=True)
    return loss, optim.SGD(layer.parameters(), lr=0.1).step, "y of matmul, float64[3,2]"


def by_an_assignment_between_first_and_second_derivative():
    x = leaf([2.0])
    slope = ts.grad((x**3).sum(), x, create_graph=True)
    return slope.sum(), lambda: x.assign_([0.0]), "of power, float64[1]"


def by_an_assignment_to_what_vjp_returned():
    x, w = ts.tensor(np.array([1.0, 2.0])), leaf([3.0, 4.0])
    y, _ = ts.vjp(lambda x: x, x)  # the same memory
    return (y * w).sum(), lambda: x.assign_([0.0, 0.0]), "of multiply, float64[2]"


def by_the_next_thing_that_happens():
    x = leaf(3.0)
    x.grad = ts.tensor(np.array(1.0))
    return x * x, optim.SGD([x], lr=1.0).step, "of multiply, float64[]"


def by_an_assignment_to_one_of_the_values_that_a_loop_captured():
    v, w = leaf(2.0), leaf(3.0)
    h, _ = ts.scan(lambda h, x: (h * v + w * x, None), leaf(1.0), leaf([1.0, 2.0]))
    return h, lambda: v.assign_(0.0), "arrays of scan"


WAYS = [value for name, value in list(globals().items()) if name.startswith("by_")]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_an_error_that_names_what_changed(way):
    loss, change, named = way()
    change()
    with pytest.raises(RuntimeError, match=STALE) as caught:
        loss.backward()
    assert named in str(caught.value)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_it_is_the_change_that_is_the_error(way):
    """Without it the same backward pass is fine."""
    loss, _, _ = way()
    loss.backward()
    assert loss.requires_grad


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_an_optimizer_step(kind):
    layer, x = model(), leaf(np.ones((4, 3)))
    optimizer = kind(layer.parameters(), lr=0.1)
    loss = ts.sum(layer(x))
    optimizer.step()
    with pytest.raises(RuntimeError, match=STALE) as caught:
        loss.backward()
    assert "y of matmul, float64[3,2], was changed in place, by assign_ or an optimizer step" in str(
        caught.value
    )
    assert x.grad is None


def test_the_remedy_in_the_message_helps():
    """`x.detach()` is a copy, which no later change reaches."""
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    loss = (x.detach() * w).sum()
    x.assign_([9.0, 9.0])
    loss.backward()
    assert_array_equal(w.grad.numpy(), [1.0, 2.0])


@pytest.mark.parametrize("change", ["to", "requires_grad"])
def test_a_leaf_that_is_given_up(change):
    """Its gradient would be lost in silence, and an optimizer would skip it."""
    layer = nn.Linear(3, 2, rng=0)
    loss = ts.sum(layer(np.ones((4, 3), np.float32)))
    if change == "to":
        layer.to(dtype="float64")
    else:
        layer.weight.requires_grad = False
        layer.weight.requires_grad = True
    with pytest.raises(RuntimeError, match=r"float32\[(3,)?2\] stopped requiring a gradient"):
        loss.backward()


# --- refused at once ----------------------------------------------------------------------------------


@pytest.mark.host("CuPy has no read-only arrays")
@pytest.mark.parametrize(
    "make", [lambda: leaf([2.0, 1.0]), lambda: leaf([2.0, 1.0]) * 1.0, lambda: model().weight.grad]
)
@pytest.mark.parametrize(
    "write",
    [
        lambda a: a.__setitem__(..., 0.0),
        lambda a: a.__iadd__(1.0),
        lambda a: a.sort(),
        lambda a: a.fill(0.0),
        lambda a: a.T[...].__setitem__(0, 5.0),
        lambda a: np.add(a, 1.0, out=a),
        lambda a: np.copyto(a, 0.0),
        lambda a: np.random.default_rng(0).shuffle(a),
        lambda a: memoryview(a.reshape(-1)).__setitem__(0, 1.0),
    ],
)
def test_data_cannot_be_written_to(make, write):
    t = make()
    before = t.numpy()
    for array in (t.data, t.numpy()):
        with pytest.raises((ValueError, TypeError), match=r"read-only|read only"):
            write(array)
    assert_array_equal(t.numpy(), before)


@pytest.mark.parametrize(
    ("write", "error", "text"),
    [
        (lambda t: t.__setitem__(0, 1.0), TypeError, "where"),
        (lambda t: t.__iadd__(1.0), RuntimeError, "assign_"),
        (lambda t: setattr(t, "data", np.zeros(2)), AttributeError, "data"),
        (lambda t: np.add(np.ones(2), t, out=np.ones(2)), TypeError, "a = a"),
        (lambda t: np.zeros(2).__iadd__(t), TypeError, "a = a"),
        (lambda t: (t * 1.0).assign_([0.0, 0.0]), RuntimeError, "only a leaf"),
        (lambda t: setattr(t, "grad", np.zeros(3)), ValueError, "shape"),
        (lambda t: setattr(t * 1.0, "requires_grad", False), RuntimeError, "detach"),
    ],
)
def test_what_a_tensor_refuses(write, error, text):
    t = leaf([2.0, 1.0])
    with pytest.raises(error, match=text):
        write(t)
    assert_array_equal(t.numpy(), [2.0, 1.0])


# --- the limit ----------------------------------------------------------------------------------------


@pytest.mark.host("CuPy has no read-only arrays")
def test_what_numpy_cannot_protect():
    """The owner of memory can make it writable again, and nobody is told: docs/testing.md says so."""
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    loss = (x * w).sum()
    view = x.data
    view.flags.writeable = True
    view[...] = 100.0
    loss.backward()
    assert_array_equal(w.grad.numpy(), [100.0, 100.0])  # the wrong number: it was 1, 2

    y = leaf([1.0, 2.0]) * 1.0
    with pytest.raises(ValueError, match="WRITEABLE"):
        y.data.flags.writeable = True  # of a result not even this
    owner = y.data.base
    owner.flags.writeable = True
    owner[...] = 100.0
    assert_array_equal(y.numpy(), [100.0, 100.0])
