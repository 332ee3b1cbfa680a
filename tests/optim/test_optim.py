"""Optimizers compared with their closed forms in NumPy, and what all promise, such as exact resumption."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest
from results import assert_allclose, assert_array_equal, host

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.tensor import habits

OPTIMIZERS = {
    "SGD": lambda ps: optim.SGD(ps, lr=0.1),
    "momentum": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9),
    "Nesterov": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True),
    "RMSprop": lambda ps: optim.RMSprop(ps, lr=0.1),
    "RMSprop with momentum": lambda ps: optim.RMSprop(ps, lr=0.1, momentum=0.9),
    "centered RMSprop": lambda ps: optim.RMSprop(ps, lr=0.1, alpha=0.9, momentum=0.5, centered=True),
    "Adam": lambda ps: optim.Adam(ps, lr=0.1),
    "AdamW": lambda ps: optim.AdamW(ps, lr=0.1, weight_decay=0.1),
    "Nesterov, decaying": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "RMSprop, decaying": lambda ps: optim.RMSprop(ps, lr=0.1, weight_decay=0.1),
    "Adam, decaying": lambda ps: optim.Adam(ps, lr=0.1, weight_decay=0.1),
}
every_optimizer = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())


def parameters(seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return [nn.Parameter(rng.normal(size=shape).astype(dtype)) for shape in [(3, 2), (4,), ()]]


def random_gradients(ps, seed):
    rng = np.random.default_rng(seed)
    for p in ps:
        p.grad = ts.tensor(rng.normal(size=p.shape).astype(p.dtype))


@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf])
@every_optimizer
def test_a_learning_rate_that_is_set_is_read_too(make, value):
    optimizer = make(parameters())
    with pytest.raises(ValueError, match=rf"{type(optimizer).__name__} needs a number lr in \[0, inf\), got"):
        optimizer.lr = value
    with pytest.raises(
        TypeError, match=rf"{type(optimizer).__name__} needs a number lr in \[0, inf\), got str"
    ):
        optimizer.lr = "0.1"
    optimizer.lr = np.float32(0.25)
    assert type(optimizer.lr) is float


def test_sgd():
    ps = parameters()
    before = [p.numpy() for p in ps]
    random_gradients(ps, 1)
    optim.SGD(ps, lr=0.1).step()
    for p, old in zip(ps, before, strict=True):
        assert_allclose(p.numpy(), old - 0.1 * p.grad.numpy(), rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_adam(dtype):
    ps = parameters(dtype=dtype)
    optimizer = optim.Adam(ps, lr=0.1, betas=(0.8, 0.9), eps=1e-3)
    expected = [p.numpy().astype(np.float64) for p in ps]
    m, v = [np.zeros(p.shape) for p in ps], [np.zeros(p.shape) for p in ps]
    for t in range(1, 6):
        random_gradients(ps, t)
        optimizer.step()
        for i, p in enumerate(ps):
            g = p.grad.numpy().astype(np.float64)
            m[i] = 0.8 * m[i] + 0.2 * g
            v[i] = 0.9 * v[i] + 0.1 * g**2
            m_hat, v_hat = m[i] / (1 - 0.8**t), v[i] / (1 - 0.9**t)
            expected[i] = expected[i] - 0.1 * m_hat / (np.sqrt(v_hat) + 1e-3)
            assert_allclose(p.numpy(), expected[i], rtol=1e-5 if dtype == np.float32 else 1e-13)
            assert p.dtype == dtype


def closed_form(kind, steps=5, dtype=np.float64, **options):
    """Parameters after some steps of an optimizer, and the result of the equations in float64."""
    ps = parameters(dtype=dtype)
    optimizer = kind(ps, lr=0.1, **options)
    expected = [p.numpy().astype(np.float64) for p in ps]
    gradients = []
    for t in range(steps):
        random_gradients(ps, t)
        gradients.append([p.grad.numpy().astype(np.float64) for p in ps])
        optimizer.step()
    return [p.numpy() for p in ps], expected, list(zip(*gradients, strict=True))


def close(ps, expected, dtype=np.float64):
    for p, q in zip(ps, expected, strict=True):
        assert_allclose(p, q, rtol=1e-5 if dtype == np.float32 else 1e-13)
        assert p.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum(nesterov, dtype):
    """v(t) = sum_k mu^(t-k) g(k) in closed form; Nesterov's step is mu v(t) + g(t)."""
    ps, expected, gradients = closed_form(optim.SGD, momentum=0.8, nesterov=nesterov, dtype=dtype)
    for i, gs in enumerate(gradients):
        for t in range(len(gs)):
            v = sum(0.8 ** (t - k) * gs[k] for k in range(t + 1))
            expected[i] = expected[i] - 0.1 * (0.8 * v + gs[t] if nesterov else v)
    close(ps, expected, dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_rmsprop(momentum, centered, dtype):
    """n(t) = (1 - alpha) sum_k alpha^(t-k) g(k)^2 in closed form, m(t) likewise; eps is outside the root."""
    options = {"alpha": 0.9, "eps": 1e-2, "momentum": momentum, "centered": centered}
    ps, expected, gradients = closed_form(optim.RMSprop, dtype=dtype, **options)
    for i, gs in enumerate(gradients):
        v = np.zeros(gs[0].shape)
        for t in range(len(gs)):
            n = 0.1 * sum(0.9 ** (t - k) * gs[k] ** 2 for k in range(t + 1))
            m = 0.1 * sum(0.9 ** (t - k) * gs[k] for k in range(t + 1))
            v = momentum * v + gs[t] / (np.sqrt(n - centered * m**2) + 1e-2)
            expected[i] = expected[i] - 0.1 * v
    close(ps, expected, dtype)


def test_a_variance_that_rounds_below_zero_is_zero():
    """A constant gradient has variance 0; rounding can make n - m^2 slightly positive or negative."""
    p = nn.Parameter(np.zeros(1000, np.float32))
    p.grad = ts.tensor(np.random.default_rng(0).normal(size=1000).astype(np.float32))
    optimizer = optim.RMSprop([p], alpha=0.5, centered=True)
    for _ in range(100):
        p.assign_(np.zeros(1000, np.float32))
        optimizer.step()
    rounded = host(optimizer.n[0] < optimizer.m[0] ** 2)
    assert rounded.any()
    assert np.isfinite(p.numpy()).all()
    assert_allclose(p.numpy()[rounded], (-1e-2 / 1e-8 * p.grad.numpy())[rounded], rtol=1e-5)


def test_adamw_decays_the_weights_and_not_the_moments():
    ps, expected, gradients = closed_form(optim.AdamW, steps=1, weight_decay=0.3)
    alone = [nn.Parameter(np.zeros(p.shape)) for p in expected]
    for q, (g,) in zip(alone, gradients, strict=True):
        q.grad = ts.tensor(g)
    optim.Adam(alone, lr=0.1).step()
    close(ps, [0.97 * p + q.numpy() for p, q in zip(expected, alone, strict=True)])
    assert optim.AdamW(alone).weight_decay == 0.01


def test_adamw_without_decay_is_adam():
    ps, *_ = closed_form(optim.AdamW, weight_decay=0.0)
    close(ps, closed_form(optim.Adam)[0])


@pytest.mark.parametrize(
    "make",
    [
        lambda ps, **decay: optim.SGD(ps, lr=0.1, **decay),
        lambda ps, **decay: optim.SGD(ps, lr=0.1, momentum=0.9, **decay),
        lambda ps, **decay: optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True, **decay),
        lambda ps, **decay: optim.RMSprop(ps, lr=0.1, centered=True, **decay),
        lambda ps, **decay: optim.Adam(ps, lr=0.1, **decay),
    ],
)
def test_coupled_weight_decay_is_a_gradient(make):
    """The steps are those for the gradient g + weight_decay p; the gradients themselves do not change."""
    ps, others = parameters(), parameters()
    decaying, plain = make(ps, weight_decay=0.3), make(others)
    for seed in range(4):
        random_gradients(ps, seed)
        given = [p.grad.numpy() for p in ps]
        for q, g in zip(others, given, strict=True):
            q.grad = ts.tensor(g + 0.3 * q.numpy())
        decaying.step()
        plain.step()
        for p, q, g in zip(ps, others, given, strict=True):
            assert_allclose(p.numpy(), q.numpy(), rtol=1e-12)
            assert_array_equal(p.grad.numpy(), g)


@pytest.mark.parametrize("kind", [optim.SGD, optim.RMSprop, optim.Adam, optim.AdamW])
def test_weight_decay_may_be_set_between_steps(kind):
    ps, others = parameters(), parameters()
    changed, made = kind(ps, lr=0.1), kind(others, lr=0.1, weight_decay=0.4)
    changed.weight_decay = np.float32(0.5)
    assert type(changed.weight_decay) is float
    changed.weight_decay = 0.4
    for optimizer in (changed, made):
        random_gradients(optimizer.parameters, 0)
        optimizer.step()
    for p, q in zip(ps, others, strict=True):
        assert_array_equal(p.numpy(), q.numpy())
    with pytest.raises(ValueError, match=rf"{kind.__name__} needs a number weight_decay in \[0, inf\), got -1"):
        changed.weight_decay = -1
    with pytest.raises(
        TypeError, match=rf"{kind.__name__} needs a number weight_decay in \[0, inf\), got None"
    ):
        kind(ps, lr=0.1, weight_decay=None)


@every_optimizer
def test_a_shared_parameter_is_updated_once(make):
    (p, *_), (q, *_) = parameters(), parameters()
    twice, once = make([p, p]), make([q])
    assert len(twice.parameters) == 1
    random_gradients([p], 1)
    random_gradients([q], 1)
    twice.step()
    once.step()
    assert (p.numpy() == q.numpy()).all()


@every_optimizer
def test_parameters_without_gradient_are_skipped(make):
    """They do not change, and neither do their moments: their first step is a first step."""
    ps, alone = parameters(), parameters()
    optimizer = make(ps)
    before = ps[1].numpy()
    for seed in range(3):
        random_gradients(ps, seed)
        ps[1].grad = None
        optimizer.step()
    assert (ps[1].numpy() == before).all()
    random_gradients(ps, 7)
    random_gradients(alone, 7)
    optimizer.step()
    make(alone).step()
    assert (ps[1].numpy() == alone[1].numpy()).all()
    ps[0].requires_grad = False
    optimizer.zero_grad()
    assert ps[1].grad is None


@every_optimizer
def test_a_step_is_in_place_and_allocates_nothing(make):
    big = nn.Parameter(np.zeros(1_000_000, np.float32))
    big.grad = ts.tensor(np.ones(1_000_000, np.float32))
    optimizer = make([big])
    optimizer.step()
    memory = big.data
    tracemalloc.start()
    optimizer.step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.shares_memory(memory, big.data)
    assert peak < big.data.nbytes / 10


@every_optimizer
def test_a_tape_from_before_the_step_is_an_error(make):
    p = nn.Parameter(np.ones(2))
    loss = (p * p).sum()
    loss.backward(retain_graph=True)
    make([p]).step()
    with pytest.raises(RuntimeError, match="changed"):
        loss.backward()


@every_optimizer
def test_resuming_is_exact(make):
    """Ten steps give the same bits as five steps, a new optimizer that loads the state, and five more."""

    def run(steps, ps, optimizer, start=0):
        for seed in range(start, start + steps):
            random_gradients(ps, seed)
            if seed % 2:
                ps[1].grad = None
            optimizer.step()

    ps = parameters(dtype=np.float32)
    optimizer = make(ps)
    run(5, ps, optimizer)
    optimizer.lr = 0.05
    state, values = optimizer.state_dict(), [p.numpy() for p in ps]
    run(5, ps, optimizer, start=5)

    others = [nn.Parameter(value) for value in values]
    resumed = make(others)
    resumed.load_state_dict(state)
    assert (resumed.lr, resumed.steps) == (0.05, 5)
    run(5, others, resumed, start=5)
    assert resumed.steps == optimizer.steps == 10
    for p, q in zip(ps, others, strict=True):
        assert (p.numpy() == q.numpy()).all()


def test_a_state_is_a_copy():
    ps = parameters()
    optimizer = optim.Adam(ps)
    state = optimizer.state_dict()
    random_gradients(ps, 0)
    optimizer.step()
    assert (state["m"][0] == 0).all()
    optimizer.load_state_dict(state)
    optimizer.step()
    assert (state["m"][0] == 0).all()


def test_a_state_may_hold_tensors():
    optimizer, other = optim.Adam(parameters()), optim.Adam(parameters())
    random_gradients(optimizer.parameters, 0)
    optimizer.step()
    state = optimizer.state_dict()
    other.load_state_dict({k: list(map(ts.tensor, v)) if type(v) is list else v for k, v in state.items()})
    for own, given in zip(other.m + other.v + other.t, state["m"] + state["v"] + state["t"], strict=True):
        assert_array_equal(own, given)


def test_a_state_that_does_not_fit_lists_all_problems():
    optimizer = optim.Adam(parameters())
    state = optimizer.state_dict()
    del state["lr"], state["steps"]
    state["momentum"] = []
    state["m"][0] = np.ones((2, 3))
    state["v"] = state["v"][:2]
    state["t"][1] = np.zeros((), np.float32)
    with pytest.raises(ValueError, match="nothing was loaded") as caught:
        optimizer.load_state_dict(state)
    for words in [
        "lr is missing",
        "steps is missing",
        "momentum is unexpected",
        "m[0] needs float64[3,2], got float64[2,3]",
        "v needs 3 arrays, one per parameter, got 2",
        "t[1] needs int64[], got float32[]",
    ]:
        assert words in str(caught.value)
    assert (optimizer.m[0] == 0).all()


@every_optimizer
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copy_of_a_model_with_its_optimizer_trains_on_with_the_same_bits(make, duplicate):
    model = nn.Linear(3, 2, rng=0)

    def run(model, optimizer, seeds):
        for seed in seeds:
            random_gradients(optimizer.parameters, seed)
            optimizer.step()
        return model.state_dict()

    optimizer = make(model.parameters())
    run(model, optimizer, range(3))
    pair = duplicate((model, optimizer))
    expected, found = run(model, optimizer, range(3, 6)), run(*pair, range(3, 6))
    assert pair[1].parameters[0] is not optimizer.parameters[0]
    for name in expected:
        assert_array_equal(found[name], expected[name])


def test_habits_of_pytorch():
    optimizer = optim.SGD(parameters(), lr=0.1)
    with pytest.raises(AttributeError, match=r"optimizer SGD has no param_groups: write optimizer\.groups"):
        _ = optimizer.param_groups
    with pytest.raises(AttributeError, match=r"optimizer SGD has no defaults: write optimizer\.lr"):
        _ = optimizer.defaults
    with pytest.raises(AttributeError, match="optimizer SGD has no attribute 'betas'"):
        _ = optimizer.betas
    for value in (True, False):
        with pytest.raises(TypeError, match=r"SGD\.zero_grad takes no arguments, got set_to_none: .* to None"):
            optimizer.zero_grad(set_to_none=value)
    assert [name for name in habits.OPTIMIZERS if name in dir(optim.Adam(parameters()))] == []


@pytest.mark.parametrize("kind", [optim.SGD, optim.RMSprop, optim.AdamW])
def test_a_warning_of_mixed_dtypes_points_to_the_call(kind):
    mixed = [nn.Parameter(np.zeros(2, dtype)) for dtype in (np.float32, np.float64)]
    with pytest.warns(UserWarning, match="parameters of float32 and of float64") as caught:
        kind(mixed, lr=0.1)
    assert caught[0].filename == __file__


def test_errors():
    with pytest.raises(ValueError, match="at least one parameter"):
        optim.SGD([], lr=0.1)
    with pytest.raises(TypeError, match="SGD needs leaf tensors of floats, got int64"):
        optim.SGD([ts.tensor([1])], lr=0.1)
    p = nn.Parameter(np.ones(2))
    with pytest.raises(ValueError, match="nesterov=True needs a momentum"):
        optim.SGD([p], lr=0.1, nesterov=True)
    with pytest.raises(TypeError, match="leaf tensor"):
        optim.Adam([p * p])
    with pytest.raises(TypeError, match="leaf tensor"):
        optim.Adam([np.ones(2)])


@pytest.mark.parametrize(
    "call",
    [
        *[
            lambda ps, kind=kind: kind(ps, lr=0.1)
            for kind in (optim.SGD, optim.RMSprop, optim.Adam, optim.AdamW)
        ],
        lambda ps: optim.clip_grad_norm_(ps, 1.0),
        lambda ps: optim.clip_grad_value_(ps, 1.0),
    ],
)
def test_what_is_not_a_list_of_parameters_is_one_clear_error(call):
    p = nn.Parameter(np.ones(2))
    with pytest.raises(TypeError, match=r"\w+ needs the parameters of a model, got the model; write \w+\("):
        call(nn.Linear(2, 2, rng=0))
    for given in (None, 3, p, ts.ones(2)):
        with pytest.raises(TypeError, match=r"\w+ needs a list of parameters, got .*; write \[p\] for one"):
            call(given)
    for given in ([None], [np.ones(2)], [p, p * p], "ab", [ts.tensor([1])], {"p": p}):
        with pytest.raises(TypeError, match=r"\w+ needs leaf tensors of floats, got"):
            call(given)


def test_training_is_reproducible_bit_for_bit():
    def run():
        model = nn.Linear(3, 2, rng=0)
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        rng = np.random.default_rng(1)
        for _ in range(10):
            loss = nn.cross_entropy(model(rng.normal(size=(4, 3)).astype(np.float32)), rng.integers(0, 2, 4))
            optimizer.zero_grad()
            loss.backward()
            optim.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
        return model.state_dict()

    first, second = run(), run()
    assert all((first[name] == second[name]).all() for name in first)
