"""Optimizers against their closed form in NumPy; clipping against the rule; exact resumption."""

import tracemalloc

import numpy as np
import pytest

import tinygrad_seq as ts
from tinygrad_seq import nn, optim

OPTIMIZERS = [lambda ps: optim.SGD(ps, lr=0.1), lambda ps: optim.Adam(ps, lr=0.1)]


def parameters(seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return [nn.Parameter(rng.normal(size=shape).astype(dtype)) for shape in [(3, 2), (4,), ()]]


def random_gradients(ps, seed):
    rng = np.random.default_rng(seed)
    for p in ps:
        p.grad = ts.tensor(rng.normal(size=p.shape).astype(p.dtype))


def test_sgd():
    ps = parameters()
    before = [p.numpy() for p in ps]
    random_gradients(ps, 1)
    optim.SGD(ps, lr=0.1).step()
    for p, old in zip(ps, before, strict=True):
        np.testing.assert_allclose(p.numpy(), old - 0.1 * p.grad.numpy(), rtol=1e-15)


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
            np.testing.assert_allclose(p.numpy(), expected[i], rtol=1e-5 if dtype == np.float32 else 1e-13)
            assert p.dtype == dtype


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_a_shared_parameter_is_updated_once(make):
    (p, *_), (q, *_) = parameters(), parameters()
    twice, once = make([p, p]), make([q])
    assert len(twice.parameters) == 1
    random_gradients([p], 1)
    random_gradients([q], 1)
    twice.step()
    once.step()
    assert (p.numpy() == q.numpy()).all()


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_parameters_without_gradient_are_skipped(make):
    """Not moved, and their moments are not aged: their first step is a first step."""
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


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_a_step_is_in_place_and_allocates_nothing(make):
    big = nn.Parameter(np.zeros(100_000, np.float32))
    big.grad = ts.tensor(np.ones(100_000, np.float32))
    optimizer = make([big])
    optimizer.step()
    memory = big.data
    tracemalloc.start()
    optimizer.step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.shares_memory(memory, big.data)
    assert peak < big.data.nbytes / 10


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_a_tape_from_before_the_step_is_an_error(make):
    p = nn.Parameter(np.ones(2))
    loss = (p * p).sum()
    loss.backward(retain_graph=True)
    make([p]).step()
    with pytest.raises(RuntimeError, match="changed"):
        loss.backward()


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_resuming_is_exact(make):
    def run(steps, ps, optimizer, start=0):
        for seed in range(start, start + steps):
            random_gradients(ps, seed)
            if seed % 2:
                ps[1].grad = None
            optimizer.step()

    ps = parameters(dtype=np.float32)
    optimizer = make(ps)
    run(3, ps, optimizer)
    optimizer.lr = 0.05
    state, values = optimizer.state_dict(), [p.numpy() for p in ps]
    run(4, ps, optimizer, start=3)

    others = [nn.Parameter(value) for value in values]
    resumed = make(others)
    resumed.load_state_dict(state)
    assert resumed.lr == 0.05
    run(4, others, resumed, start=3)
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


def test_a_state_that_does_not_fit_lists_all_problems():
    optimizer = optim.Adam(parameters())
    state = optimizer.state_dict()
    del state["lr"]
    state["momentum"] = []
    state["m"][0] = np.ones((2, 3))
    state["v"] = state["v"][:2]
    state["t"][1] = np.zeros((), np.float32)
    with pytest.raises(ValueError, match="nothing was loaded") as caught:
        optimizer.load_state_dict(state)
    for words in [
        "lr is missing",
        "momentum is unexpected",
        "m[0] is float64[3,2], given float64[2,3]",
        "v is of 2 parameters, not 3",
        "t[1] is int64[], given float32[]",
    ]:
        assert words in str(caught.value)
    assert (optimizer.m[0] == 0).all()


def test_errors():
    with pytest.raises(ValueError, match="at least one parameter"):
        optim.SGD([], lr=0.1)
    with pytest.raises(TypeError, match="leaf tensor of floats, not int64"):
        optim.SGD([ts.tensor([1])], lr=0.1)
    p = nn.Parameter(np.ones(2))
    with pytest.raises(TypeError, match="leaf tensor"):
        optim.Adam([p * p])
    with pytest.raises(TypeError, match="leaf tensor"):
        optim.Adam([np.ones(2)])


# --- clipping -----------------------------------------------------------------------------------------


def with_gradients(*gradients):
    ps = [nn.Parameter(np.zeros_like(g)) for g in gradients]
    for p, g in zip(ps, gradients, strict=True):
        p.grad = ts.tensor(g)
    return ps


def test_clipping_scales_all_gradients_to_the_norm():
    ps = with_gradients(np.array([3.0, 0.0]), np.array([[4.0], [12.0]]))
    norm = optim.clip_grad_norm_(ps, 1.0)
    assert norm == 13.0
    assert isinstance(norm, float)
    np.testing.assert_allclose(ps[0].grad.numpy(), np.array([3.0, 0.0]) / 13, rtol=1e-15)
    np.testing.assert_allclose(ps[1].grad.numpy(), np.array([[4.0], [12.0]]) / 13, rtol=1e-15)


@pytest.mark.parametrize("bound", [5.0, 5.1, np.inf])
def test_clipping_leaves_what_is_within_the_bound_alone_to_the_last_bit(bound):
    g = np.array([3.0, 4.0], np.float32)
    (p,) = with_gradients(g)
    assert optim.clip_grad_norm_([p], bound) == 5.0
    assert (p.grad.numpy() == g).all()


def test_clipping_counts_a_shared_parameter_once_and_skips_missing_gradients():
    p, q = with_gradients(np.array([3.0, 4.0]), np.array([7.0]))
    q.grad = None
    assert optim.clip_grad_norm_([p, q, p], 1.0) == 5.0
    assert q.grad is None
    np.testing.assert_allclose(p.grad.numpy(), [0.6, 0.8], rtol=1e-15)
    assert optim.clip_grad_norm_([q], 1.0) == 0.0
    assert optim.clip_grad_norm_([], 1.0) == 0.0


@pytest.mark.parametrize("size", [3e38, 1e-34])
def test_clipping_neither_overflows_nor_underflows_in_float32(size):
    g = np.array([3.0, 4.0], np.float32) * np.float32(size / 4)
    (p,) = with_gradients(g)
    norm = optim.clip_grad_norm_([p], size / 100)
    np.testing.assert_allclose(norm, 1.25 * size, rtol=1e-6)
    np.testing.assert_allclose(p.grad.numpy(), np.array([0.6, 0.8]) * size / 100, rtol=1e-5)
    assert p.grad.dtype == np.float32


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_norm_that_is_not_finite_raises_or_skips(bad):
    ps = with_gradients(np.array([bad, 1.0]), np.array([2.0]))
    with pytest.raises(FloatingPointError, match=r"norm of the gradient is (nan|inf)"):
        optim.clip_grad_norm_(ps, 1.0)
    assert (ps[1].grad.numpy() == 2.0).all()

    optimizer = optim.Adam(ps)
    assert not np.isfinite(optim.clip_grad_norm_(ps, 1.0, error_if_nonfinite=False))
    optimizer.step()
    assert all((p.numpy() == 0).all() for p in ps)
    assert all((m == 0).all() for m in optimizer.m)


@pytest.mark.parametrize("bound", [0.0, -1.0, np.nan])
def test_a_bound_must_be_positive(bound):
    with pytest.raises(ValueError, match="max_norm must be positive"):
        optim.clip_grad_norm_([], bound)


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
