"""The Kalman filter, compared with the joint normal distribution of all states and observations."""

import contextlib

import doors
import numpy as np
import pytest
from doors import costs
from likelihoods import log_density
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.engine import backend
from tinygrad_seq.nn.classical import gaussian, kalman
from tinygrad_seq.testing import check_grad

S, O = 3, 2  # noqa: E741
SIZES = pytest.mark.parametrize(("steps", "batch"), [(5, 4), (1, 4), (5, 1), (1, 1)])
NAMES = ("initial_noise", "transition_noise", "emission_noise")


def model(seed=0, states=S, size=O, dtype=np.float64):
    """A system without special values: no parameter is 0, 1 or symmetric without need."""
    rng = np.random.default_rng(seed)
    system = nn.LinearDynamicalSystem(states, size, rng=rng, dtype=dtype)
    for parameter in system.parameters():
        parameter.assign_((parameter.numpy() + 0.3 * rng.normal(size=parameter.shape)).astype(dtype))
    return system


def observations(steps, batch, size=O, seed=1):
    return 2 * np.random.default_rng(seed).normal(size=(steps, batch, size))


def joint(system, steps):
    """The moments of all states as one vector, of all observations as one vector, and their covariance."""
    a, c = system.transition.numpy(), system.emission.numpy()
    p, q, r = (getattr(system, name)().numpy() for name in NAMES)
    mean = np.concatenate([system.initial.numpy() @ np.linalg.matrix_power(a, t) for t in range(steps)])
    reach = np.block(  # how the noise of step k enters the state of step t
        [
            [np.linalg.matrix_power(a, t - k) if t >= k else np.zeros_like(a) for t in range(steps)]
            for k in range(steps)
        ]
    )
    noise = np.kron(np.diag(np.arange(steps) == 0), p) + np.kron(np.diag(np.arange(steps) > 0), q)
    states = reach.T @ noise @ reach
    seen = np.kron(np.eye(steps), c)
    cross = states @ seen
    return (
        (mean, states),
        (mean @ seen + np.tile(system.bias.numpy(), steps), seen.T @ cross + np.kron(np.eye(steps), r)),
        cross,
    )


@SIZES
@pytest.mark.parametrize(("states", "size"), [(3, 2), (2, 3), (1, 1)])
def test_the_likelihood_is_that_of_the_joint_normal_distribution(steps, batch, states, size):
    system, xs = model(0, states, size), observations(steps, batch, size)
    found = np.cumsum(system.log_likelihoods(xs).numpy(), axis=0)
    for t in range(steps):
        _, moments, _ = joint(system, t + 1)
        expected = [log_density(xs[: t + 1, i].ravel(), *moments) for i in range(batch)]
        assert_allclose(found[t], expected, rtol=1e-10)


@SIZES
def test_filtered_is_the_conditional_of_the_joint_normal_distribution(steps, batch):
    system, xs = model(), observations(steps, batch)
    means, covariances = system.filtered(xs)
    for t in range(steps):
        (state, states), (mean, covariance), cross = joint(system, t + 1)
        gain = np.linalg.solve(covariance, cross[-S:].T)
        seen = xs[: t + 1].swapaxes(0, 1).reshape(batch, -1)
        assert_allclose(means[t], state[-S:] + (seen - mean) @ gain, rtol=1e-10, atol=1e-12)
        assert_allclose(covariances[t], states[-S:, -S:] - cross[-S:] @ gain, rtol=1e-10, atol=1e-12)


def test_samples_have_the_moments_of_the_joint_normal_distribution():
    system = model()
    xs = system.sample(4, 20_000, rng=0)
    assert xs.shape == (4, 20_000, O)
    _, (mean, covariance), _ = joint(system, 4)
    seen = xs.swapaxes(0, 1).reshape(20_000, -1)
    scale = np.sqrt(np.diag(covariance))
    assert_allclose((seen.mean(0) - mean) / scale, np.zeros(4 * O), atol=0.03)
    assert_allclose(np.cov(seen.T) / np.outer(scale, scale), covariance / np.outer(scale, scale), atol=0.03)
    assert_array_equal(system.sample(4, 20_000, rng=np.random.default_rng(0)), xs)
    assert model(dtype=np.float32).sample(2, 3, rng=0).dtype == np.float32


def test_a_system_with_known_matrices_is_the_textbooks_filter():
    """A random walk, observed with noise: the gain and P converge to the inverse of the golden ratio."""
    system = nn.LinearDynamicalSystem(1, 1, dtype=np.float64)
    for name in ("transition", "emission"):
        getattr(system, name).assign_([[1.0]])
    _, covariances = system.filtered(np.zeros((40, 1, 1)))
    assert_allclose(covariances[-1, 0, 0], (np.sqrt(5) - 1) / 2, rtol=1e-12)


@pytest.mark.parametrize("lengths", [None, [4, 0, 1]])
def test_gradients(lengths):
    """Compared with finite differences, to second order, for parameters and observations."""
    system, xs = model(), observations(4, 3)
    names = [name for name, _ in system.named_parameters()]

    def loss(xs, *values):
        other = model()
        for name, value in zip(names, values, strict=True):
            *path, last = name.split(".")
            setattr(getattr(other, path[0]) if path else other, last, value)
        mean, covariance = other.filtered(xs, lengths)
        return other.log_likelihoods(xs, lengths), mean, covariance

    check_grad(loss, xs, *system.parameters())


def test_it_learns_what_made_the_data():
    """The likelihood of new sequences comes close to that of the system that they were drawn from."""
    true = model(3, 2, 2)
    true.transition.assign_([[0.9, 0.3], [-0.3, 0.9]])
    draws = true.sample(20, 200, rng=0)
    learned = nn.LinearDynamicalSystem(2, 2, rng=0, dtype=np.float64)
    adam = optim.Adam(learned.parameters(), lr=0.05)
    for _ in range(150):
        adam.zero_grad()
        (-learned.log_likelihoods(draws[:, :100]).mean()).backward()
        adam.step()
    fresh = [system.log_likelihoods(draws[:, 100:]).mean().item() for system in (true, learned)]
    assert abs(fresh[0] - fresh[1]) < 0.05
    assert (
        fresh[1]
        > nn.LinearDynamicalSystem(2, 2, rng=0, dtype=np.float64).log_likelihoods(draws[:, 100:]).mean().item()
        + 0.3
    )


def test_rows_are_independent_and_nothing_past_a_length_is_seen():
    system, xs, lengths = model(), observations(5, 4), [5, 0, 1, 3]
    spoilt = np.where(np.arange(5)[:, None, None] < np.array(lengths)[:, None], xs, np.nan)
    x = ts.tensor(spoilt, requires_grad=True)
    logs, means = system.log_likelihoods(x, lengths), system.filtered(x, lengths)[0]
    whole = ts.tensor(np.float64(0))
    for i, n in enumerate(lengths):
        assert (logs.numpy()[n:, i] == 0).all()
        assert (means.numpy()[n:, i] == 0).all()
        if n:
            alone = system.log_likelihoods(xs[:n, i : i + 1])
            assert_allclose(logs[:n, i : i + 1], alone, rtol=1e-11)
            assert_allclose(means[:n, i : i + 1], system.filtered(xs[:n, i : i + 1])[0], rtol=1e-11)
            whole = whole + alone.sum()
    *gradients, over_x = ts.grad(logs.sum(), [*system.parameters(), x])
    for g, e in zip(gradients, ts.grad(whole, system.parameters()), strict=True):
        assert_allclose(g, e, rtol=1e-9, atol=1e-12)
    assert_array_equal(over_x.numpy()[np.isnan(spoilt)], 0)


def test_scan_is_the_loop(monkeypatch):
    system, xs = model(), observations(5, 4)
    found = system.log_likelihoods(xs)
    gradients = ts.grad(found.sum(), system.parameters())
    monkeypatch.setattr(kalman, "scan", ts.scan.__globals__["unrolled"])
    expected = system.log_likelihoods(xs)
    assert_allclose(found, expected, rtol=1e-12)
    for g, e in zip(gradients, ts.grad(expected.sum(), system.parameters()), strict=True):
        assert_allclose(g, e, rtol=1e-9, atol=1e-12)


def test_float32_is_kept_over_a_long_sequence():
    system, xs = model(dtype=np.float32), observations(2000, 2).astype(np.float32)
    system.transition.assign_(nn.init.orthogonal((S, S), rng=0))
    found = system.log_likelihoods(xs)
    assert found.dtype == system.filtered(xs)[0].dtype == np.float32
    system.to(dtype=np.float64)
    assert_allclose(found, system.log_likelihoods(xs.astype(np.float64)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("exact", [1e-3, 1e-5])
def test_observations_that_are_almost_exact(exact):
    """In float32, with tiny observation noise: covariances stay nonnegative, and results stay accurate."""
    system = model(dtype=np.float32)
    system.transition.assign_(nn.init.orthogonal((S, S), rng=0))
    system.emission_noise.assign_(exact**2 * np.eye(O))
    xs = observations(200, 2).astype(np.float32)
    found, (_, covariances) = system.log_likelihoods(xs), system.filtered(xs)
    assert np.linalg.eigvalsh(covariances.numpy().astype(np.float64)).min() > -1e-6
    assert all(np.isfinite(g.numpy()).all() for g in ts.grad(found.mean(), system.parameters()))
    system.to(dtype=np.float64)
    assert_allclose(found, system.log_likelihoods(xs.astype(np.float64)), rtol=1e-2)


def test_no_rounding_makes_a_covariance_negative():
    """In float32, from a standard deviation of 30 to one of 0.01, where P - W'W would have no correct digit."""
    system = model(dtype=np.float32)
    system.transition.assign_(nn.init.orthogonal((S, S), rng=0))
    for name, variance in zip(NAMES, (1e3, 1e-4, 1e-4), strict=True):
        noise = getattr(system, name)
        noise.assign_(variance * np.eye(len(noise.weight)))
    _, covariances = system.filtered(observations(50, 2).astype(np.float32))
    assert np.linalg.eigvalsh(covariances.numpy().astype(np.float64)).min() > 4e-5


def test_a_singular_covariance_is_an_error():
    system, xs = model(), observations(4, 2)
    system.emission.assign_(np.zeros((S, O)))
    system.emission_noise.weight.assign_(-800 * np.eye(O))
    with pytest.raises(np.linalg.LinAlgError):
        system.log_likelihoods(xs)


def test_what_is_refused():
    system, xs = model(), observations(4, 2)
    for wrong in (xs[0], xs[:0], xs[:, :, :1]):
        with pytest.raises(ValueError, match=r"observations must be \(T, B, 2\) with at least one time step"):
            system.log_likelihoods(wrong)
    with pytest.raises(TypeError, match="observations must be floats, got int64"):
        system.log_likelihoods(np.ones((4, 2, O), np.int64))
    with pytest.raises(ValueError, match=r"0 \.\.\. 4"):
        system.log_likelihoods(xs, [5, 1])
    if doors.NAME != "numpy":
        logs = system.log_likelihoods(ts.tensor(xs), ts.tensor([5, 1])).numpy()
        assert np.isnan(logs[:, 0]).all()
        assert np.isfinite(logs[:, 1]).all()
    xs[2, 0] = np.nan  # NaN within the length: the rest of this row is NaN, the other row is not
    logs = system.log_likelihoods(xs).numpy()
    assert np.isnan(logs[2:, 0]).all()
    assert np.isfinite(logs[:, 1]).all()


def test_a_covariance_is_what_was_assigned_and_stays_one():
    rng = np.random.default_rng(0)
    noise, factor = nn.Covariance(4, dtype=np.float64), rng.normal(size=(4, 4))
    assert_array_equal(noise(), np.eye(4))
    sigma = factor @ factor.T
    assert_allclose(noise.assign_(sigma)(), sigma, rtol=1e-12)
    assert_allclose(noise.factor(), np.linalg.cholesky(sigma), rtol=1e-12)
    noise.weight.assign_(5 * rng.normal(size=(4, 4)))
    assert np.linalg.eigvalsh(noise().numpy()).min() > 0
    check_grad(lambda w: gaussian.triangular(w), rng.normal(size=(4, 4)))
    with pytest.raises(ValueError, match=r"needs the shape \(4, 4\), got \(3, 3\)"):
        noise.assign_(np.eye(3))
    for wrong in (np.zeros((4, 4)), -np.eye(4)):
        with pytest.raises(np.linalg.LinAlgError):
            noise.assign_(wrong)
    assert nn.Covariance(2).assign_(np.eye(2))().dtype == np.float32


def test_a_training_step_waits_only_to_see_whether_factors_exist(monkeypatch):
    monkeypatch.setattr(backend, "_linalg_errors", contextlib.nullcontext)  # else the host waits for each
    system, xs = model(dtype=np.float32), ts.tensor(observations(5, 3).astype(np.float32))
    lengths = ts.tensor([5, 2, 0])
    adam = optim.Adam(system.parameters(), lr=0.01)
    for _ in range(2):
        with costs():
            adam.zero_grad()
            (-nn.mean_within(system.log_likelihoods(xs, lengths), lengths)).backward()
            adam.step()
