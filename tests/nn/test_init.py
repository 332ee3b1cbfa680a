"""Initialisers: the property that defines each of them, its dtype, and its seed."""

import numpy as np
import pytest
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.nn import init

RANDOM = {
    "uniform": lambda **options: init.uniform((3, 5), 0.5, **options),
    "xavier": lambda **options: init.xavier((3, 5), **options),
    "orthogonal": lambda **options: init.orthogonal((3, 5), **options),
    "sparse": lambda **options: init.sparse(7, nonzeros=2, spectral_radius=1.1, **options),
}
CONSTANT = {
    "zeros": lambda **options: init.zeros((3, 5), **options),
    "identity": lambda **options: init.identity(4, scale=0.1, **options),
    "forget_bias": lambda **options: init.forget_bias(3, **options),
}


@pytest.mark.parametrize("name", RANDOM)
def test_a_seed_makes_it_reproducible(name):
    make = RANDOM[name]
    a, b = make(rng=5), make(rng=np.random.default_rng(5))
    assert (a == b).all()
    assert (a != make(rng=6)).any()
    assert (make() != make()).any()
    generator = np.random.default_rng(5)
    assert (make(rng=generator) != make(rng=generator)).any()


@pytest.mark.parametrize("name", {**RANDOM, **CONSTANT})
def test_dtypes(name):
    make = {**RANDOM, **CONSTANT}[name]
    assert make().dtype == np.float32
    assert make(dtype=np.float64).dtype == np.float64
    assert make().flags.writeable


def test_uniform_fills_its_interval():
    w = init.uniform((100, 200), 0.5, rng=0, dtype=np.float64)
    assert -0.5 <= w.min() < -0.499
    assert 0.499 < w.max() <= 0.5
    assert abs(w.mean()) < 0.01


@pytest.mark.parametrize("gain", [1.0, 5 / 3])
def test_xavier_has_the_variance_between_forward_and_backward(gain):
    w = init.xavier((300, 100), gain=gain, rng=0, dtype=np.float64)
    bound = gain * np.sqrt(6 / 400)
    assert 0.999 * bound < np.abs(w).max() <= bound
    assert_allclose(w.var(), gain**2 * 2 / 400, rtol=0.02)


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (1, 4), (1, 1)])
def test_orthogonal(shape):
    q = init.orthogonal(shape, rng=0, dtype=np.float64)
    assert q.shape == shape
    product = q.T @ q if shape[0] >= shape[1] else q @ q.T
    assert_allclose(product, np.eye(min(shape)), atol=1e-14)


def test_orthogonal_prefers_no_sign():
    """Without a correction of signs, QR gives R a diagonal of one sign, and so Q a first row of one sign."""
    q = np.array([init.orthogonal((3, 3), rng=seed, dtype=np.float64) for seed in range(400)])
    assert np.abs(q.mean(axis=0)).max() < 5 * np.sqrt(1 / 3 / 400)
    assert abs((np.linalg.det(q) > 0).mean() - 0.5) < 0.125


def test_identity():
    assert_array_equal(init.identity(3, scale=0.1, dtype=np.float64), 0.1 * np.eye(3))
    assert_array_equal(init.identity(2), np.eye(2))


@pytest.mark.parametrize(("size", "nonzeros"), [(1, 1), (5, 1), (5, 5), (40, 15)])
@pytest.mark.parametrize("radius", [0.9, 1.2])
def test_sparse_has_its_spectral_radius_and_its_weights_per_column(size, nonzeros, radius):
    w = init.sparse(size, nonzeros=nonzeros, spectral_radius=radius, rng=0, dtype=np.float64)
    assert_allclose(np.abs(np.linalg.eigvals(w)).max(), radius, rtol=0, atol=1e-6)
    assert ((w != 0).sum(axis=0) == nonzeros).all()
    single = init.sparse(size, nonzeros=nonzeros, spectral_radius=radius, rng=0)
    assert_allclose(np.abs(np.linalg.eigvals(single.astype(float))).max(), radius, atol=1e-5)


@pytest.mark.parametrize("seed", range(30))
def test_sparse_with_one_weight_per_column_has_a_cycle(seed):
    w = init.sparse(6, nonzeros=1, spectral_radius=0.5, rng=seed, dtype=np.float64)
    assert_allclose(np.abs(np.linalg.eigvals(w)).max(), 0.5, atol=1e-6)


def test_sparse_chooses_rows_at_random():
    rows = (init.sparse(50, nonzeros=5, spectral_radius=1.0, rng=0) != 0).sum(axis=1)
    assert rows.sum() == 250
    assert rows.min() < 5 < rows.max() < 20


def test_zeros():
    assert (init.zeros((2, 3)) == 0).all()
    assert init.zeros((2, 3)).shape == (2, 3)


def test_forget_bias_opens_the_forget_gate():
    cell = nn.LSTMCell(3, 5, rng=0)
    cell.b.assign_(init.forget_bias(5, 40.0))
    cell.Wh.assign_(init.zeros((5, 20)))
    cell.Wx.assign_(init.zeros((3, 20)))
    state = ts.tensor(np.ones((2, 5), np.float32)), ts.tensor(np.full((2, 5), 7.0, np.float32))
    (_, c), _ = cell(state, ts.tensor(np.ones((2, 3), np.float32)))
    assert (c.numpy() == 7.0).all()


def test_errors():
    for f in (init.xavier, init.orthogonal):
        with pytest.raises(ValueError, match=r"needs the shape \(input, output\) of a matrix, got \(3,\)"):
            f((3,))
    for nonzeros in (0, 4):
        with pytest.raises(ValueError, match=rf"sparse needs an integer nonzeros in \[1, 3\], got {nonzeros}"):
            init.sparse(3, nonzeros=nonzeros, spectral_radius=1.0)
