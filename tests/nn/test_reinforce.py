"""REINFORCE compared with exact gradients: all choices are enumerated, or integrated by Gaussian quadrature."""

import itertools

import numpy as np
import pytest
from results import assert_allclose, assert_array_equal, host

import tinygrad_seq as ts
from tinygrad_seq.nn import reinforce
from tinygrad_seq.testing import check_grad

rng = np.random.default_rng(0)
CHOICES, STEPS = 3, 3


# --- the estimate is unbiased ---------------------------------------------------------------------------


def policy(first, table, previous):
    """The logits of a choice, given the choice before: the first step has weights of its own."""
    return ts.broadcast_to(first, (1, CHOICES)) if previous is None else table[[previous]]


REWARDS = rng.normal(size=(STEPS, CHOICES, CHOICES))  # of a choice and the one before it


def exact(first, table):
    """E[R], the sum over all sequences of their probability times their rewards."""
    expected = 0.0
    for choices in itertools.product(range(CHOICES), repeat=STEPS):
        probability, reward, previous = 1.0, 0.0, None
        for t, choice in enumerate(choices):
            probability = probability * ts.softmax(policy(first, table, previous))[0, choice]
            reward += REWARDS[t, choice, 0 if previous is None else previous]
            previous = choice
        expected = expected + probability * reward
    return expected


def estimate(first, table, choices, baselines):
    """The loss of one sequence, by noise that forces these choices; and its probability."""
    logs, rewards, previous = [], [], None
    for t, choice in enumerate(choices):
        noise = 1e6 * (np.arange(CHOICES) == choice)[None]
        made, log_p = reinforce.categorical(policy(first, table, previous), ts.tensor(noise))
        assert host(made) == [choice]
        logs.append(log_p)
        rewards.append([REWARDS[t, choice, 0 if previous is None else previous]])
        previous = choice
    logs = ts.stack(logs)
    loss = reinforce.loss(logs, reinforce.returns(ts.tensor(np.array(rewards))), ts.tensor(baselines))
    return loss, np.exp(host(logs).sum())


@pytest.mark.parametrize("level", [0.0, 10.0])
def test_the_mean_of_the_estimate_is_the_gradient_of_the_expected_reward(level):
    """By every baseline: the mean over all sequences, weighted by their probabilities, is exact."""
    first = ts.tensor(rng.normal(size=CHOICES), requires_grad=True)
    table = ts.tensor(rng.normal(size=(CHOICES, CHOICES)), requires_grad=True)
    baselines = level * rng.normal(size=(STEPS, 1))
    mean, total = [0.0, 0.0], 0.0
    for choices in itertools.product(range(CHOICES), repeat=STEPS):
        loss, probability = estimate(first, table, choices, baselines)
        found = ts.grad(loss, [first, table])
        mean = [m + probability * host(g) for m, g in zip(mean, found, strict=True)]
        total += probability
    assert_allclose(ts.tensor(total), 1.0, rtol=1e-12)
    for m, g in zip(mean, ts.grad(exact(first, table), [first, table]), strict=True):
        assert_allclose(g, -m, rtol=1e-11, atol=1e-12)
        assert np.abs(m).min() > 1e-4


@pytest.mark.parametrize("baseline", [0.0, 7.0])
def test_the_mean_of_the_estimate_of_gaussian_choices_is_exact(baseline):
    """The reward is a polynomial of degree 3, which Gaussian quadrature with 5 nodes integrates exactly."""

    def reward(a):
        return a[..., 0] ** 2 * a[..., 1] - 3 * a[..., 1] + 2 * a[..., 0]

    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    weights = weights / weights.sum()
    noise = np.array(list(itertools.product(nodes, nodes)))
    shares = np.prod(list(itertools.product(weights, weights)), axis=1)
    w, sigma = ts.tensor([0.4, -0.9], dtype=np.float64, requires_grad=True), 0.7
    means = ts.broadcast_to(w, noise.shape)
    a, log_p = reinforce.gaussian(means, sigma, ts.tensor(noise))
    assert not a.requires_grad
    rewards = reward(host(a))[None] * shares * len(shares)  # loss is a mean with equal weights
    baselines = np.full((1, len(shares)), baseline) * shares * len(shares)
    found = ts.grad(reinforce.loss(log_p[None], ts.tensor(rewards), ts.tensor(baselines)), w)
    # E[R] = (w1^2 + sigma^2) w2 - 3 w2 + 2 w1
    assert_allclose(-found, [2 * 0.4 * -0.9 + 2, 0.4**2 + sigma**2 - 3], rtol=1e-12)


# --- choices and their probabilities --------------------------------------------------------------------


@pytest.mark.parametrize("lead", [(), (4,), (2, 3), (0,)])
def test_a_gaussian_choice_is_its_definition(lead):
    mean, noise = rng.normal(size=(2, *lead, 3))
    a, log_p = reinforce.gaussian(ts.tensor(mean), 0.2, ts.tensor(noise))
    assert_allclose(a, mean + 0.2 * noise, rtol=1e-14)
    density = np.exp(-0.5 * noise**2) / (0.2 * np.sqrt(2 * np.pi))
    assert_allclose(log_p, np.log(density).sum(-1), rtol=1e-12)


def test_the_derivative_of_a_gaussian_log_probability_takes_the_choice_as_constant():
    mean = ts.tensor(rng.normal(size=(2, 3)), requires_grad=True)
    noise = rng.normal(size=(2, 3))
    a, log_p = reinforce.gaussian(mean, 0.2, ts.tensor(noise))
    fixed = host(a)
    assert_allclose(ts.grad(log_p.sum(), mean, retain_graph=True), noise / 0.2, rtol=1e-12)
    check_grad(lambda m: -((ts.tensor(fixed) - m) ** 2).sum(-1) / 0.08, host(mean))  # what it is, with a fixed
    second = ts.grad(ts.grad(log_p.sum(), mean, create_graph=True, retain_graph=True).sum(), mean)
    assert_allclose(second, np.full((2, 3), -25.0), rtol=1e-12)


@pytest.mark.parametrize("lead", [(), (4,), (2, 3), (0,)])
def test_a_categorical_choice_is_its_definition(lead):
    logits, gumbel = rng.normal(size=(2, *lead, 5))
    a, log_p = reinforce.categorical(ts.tensor(logits), ts.tensor(gumbel))
    expected = (logits + gumbel).argmax(-1)
    assert_array_equal(a, expected)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    assert_allclose(log_p, np.log(np.take_along_axis(p, expected[..., None], -1))[..., 0], rtol=1e-12)


def test_gumbel_noise_draws_by_the_probabilities():
    p = np.array([0.5, 0.3, 0.15, 0.05])
    logits = np.broadcast_to(np.log(p), (20_000, 4))
    drawn, _ = reinforce.categorical(ts.tensor(logits), ts.tensor(rng.gumbel(size=logits.shape)))
    assert_allclose(ts.tensor(np.bincount(host(drawn), minlength=4) / 20_000), p, atol=0.015)  # 4 deviations


def test_a_choice_of_probability_0_is_never_made():
    logits = np.array([[-np.inf, 0.0, 0.0]] * 50)
    a, log_p = reinforce.categorical(ts.tensor(logits), ts.tensor(rng.gumbel(size=logits.shape)))
    assert (host(a) > 0).all()
    assert_allclose(log_p, np.log(np.full(50, 0.5)), rtol=1e-12)


def test_entropy():
    p = np.array([[0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3], [1.0, 0.0, 0.0]])
    with np.errstate(divide="ignore"):
        logits = np.log(p)
    found = reinforce.entropy(ts.tensor(logits))
    assert_allclose(found, [1.5 * np.log(2), np.log(3), 0.0], rtol=1e-12)
    leaf = ts.tensor(logits, requires_grad=True)
    assert np.isfinite(host(ts.grad(reinforce.entropy(leaf).sum(), leaf))).all()
    check_grad(reinforce.entropy, rng.normal(size=(2, 4)))


# --- returns and the loss -------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 3), (1, 2), (0, 2), (3, 0)])
def test_returns_are_the_rewards_to_come(shape):
    rewards = rng.normal(size=shape)
    expected = [rewards[t:].sum(0) for t in range(shape[0])] or np.zeros(shape)
    assert_allclose(reinforce.returns(ts.tensor(rewards)), np.array(expected), atol=1e-14)


def test_the_loss_sums_over_time_and_takes_the_mean_over_rows():
    logs, returns, baselines = (ts.tensor(x, requires_grad=True) for x in rng.normal(size=(3, 4, 2)))
    loss = reinforce.loss(logs, returns, baselines)
    advantage = host(returns) - host(baselines)
    assert_allclose(loss, -(advantage * host(logs)).sum() / 2, rtol=1e-12)
    loss.backward()
    assert_allclose(logs.grad, -advantage / 2, rtol=1e-12)
    assert returns.grad is None
    assert baselines.grad is None


def test_choices_in_the_step_of_a_loop():
    """A walk whose next mean is a function of the place: the carry is the choice."""
    noise = rng.normal(size=(6, 3, 2))

    def step(place, drawn):
        place, log_p = reinforce.gaussian(ts.tanh(place @ w), 0.3, drawn)
        return place, (place, log_p)

    w = ts.tensor(rng.normal(size=(2, 2)), requires_grad=True)
    start = np.zeros((3, 2))
    _, (places, logs) = ts.scan(step, ts.tensor(start), noise)
    before = np.concatenate([start[None], host(places)[:-1]])
    assert_allclose(places, np.tanh(before @ host(w)) + 0.3 * noise, rtol=1e-12)
    mean = np.tanh(before @ host(w))
    slope = np.einsum("tbi,tbj->ij", before, noise / 0.3 * (1 - mean**2))  # places before are constants
    assert_allclose(ts.grad(logs.sum(), w), slope, rtol=1e-11)


ONES = np.ones((2, 3))


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: reinforce.gaussian(ONES, 0.0, ONES), ValueError, r"a number sigma in \(0, inf\)"),
        (
            lambda: reinforce.gaussian(ONES, 0.1, ONES[:1]),
            ValueError,
            "mean and noise .* of one shape, got mean",
        ),
        (lambda: reinforce.gaussian(1.0, 0.1, 1.0), ValueError, r"needs mean and noise \(..., D\)"),
        (lambda: reinforce.categorical(ONES, ONES[:1]), ValueError, "logits and gumbel"),
        (lambda: reinforce.categorical(ONES.astype(int), ONES), TypeError, "of floats, got logits"),
        (lambda: reinforce.entropy(1.0), ValueError, r"entropy needs logits \(..., C\), got"),
        (lambda: reinforce.returns(np.ones(3)), ValueError, r"returns needs rewards \(T, B\), got"),
        (lambda: reinforce.loss(ONES, ONES, ONES[:, :1]), ValueError, "baselines .* of one shape"),
        (lambda: reinforce.loss(ONES[0], ONES[0], ONES[0]), ValueError, r"\(T, B\), of one shape"),
    ],
)
def test_errors(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
