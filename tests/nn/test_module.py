"""Modules: how they find and name parameters; state_dict and load_state_dict; how they print."""

import copy
import pickle
import warnings

import numpy as np
import pytest

import tinygrad_seq as ts
from tinygrad_seq import nn


class Net(nn.Module):
    """Every way to hold a parameter: attribute, list, tuple, dict, module, shared, and a constant."""

    def __init__(self):
        self.first = nn.Linear(3, 4, rng=0)
        self.more = [nn.Parameter(np.zeros(2)), (nn.Linear(4, 2, bias=False, rng=1),)]
        self.named = {"gain": nn.Parameter(np.ones((1, 5), np.float32)), 7: nn.Parameter(np.float64(2.0))}
        self.again = self.first.weight
        self.twin = self.first
        self.reservoir = ts.tensor([1.0, 2.0, 3.0])
        self.size = 3


NAMES = ["first.weight", "first.bias", "more.0", "more.1.0.weight", "named.gain", "named.7"]


def test_parameters_are_found_by_walking_and_shared_ones_once():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert [id(p) for p in net.parameters()] == [id(p) for _, p in net.named_parameters()]
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in net.parameters())
    assert [name for name, _ in net.named_tensors()] == [*NAMES, "reservoir"]


def test_a_parameter_copies_and_is_a_float_leaf():
    values = np.zeros(3)
    p = nn.Parameter(values)
    values[0] = 1
    assert p.numpy()[0] == 0
    assert p.is_leaf
    assert p.dtype == np.float64
    with pytest.raises(TypeError, match="float"):
        nn.Parameter(np.zeros(3, int))


def test_modules_that_refer_to_each_other_are_walked_once():
    child, parent = nn.Linear(2, 2, rng=0), nn.Module()
    parent.child, child.parent = child, parent
    assert [name for name, _ in parent.named_parameters()] == ["child.weight", "child.bias"]
    assert len(list(parent.modules())) == 2
    assert "the same as Module" in repr(parent)


def test_a_deep_tree_of_modules():
    top = module = nn.Module()
    for _ in range(50):
        module.below = nn.Module()
        module = module.below
    module.p = nn.Parameter(np.zeros(1))
    assert len(list(top.modules())) == 51
    assert len(top.parameters()) == 1


def test_repr_is_a_tree_with_counts():
    assert repr(Net()).splitlines() == [
        "Net: 32 parameters",
        "  first: Linear: 16 parameters",
        "    weight: float32[3,4]",
        "    bias: float32[4]",
        "  more.0: float64[2]",
        "  more.1.0: Linear: 8 parameters",
        "    weight: float32[4,2]",
        "  named.gain: float32[1,5]",
        "  named.7: float64[]",
        "  again: the same as first.weight",
        "  twin: the same as first",
        "  reservoir: float32[3], constant",
    ]


def test_state_dict_is_copies_and_loads_back():
    net = Net()
    state = net.state_dict()
    before = {name: array.copy() for name, array in state.items()}
    state["first.weight"][...] = 9.0
    assert (net.first.weight.numpy() == before["first.weight"]).all()

    other = Net()
    for p in other.parameters():
        p.assign_(np.zeros(p.shape))
    identity = [id(t) for _, t in other.named_tensors()]
    other.load_state_dict(before)
    assert [id(t) for _, t in other.named_tensors()] == identity
    for name, t in other.named_tensors():
        assert (t.numpy() == before[name]).all()
        assert t.dtype == before[name].dtype


def test_load_state_dict_lists_all_problems_and_loads_nothing():
    net = Net()
    state = net.state_dict()
    del state["more.0"], state["named.gain"]
    state["extra"] = np.zeros(1)
    state["first.bias"] = np.zeros(5, np.float32)
    state["first.weight"] = np.full((3, 4), 8.0, np.float32)
    state["reservoir"] = np.zeros(3, complex)
    before = net.first.weight.numpy()
    with pytest.raises(ValueError, match="nothing was loaded") as caught:
        net.load_state_dict(state)
    message = str(caught.value)
    assert "missing: more.0; named.gain" in message
    assert "unexpected: extra" in message
    assert "wrong shape or dtype: first.bias needs float32[4], got float32[5]" in message
    assert "reservoir needs float32[3], got complex128[3]" in message
    assert (net.first.weight.numpy() == before).all()


def test_train_and_eval_reach_every_module():
    net = Net()
    assert net.training
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    net.train()
    assert all(module.training for module in net.modules())


def test_zero_grad_also_with_a_frozen_parameter():
    net = nn.Linear(3, 2, rng=0)
    net(ts.tensor(np.ones((1, 3), np.float32))).sum().backward()
    net.bias.requires_grad = False
    net.zero_grad()
    assert net.weight.grad is None


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_deepcopy_and_pickle(duplicate):
    net = Net()
    twin = duplicate(net)
    assert repr(twin) == repr(net)
    assert twin.again is twin.first.weight
    assert twin.first.weight is not net.first.weight
    net.first.weight.assign_(np.zeros((3, 4)))
    assert (twin.first.weight.numpy() != 0).all()
    twin.first(np.ones((2, 3), np.float32)).sum().backward()
    assert twin.first.weight.grad is not None
    assert net.first.weight.grad is None


def test_to_changes_the_dtype_of_floats_in_place():
    net = Net()
    net.count = ts.tensor([1, 2])
    net.first(np.ones((2, 3), np.float32)).sum().backward()
    weight, grad = net.first.weight, net.first.weight.grad.numpy()
    assert net.to(dtype=np.float64) is net
    assert net.first.weight is weight
    assert net.again is weight
    assert all(p.dtype == np.float64 and p.requires_grad for p in net.parameters())
    assert net.reservoir.dtype == np.float64
    assert net.count.dtype == np.int64
    assert (weight.grad.numpy() == grad).all()
    assert weight.grad.dtype == np.float64
    net.first(np.ones((2, 3))).sum().backward()
    assert (weight.grad.numpy() == 2 * grad).all()
    with pytest.raises(TypeError, match="needs a float dtype, got int64"):
        net.to(dtype=int)
    with pytest.raises(ValueError, match="device"):
        net.to(device="gpu")


def test_a_seed_makes_a_layer_reproducible():
    a, b, c = nn.Linear(3, 2, rng=5), nn.Linear(3, 2, rng=np.random.default_rng(5)), nn.Linear(3, 2)
    assert (a.weight.numpy() == b.weight.numpy()).all()
    assert (a.weight.numpy() != c.weight.numpy()).all()
    assert nn.Linear(3, 2, rng=5, dtype=np.float64).weight.dtype == np.float64


def test_a_parameter_is_replaced_by_tensors_or_removed():
    model = nn.Linear(3, 2, rng=0)
    model.weight = weight = nn.Parameter(np.zeros((3, 2), np.float32))
    assert model.parameters()[0] is weight
    model.bias = None
    assert model.state_dict().keys() == {"weight"}
    model.bias = 0.0  # nothing is lost
    model.weight = 2 * weight  # a function of another parameter
    x = np.ones(3, np.float32)
    assert ts.grad(model(x).sum(), weight).numpy().tolist() == [[2, 2]] * 3
    model.weight = weight
    for value in (np.zeros((3, 2)), 0.0, [[0.0, 0.0]], np.float32(0)):
        with pytest.raises(
            TypeError, match=rf"weight of Linear is float32\[3,2\], and a {type(value).__name__} in"
        ):
            model.weight = value
    model.weight = [weight, nn.Parameter(np.ones(2))]
    assert [name for name, _ in model.named_parameters()] == ["weight.0", "weight.1"]


def test_a_parameter_that_is_deleted_is_missed():
    model = nn.Linear(3, 2, rng=0)
    del model.bias
    with pytest.raises(AttributeError, match="a Linear has no attribute 'bias'"):
        model(np.ones(3, np.float32))


def test_one_warning_of_a_wide_input_for_each_line():
    layer, x = nn.Linear(3, 2, rng=0), np.zeros((5, 3))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            layer(x)
        layer(x)
    assert [w.filename for w in caught] == [__file__] * 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(x.astype(np.float32))
        layer(np.zeros((5, 3), np.float16))
        layer.to(dtype="float64")(x)
        nn.Embedding(3, 2, rng=0)([0, 1])
