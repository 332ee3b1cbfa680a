"""The hidden Markov model, compared with explicit sums over all paths of its states."""

import itertools

import doors
import numpy as np
import pytest
from doors import costs
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.nn.classical import markov
from tinygrad_seq.testing import check_grad

S, K = 3, 4
ZEROS = {"initial": ([2],), "transition": ([0, 1], [2, 1]), "emission": ([0, 1, 2], [3, 3, 0])}
PARAMETERS = ("initial", "transition", "emission")


def model(seed=0, dtype=np.float64, zeros=False):
    """A model; with zeros, one with impossible events: for example, state 0 is never followed by 2."""
    hmm = nn.HiddenMarkovModel(S, K, rng=seed, dtype=dtype)
    if zeros:
        for name, places in {
            "initial": ([2],),
            "transition": ([0, 1], [2, 1]),
            "emission": ([0, 1, 2], [3, 3, 0]),
        }.items():
            logits = getattr(hmm, name).numpy().copy()
            logits[places] = -np.inf
            getattr(hmm, name).assign_(logits)
    return hmm


def probabilities(hmm):
    for name in PARAMETERS:
        e = np.exp(getattr(hmm, name).numpy())
        yield e / e.sum(-1, keepdims=True)


def ways(hmm, row):
    """Every path of the states, with p(path, row)."""
    pi, a, b = probabilities(hmm)
    for way in itertools.product(range(S), repeat=len(row)):
        p = pi[way[0]] * np.prod([a[i, j] for i, j in itertools.pairwise(way)])
        yield way, p * np.prod([b[z, x] for z, x in zip(way, row, strict=True)])


def likelihood(hmm, row):
    return sum(p for _, p in ways(hmm, row))


def symbols(steps, batch, seed=0):
    return np.random.default_rng(seed).integers(0, K, (steps, batch))


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize(("steps", "batch"), [(5, 6), (1, 6), (5, 1), (1, 1)])
def test_the_likelihood_is_the_sum_over_all_ways(steps, batch, zeros):
    hmm, xs = model(zeros=zeros), symbols(steps, batch)
    logs = hmm.log_likelihoods(xs)
    with np.errstate(divide="ignore"):
        for i in range(batch):
            expected = [np.log(likelihood(hmm, xs[: t + 1, i])) for t in range(steps)]
            assert_allclose(np.cumsum(logs.numpy()[:, i]), expected, rtol=1e-10)


def test_all_sequences_together_are_certain():
    xs = np.array(list(itertools.product(range(K), repeat=4))).T
    for hmm in (model(), model(zeros=True)):
        assert_allclose(np.exp(hmm.log_likelihoods(xs).numpy().sum(0)).sum(), 1, rtol=1e-12)


def test_samples_are_as_frequent_as_they_are_likely():
    """Every sequence of three symbols, within four standard deviations; impossible ones never occur."""
    for hmm in (model(), model(zeros=True)):
        xs = hmm.sample(3, 20_000, rng=0)
        assert xs.shape == (3, 20_000)
        found = np.zeros((K, K, K))
        np.add.at(found, tuple(xs), 1 / 20_000)
        for row in itertools.product(range(K), repeat=3):
            p = likelihood(hmm, row)
            assert abs(found[row] - p) <= 4 * np.sqrt(p / 20_000)
        assert_array_equal(hmm.sample(3, 20_000, rng=np.random.default_rng(0)), xs)


@pytest.mark.parametrize("zeros", [False, True])
def test_filtered_is_what_the_ways_so_far_say_of_the_last_state(zeros):
    hmm, xs = model(zeros=zeros), symbols(4, 5, 1)
    found = np.exp(hmm.filtered(xs).numpy())
    for i, t in itertools.product(range(5), range(4)):
        weights = np.zeros(S)
        for way, p in ways(hmm, xs[: t + 1, i]):
            weights[way[-1]] += p
        expected = weights / weights.sum() if weights.any() else weights  # 0 for an impossible sequence
        assert_allclose(found[t, i], expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("lengths", [[4] * 40, [0, 1, 2, 3] * 10])
def test_viterbi_finds_the_likeliest_way(lengths, zeros):
    hmm, xs = model(zeros=zeros), symbols(4, 40, 2)
    paths = hmm.viterbi(xs, lengths)
    assert paths.dtype.kind == "i"
    paths, possible = paths.numpy(), 0
    for i, n in enumerate(lengths):
        assert_array_equal(paths[n:, i], np.zeros(4 - n))
        if n:
            known = dict(ways(hmm, xs[:n, i]))
            assert_allclose(known[tuple(paths[:n, i].tolist())], max(known.values()), rtol=1e-12)
            possible += max(known.values()) > 0
    assert possible >= 20


def test_viterbi_of_long_sequences_in_float32():
    """A path that is as likely as that of float64, up to the precision of float32."""
    hmm, xs = model(dtype=np.float32), symbols(10_000, 2)
    ways = hmm.viterbi(xs).numpy(), hmm.to(dtype=np.float64).viterbi(xs).numpy()
    pi, a, b = map(np.log, probabilities(hmm))
    found, expected = (pi[z[0]] + a[z[:-1], z[1:]].sum(0) + b[z, xs].sum(0) for z in ways)
    assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("lengths", [None, [4, 0, 1]])
def test_gradients(lengths):
    """Compared with finite differences, to second order."""
    hmm, xs = model(), symbols(4, 3)

    def loss(*logits):
        other = model()
        for name, value in zip(PARAMETERS, logits, strict=True):
            setattr(other, name, value)
        return other.log_likelihoods(xs, lengths)

    check_grad(loss, *(getattr(hmm, name) for name in PARAMETERS))


def test_gradients_where_probabilities_are_zero():
    """For parameters of -inf they are 0; for the others, as if each -inf were a large negative number."""
    xs = symbols(6, 40, 3)
    hmm, almost = model(zeros=True), model(zeros=True)
    possible = np.isfinite(hmm.log_likelihoods(xs).numpy()).all(0)
    assert 5 < possible.sum() < 35
    for name in PARAMETERS:
        getattr(almost, name).assign_(np.maximum(getattr(almost, name).numpy(), -700))
    gradients = [ts.grad(m.log_likelihoods(xs[:, possible]).sum(), m.parameters()) for m in (hmm, almost)]
    for found, expected in zip(*gradients, strict=True):
        assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    # with impossible sequences in the batch: the loss is -inf there, and gradients stay finite
    logs = hmm.log_likelihoods(xs)
    assert_array_equal(np.isneginf(logs.numpy()).any(0), ~possible)
    assert not np.isnan(logs.numpy()).any()
    assert all(np.isfinite(g.numpy()).all() for g in ts.grad(logs.sum(), hmm.parameters()))


def test_zero_stays_zero_in_training():
    hmm, xs = model(zeros=True), symbols(6, 40, 3)
    xs = xs[:, np.isfinite(hmm.log_likelihoods(xs).numpy()).all(0)]
    before = [np.isneginf(p.numpy()) for p in hmm.parameters()]
    adam, losses = optim.Adam(hmm.parameters(), lr=0.1), []
    for _ in range(20):
        loss = -hmm.log_likelihoods(xs).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1
    for p, zero in zip(hmm.parameters(), before, strict=True):
        assert_array_equal(np.isneginf(p.numpy()), zero)
        assert not np.isnan(p.numpy()).any()


def test_rows_are_independent():
    hmm, xs, lengths = model(), symbols(5, 4), [5, 0, 1, 3]
    for method in (hmm.log_likelihoods, hmm.filtered, hmm.viterbi):
        together = method(xs, lengths).numpy()
        for i, n in enumerate(lengths):
            assert (together[n:, i] == 0).all()
            if n:
                assert_allclose(together[:n, i : i + 1], method(xs[:n, i : i + 1]), rtol=1e-12)


def test_scan_is_the_loop(monkeypatch):
    hmm, xs = model(), symbols(5, 4)
    found = hmm.log_likelihoods(xs, [5, 0, 1, 3])
    gradients = ts.grad(found.sum(), hmm.parameters())
    path = hmm.viterbi(xs, [5, 0, 1, 3])
    monkeypatch.setattr(markov, "scan", ts.scan.__globals__["unrolled"])
    expected = hmm.log_likelihoods(xs, [5, 0, 1, 3])
    assert_allclose(found, expected, rtol=1e-12)
    for g, e in zip(gradients, ts.grad(expected.sum(), hmm.parameters()), strict=True):
        assert_allclose(g, e, rtol=1e-10)
    assert_array_equal(path, hmm.viterbi(xs, [5, 0, 1, 3]))


def test_float32_is_kept_and_long_sequences_stay_exact():
    hmm, xs = model(dtype=np.float32), symbols(10_000, 2)
    found = hmm.log_likelihoods(xs)
    assert found.dtype == hmm.filtered(xs).dtype == np.float32
    assert_allclose(found, hmm.to(dtype=np.float64).log_likelihoods(xs), rtol=3e-6)


def test_what_is_refused():
    hmm, xs = model(), symbols(4, 2)
    with pytest.raises(TypeError, match="symbols must be integers, not float64"):
        hmm.log_likelihoods(xs.astype(float))
    with pytest.raises(IndexError, match=r"symbols must lie within 0 \.\.\. 3"):
        hmm.log_likelihoods(xs + K)
    with pytest.raises(ValueError, match=r"symbols must be \(T, B\) with at least one time step"):
        hmm.log_likelihoods(xs[0])
    with pytest.raises(ValueError, match=r"symbols must be \(T, B\) with at least one time step"):
        hmm.viterbi(xs[:0])
    with pytest.raises(ValueError, match=r"0 \.\.\. 4"):
        hmm.log_likelihoods(xs, [5, 1])
    if doors.NAME != "numpy":
        assert np.isnan(hmm.log_likelihoods(ts.tensor(xs), ts.tensor([5, 1])).numpy()[:, 0]).all()
        wrong = xs.copy()
        wrong[1, 0] = K
        assert np.isnan(hmm.log_likelihoods(ts.tensor(wrong)).numpy()[1:, 0]).all()
    hmm.emission.assign_(np.full((S, K), np.nan))
    assert np.isnan(hmm.log_likelihoods(xs).numpy()).all()


def test_a_training_step_waits_for_no_device():
    hmm, xs, lengths = model(dtype=np.float32), ts.tensor(symbols(5, 3)), ts.tensor([5, 2, 0])
    adam = optim.Adam(hmm.parameters(), lr=0.1)
    for _ in range(2):  # the first records the step of the scan
        with costs():
            adam.zero_grad()
            (-nn.mean_within(hmm.log_likelihoods(xs, lengths), lengths)).backward()
            adam.step()
