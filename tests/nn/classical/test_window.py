"""Autoregression, compared with least squares and a joint normal distribution; and fixed-window networks."""

import doors
import numpy as np
import pytest
from doors import costs
from likelihoods import log_density
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.nn.classical.window import past
from tinygrad_seq.testing import check_grad

O, N, K = 2, 3, 7  # noqa: E741
SIZES = pytest.mark.parametrize(("steps", "batch"), [(5, 4), (1, 4), (5, 1), (2, 3), (1, 1)])


def observations(steps, batch, seed=1):
    return np.random.default_rng(seed).normal(size=(steps, batch, O))


def model(seed=0, dtype=np.float64):
    """A process in which no parameter is 0."""
    process, rng = nn.Autoregressive(O, steps=N, dtype=dtype), np.random.default_rng(seed)
    for parameter in process.parameters():
        parameter.assign_((0.3 * rng.normal(size=parameter.shape)).astype(dtype))
    return process


def windows(xs, steps=N):
    """The window before every step, by a loop."""
    found = np.zeros((*xs.shape[:2], steps * xs.shape[2]))
    for t in range(len(xs)):
        for k in range(1, min(t, steps) + 1):
            found[t, :, (k - 1) * xs.shape[2] : k * xs.shape[2]] = xs[t - k]
    return found


@SIZES
def test_past_is_what_was_before(steps, batch):
    xs = observations(steps, batch)
    for n in (1, N, 8):
        assert_array_equal(past(ts.tensor(xs), n), windows(xs, n))


# --- autoregression -------------------------------------------------------------------------------------


@SIZES
def test_the_likelihood_is_that_of_the_joint_normal_distribution(steps, batch):
    """x = (e + b) M for a whole sequence: e is the noise, and M the inverse of the map from x to e + b."""
    process, xs = model(), observations(steps, batch)
    found = np.cumsum(process.log_likelihoods(xs).numpy(), axis=0)
    weights = process.weight.numpy().reshape(N, O, O)
    for t in range(1, steps + 1):
        zero = np.zeros((O, O))
        makes = np.block([[weights[j - i - 1] if 0 < j - i <= N else zero for j in range(t)] for i in range(t)])
        inverse = np.linalg.inv(np.eye(t * O) - makes)
        mean = np.tile(process.bias.numpy(), t) @ inverse
        covariance = inverse.T @ np.kron(np.eye(t), process.covariance().numpy()) @ inverse
        expected = [log_density(xs[:t, i].ravel(), mean, covariance) for i in range(batch)]
        assert_allclose(found[t - 1], expected, rtol=1e-10)


def test_learned_by_gradient_it_is_least_squares():
    true, rng = model(), np.random.default_rng(0)
    noise = rng.multivariate_normal(np.zeros(O), true.covariance().numpy(), (100, 8))
    xs = np.zeros((100, 8, O))
    for t in range(100):
        xs[t] = true.predictions(xs[: t + 1]).numpy()[t] + noise[t]
    features = np.concatenate([windows(xs), np.ones((100, 8, 1))], -1).reshape(800, -1)
    weights, *_ = np.linalg.lstsq(features, xs.reshape(800, O))
    errors = xs.reshape(800, O) - features @ weights
    learned = nn.Autoregressive(O, steps=N, dtype=np.float64)
    adam = optim.Adam(learned.parameters(), lr=0.05)
    for _ in range(600):
        adam.zero_grad()
        (-learned.log_likelihoods(xs).mean()).backward()
        adam.step()
        adam.lr *= 0.985
    assert_allclose(learned.weight, weights[:-1], atol=1e-4)
    assert_allclose(learned.bias, weights[-1], atol=1e-4)
    assert_allclose(learned.covariance(), errors.T @ errors / 800, atol=1e-4)
    assert abs(weights[:-1] - true.weight.numpy()).max() < 0.1
    # at the least squares solution the derivative is 0
    learned.weight.assign_(weights[:-1])
    learned.bias.assign_(weights[-1])
    slope = ts.grad(learned.log_likelihoods(xs).mean(), [learned.weight, learned.bias])
    for g in slope:
        assert_allclose(g, np.zeros(g.shape), atol=1e-12)


@pytest.mark.parametrize("lengths", [None, [4, 0, 1]])
def test_gradients(lengths):
    """Compared with finite differences, to second order."""
    process = model()
    names = [name for name, _ in process.named_parameters()]

    def loss(xs, *values):
        other = model()
        for name, value in zip(names, values, strict=True):
            setattr(other, name, value)
        return other.log_likelihoods(xs, lengths), other.predictions(xs, lengths), other.covariance()

    check_grad(loss, observations(4, 3), *process.parameters())


def test_rows_are_independent_and_nothing_past_a_length_is_seen():
    process, xs, lengths = model(), observations(5, 4), [5, 0, 1, 3]
    spoilt = np.where(np.arange(5)[:, None, None] < np.array(lengths)[:, None], xs, np.nan)
    x = ts.tensor(spoilt, requires_grad=True)
    logs, means = process.log_likelihoods(x, lengths), process.predictions(x, lengths)
    for i, n in enumerate(lengths):
        assert (logs.numpy()[n:, i] == 0).all()
        assert (means.numpy()[n:, i] == 0).all()
        alone = xs[:n, i : i + 1]
        if n:
            assert_allclose(logs[:n, i : i + 1], process.log_likelihoods(alone), rtol=1e-12)
            assert_allclose(means[:n, i : i + 1], process.predictions(alone), rtol=1e-12)
    gradients = [g.numpy() for g in ts.grad(logs.sum(), [*process.parameters(), x])]
    assert all(np.isfinite(g).all() for g in gradients)
    assert_array_equal(gradients[-1][np.isnan(spoilt)], 0)


def test_float32_is_kept_and_an_almost_singular_covariance_is_no_trouble():
    process, xs = model(dtype=np.float32), observations(5, 4).astype(np.float32)
    assert process.log_likelihoods(xs).dtype == process.predictions(xs).dtype == np.float32
    assert process.covariance().dtype == np.float32
    process.whitening.assign_(np.array([[15.0, 0.0], [0.0, -15.0]], np.float32))  # variances e^-30 and e^30
    found, gradients = (
        process.log_likelihoods(xs),
        ts.grad(process.log_likelihoods(xs).mean(), process.parameters()),
    )
    assert all(np.isfinite(g.numpy()).all() for g in gradients)
    process.to(dtype=np.float64)
    assert_allclose(found, process.log_likelihoods(xs.astype(np.float64)), rtol=1e-5)


def test_what_is_refused():
    process, xs = model(), observations(4, 2)
    for wrong in (xs[0], xs[:0], xs[:, :, :1]):
        with pytest.raises(ValueError, match=r"observations must be \(T, B, 2\) with at least one time step"):
            process.log_likelihoods(wrong)
    with pytest.raises(TypeError, match="observations must be floats, got int64"):
        process.predictions(np.ones((4, 2, O), np.int64))
    with pytest.raises(ValueError, match=r"0 \.\.\. 4"):
        process.log_likelihoods(xs, [5, 1])
    for make in (lambda: nn.Autoregressive(2, steps=0), lambda: nn.FixedWindow(ts.tanh, ts.tanh, steps=0)):
        with pytest.raises(ValueError, match=r"needs an integer steps in \[1, inf\), got 0"):
            make()
    if doors.NAME != "numpy":
        logs = process.log_likelihoods(ts.tensor(xs), ts.tensor([5, 1])).numpy()
        assert np.isnan(logs[:, 0]).all()
        assert np.isfinite(logs[:, 1]).all()
    xs[1, 0] = np.nan  # NaN within the length: the steps that depend on it are NaN
    logs = process.log_likelihoods(xs).numpy()
    assert_array_equal(np.isnan(logs), [[False, False], [True, False], [True, False], [True, False]])


# --- the feed-forward network ---------------------------------------------------------------------------


def network(dtype=np.float64):
    rng = np.random.default_rng(0)
    layers = nn.Linear(N * 4, 5, rng=rng, dtype=dtype), nn.Linear(5, K, rng=rng, dtype=dtype)
    features = nn.Embedding(K, 4, rng=rng, dtype=dtype)
    return nn.FixedWindow(features, nn.Sequential(layers[0], ts.tanh, layers[1]), steps=N)


def symbols(steps, batch):
    return np.random.default_rng(2).integers(0, K, (steps, batch))


@SIZES
def test_a_window_is_the_network_of_the_embedded_steps_before(steps, batch):
    window, ids = network(), symbols(steps, batch)
    first, _, second = window.network.layers
    hidden = np.tanh(windows(window.features.weight.numpy()[ids]) @ first.weight.numpy() + first.bias.numpy())
    assert_allclose(window(ids), hidden @ second.weight.numpy() + second.bias.numpy(), rtol=1e-12)


def test_nothing_within_a_window_is_missed_and_nothing_outside_is_seen():
    window, ids = network(), symbols(8, 1)
    for s in range(8):
        other = ids.copy()
        other[s] = (ids[s] + 1) % K
        changed = (window(ids).numpy() != window(other).numpy()).any((1, 2))
        assert_array_equal(np.flatnonzero(changed), range(s + 1, min(8, s + N + 1)))


def test_a_window_of_rows_of_unequal_length():
    window, ids, lengths = network(), symbols(5, 4), [5, 0, 1, 3]
    together = window(ids, lengths).numpy()
    for i, n in enumerate(lengths):
        assert (together[n:, i] == 0).all()
        if n:
            assert_allclose(together[:n, i : i + 1], window(ids[:n, i : i + 1]), rtol=1e-12)
    vectors = nn.FixedWindow(lambda x: x, nn.Linear(N * O, 2, rng=0, dtype=np.float64), steps=N)
    xs = observations(5, 4)
    spoilt = np.where(np.arange(5)[:, None, None] < np.array(lengths)[:, None], xs, np.nan)
    found, expected = vectors(spoilt, lengths), vectors(ts.tensor(xs), lengths)
    assert_array_equal(found, expected)
    for g, e in zip(*(ts.grad(ys.sum(), vectors.parameters()) for ys in (found, expected)), strict=True):
        assert_allclose(g, e, rtol=1e-12)
    assert network(np.float32)(ids, lengths).dtype == np.float32


def test_gradients_of_a_window():
    ids, window = symbols(5, 2), network()

    def loss(embedded, weight):
        first, *others = window.network.layers
        other = nn.Linear(N * 4, 5, rng=0, dtype=np.float64)
        other.weight, other.bias = weight, first.bias
        return nn.FixedWindow(lambda _: embedded, nn.Sequential(other, *others), steps=N)(ids)

    check_grad(loss, window.features(ids), window.network.layers[0].weight)


def test_a_training_step_waits_for_no_device():
    process, window = model(dtype=np.float32), network(np.float32)
    xs, ids = ts.tensor(observations(5, 3).astype(np.float32)), ts.tensor(symbols(5, 3))
    lengths = ts.tensor([5, 2, 0])
    adam = optim.Adam([*process.parameters(), *window.parameters()], lr=0.01)
    for _ in range(2):
        with costs():
            adam.zero_grad()
            (-nn.mean_within(process.log_likelihoods(xs, lengths), lengths)).backward()
            nn.cross_entropy(window(ids, lengths), ids).backward()
            adam.step()
