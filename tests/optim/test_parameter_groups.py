"""Groups of parameters with settings of their own: each is updated as by an optimizer that has it alone."""

import copy

import numpy as np
import pytest
from results import assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn, optim


class Signs(optim.Optimizer):
    """p <- p - lr sign g, an optimizer of a user, who knows nothing of groups."""

    def update(self, i, p, g, scratch):
        np.sign(g, out=scratch)
        np.multiply(scratch, self.lr, out=scratch)
        np.subtract(p, scratch, out=p)


KINDS = {
    "SGD": lambda ps, **options: optim.SGD(ps, momentum=0.9, **options),
    "RMSprop": optim.RMSprop,
    "Adam": optim.Adam,
    "AdamW": optim.AdamW,
}
every_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())


def parameters(dtype=np.float32):
    rng = np.random.default_rng(0)
    return [nn.Parameter(rng.normal(size=shape).astype(dtype)) for shape in [(3, 2), (4,), (), (2, 2)]]


def steps(ps, *optimizers, seeds=range(4)):
    for seed in seeds:
        rng = np.random.default_rng(seed)
        for p in ps:
            p.grad = ts.tensor(rng.normal(size=p.shape).astype(p.dtype))
        for optimizer in optimizers:
            optimizer.step()


def assert_same(ps, others):
    for p, q in zip(ps, others, strict=True):
        assert_array_equal(p.numpy(), q.numpy())


@every_kind
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_group_is_updated_as_by_an_optimizer_of_its_own(make, dtype):
    ps, others = parameters(dtype), parameters(dtype)
    groups = [
        {"params": ps[:1]},
        {"params": ps[1:3], "lr": 0.5},
        {"params": ps[3:], "weight_decay": 0.0, "lr": None},
    ]
    optimizer = make(groups, lr=0.1, weight_decay=0.2)
    alone = [
        make(others[:1], lr=0.1, weight_decay=0.2),
        make(others[1:3], lr=0.5, weight_decay=0.2),
        make(others[3:], lr=0.1, weight_decay=0.0),
    ]
    assert optimizer.parameters == ps
    assert [group.parameters for group in optimizer.groups] == [tuple(ps[:1]), tuple(ps[1:3]), tuple(ps[3:])]
    steps(ps, optimizer)
    steps(others, *alone)
    assert_same(ps, others)
    assert (optimizer.lr, optimizer.weight_decay) == (0.1, 0.2)


def test_an_optimizer_of_a_user_reads_the_rate_of_the_group():
    ps = [nn.Parameter(np.zeros(2)) for _ in range(2)]
    optimizer = Signs([{"params": ps[:1], "lr": 1.0}, {"params": ps[1:]}], lr=0.25)
    for p in ps:
        p.grad = ts.tensor(np.array([3.0, -2.0]))
    optimizer.step()
    assert_array_equal(ps[0].numpy(), [-1, 1])
    assert_array_equal(ps[1].numpy(), [-0.25, 0.25])
    with pytest.raises(TypeError, match=r"a group of Signs may state lr, got 'weight_decay'"):
        Signs([{"params": ps, "weight_decay": 0.1}], lr=0.1)
    with pytest.raises(TypeError, match=r"a group of Signs may state lr, got 'weight_decay'"):
        optimizer.groups[0].weight_decay = 0.1
    with pytest.raises(AttributeError, match="Signs has no weight_decay, nor have its groups"):
        _ = optimizer.groups[0].weight_decay


def test_after_an_error_within_an_update_the_settings_are_the_optimizers():
    p = nn.Parameter(np.zeros(2))
    p.grad = ts.tensor(np.ones(2))
    optimizer = optim.Optimizer([{"params": [p], "lr": 1.0}], lr=0.25)
    with pytest.raises(NotImplementedError):
        optimizer.step()
    assert optimizer.lr == 0.25


def test_settings_change_between_steps():
    """A schedule sets the rate of all groups that state none."""
    ps = parameters()
    optimizer = optim.SGD([{"params": ps[:2], "lr": 0.5}, {"params": ps[2:]}], lr=0.1, weight_decay=0.01)
    first, second = optimizer.groups
    optimizer.lr = 0.2
    assert (first.lr, second.lr, first.weight_decay) == (0.5, 0.2, 0.01)
    second.weight_decay = np.float32(0.25)
    first.weight_decay = 0.75
    assert dict(first.stated) == {"lr": 0.5, "weight_decay": 0.75}
    first.weight_decay = first.lr = None
    assert (first.lr, second.weight_decay, optimizer.weight_decay) == (0.2, 0.25, 0.01)
    assert repr(second) == "Group of 2 parameters: lr=0.2, weight_decay=0.25"
    with pytest.raises(ValueError, match=r"SGD needs a number lr in \[0, inf\), got -1"):
        first.lr = -1
    with pytest.raises(TypeError, match=r"SGD needs a number weight_decay in \[0, inf\), got str"):
        first.weight_decay = "0"
    assert (dict(first.stated), dict(second.stated)) == ({}, {"weight_decay": 0.25})


def test_errors_of_groups():
    p, q = (nn.Parameter(np.zeros(n)) for n in (2, 3))
    twice = (
        r"SGD needs every parameter in one group, got float64\[3\] as params\[1\] of group 0 and as params\[0\]"
    )
    with pytest.raises(ValueError, match=twice):
        optim.SGD([{"params": [p, q]}, {"params": [q]}], lr=0.1)
    with pytest.raises(
        TypeError, match=r"a group of SGD may state lr and weight_decay, got 'momentum': .* two opt"
    ):
        optim.SGD([{"params": [p], "momentum": 0.9}], lr=0.1)
    for given in ([{"params": [p]}, q], [{"lr": 0.1}]):
        with pytest.raises(
            TypeError, match=r'SGD needs groups {"params": \[...\], "lr": ...}, got .* as group'
        ):
            optim.SGD(given, lr=0.1)
    with pytest.raises(TypeError, match=r"SGD needs a list of parameters, got float64\[2\]; write \[p\]"):
        optim.SGD([{"params": p}], lr=0.1)
    with pytest.raises(ValueError, match=r"SGD needs a number lr in \[0, inf\), got nan"):
        optim.SGD([{"params": [p], "lr": np.nan}], lr=0.1)
    with pytest.raises(ValueError, match="SGD needs at least one parameter"):
        optim.SGD([{"params": []}], lr=0.1)
    assert optim.SGD([{"params": [p, p]}, {"params": []}], lr=0.1).parameters == [p]


# --- by name --------------------------------------------------------------------------------------------


def test_by_name():
    model = nn.Recurrent(nn.Stacked(nn.RNNCell(2, 3, rng=0), nn.RNNCell(3, 2, rng=1)))
    names = [name for name, _ in model.named_parameters()]
    first, second = model.cell.cells
    assert [name.rpartition(".")[2] for name in names] == ["Wx", "Wh", "b", "Wx", "Wh", "b"]

    def options(name):
        return {"weight_decay": 0} if name.endswith("b") else {"lr": np.float32(0.5 * ("cells.1" in name))}

    groups = optim.by_name(model.named_parameters(), options)
    assert groups == [
        {"params": [first.Wx, first.Wh], "lr": 0.0},
        {"params": [first.b, second.b], "weight_decay": 0.0},
        {"params": [second.Wx, second.Wh], "lr": 0.5},
    ]
    called = []
    optim.by_name(model.named_parameters(), lambda name: called.append(name) or {})
    assert called == names


def test_errors_of_by_name():
    model = nn.Linear(2, 3, rng=0)
    with pytest.raises(
        TypeError, match=r"by_name needs .* got the model; write by_name\(model.named_parameters"
    ):
        optim.by_name(model, lambda name: {})
    with pytest.raises(TypeError, match=r"by_name needs pairs \(name, parameter\), got float32\[2,3\]"):
        optim.by_name(model.parameters(), lambda name: {})
    with pytest.raises(
        TypeError, match="by_name needs a dict from the function, got NoneType None for 'weight'"
    ):
        optim.by_name(model.named_parameters(), lambda name: None)
    with pytest.raises(TypeError, match="by_name needs a function from a name to a dict, got dict"):
        optim.by_name(model.named_parameters(), {"weight": {}})
    with pytest.raises(TypeError, match="by_name for 'weight' may state lr and weight_decay, got 'eps'"):
        optim.by_name(model.named_parameters(), lambda name: {"eps": 1.0})
    with pytest.raises(ValueError, match=r"by_name for 'weight' needs a number lr in \[0, inf\), got -1"):
        optim.by_name(model.named_parameters(), lambda name: {"lr": -1})


# --- state ----------------------------------------------------------------------------------------------


def grouped(make, ps):
    return make([{"params": ps[:1]}, {"params": ps[1:], "lr": 0.5}], lr=0.1, weight_decay=0.2)


@every_kind
def test_a_run_with_groups_resumes_with_the_same_bits(make, tmp_path):
    """Also the settings that were changed between steps; the state goes through a file."""
    ps = parameters()
    optimizer = grouped(make, ps)
    steps(ps, optimizer)
    optimizer.groups[0].weight_decay, optimizer.groups[1].lr, optimizer.weight_decay = 0.5, None, 0.3
    ts.save(tmp_path / "state", optimizer.state_dict())
    others = [nn.Parameter(p.numpy()) for p in ps]
    resumed = grouped(make, others)
    resumed.load_state_dict(ts.load(tmp_path / "state"))
    assert str(resumed.groups) == str(optimizer.groups)
    steps(ps, optimizer, seeds=range(4, 8))
    steps(others, resumed, seeds=range(4, 8))
    assert_same(ps, others)
    assert optimizer.state_dict()["groups"] == [{"size": 1, "weight_decay": 0.5}, {"size": 3}]


@every_kind
def test_a_copy_with_groups_trains_on_with_the_same_bits(make):
    """Settings of the copy are its own."""
    ps = parameters()
    optimizer = grouped(make, ps)
    steps(ps, optimizer)
    others, twin = copy.deepcopy((ps, optimizer))
    twin.lr = optimizer.lr = 0.25
    steps(ps, optimizer, seeds=range(4, 8))
    steps(others, twin, seeds=range(4, 8))
    assert_same(ps, others)
    twin.lr, twin.groups[1].lr = 0.0, 0.0
    assert (optimizer.lr, optimizer.groups[0].lr, optimizer.groups[1].lr) == (0.25, 0.25, 0.5)
    assert [group.lr for group in twin.groups] == [0.0, 0.0]


@every_kind
def test_a_state_without_groups_and_weight_decay_loads(make):
    """States that were saved before there were any; the weight decay stays that of the optimizer."""
    optimizer = make(parameters(), lr=0.1, weight_decay=0.2)
    state = optimizer.state_dict()
    assert "groups" not in state
    del state["weight_decay"]
    optimizer.lr = 0.3
    optimizer.groups[0].lr = 0.4
    assert optimizer.state_dict()["groups"] == [{"size": 4, "lr": 0.4}]
    optimizer.load_state_dict(state)
    assert (optimizer.lr, optimizer.groups[0].lr, optimizer.weight_decay) == (0.1, 0.1, 0.2)


def test_groups_of_a_state_that_do_not_fit():
    optimizer = grouped(optim.SGD, parameters())
    state = optimizer.state_dict()
    whole = optim.SGD(parameters(), lr=0.1)
    for target, given, words in [
        (optimizer, whole.state_dict(), "groups is missing"),
        (whole, state, r"groups needs groups of \[4\] parameters, got \[1, 3\]"),
        (
            optimizer,
            {**state, "groups": [{"size": 3}, {"size": 1}]},
            r"groups needs groups of \[1, 3\] parameters",
        ),
        (optimizer, {**state, "groups": 3}, "groups needs a list of dicts, got int 3"),
        (optimizer, {**state, "groups": [None, {}]}, "groups needs a list of dicts, got list"),
        (optimizer, {**state, "weight_decay": -1}, r"SGD needs a number weight_decay in \[0, inf\), got -1"),
        (
            optimizer,
            {**state, "groups": [{"size": 1, "lr": -1}, {"size": 3}]},
            r"SGD needs a number lr in \[0, inf\), got -1",
        ),
        (
            optimizer,
            {**state, "groups": [{"size": 1}, {"size": 3, "eps": 1.0}]},
            "a group of SGD may state lr and weight_decay, got 'eps'",
        ),
    ]:
        with pytest.raises(ValueError, match=f"does not fit this SGD; nothing was loaded\n  {words}"):
            target.load_state_dict({**given, "lr": 0.7})
        assert target.lr == 0.1
