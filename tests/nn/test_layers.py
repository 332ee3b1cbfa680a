"""Layers compared with NumPy; their gradients and errors."""

import doors
import numpy as np
import pytest
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.testing import check_grad

rng = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(3,), (5, 3), (4, 5, 3)])
def test_linear_is_x_w_plus_b(shape):
    layer, x = nn.Linear(3, 2, rng=0, dtype=np.float64), rng.normal(size=shape)
    assert_allclose(layer(x).numpy(), x @ layer.weight.numpy() + layer.bias.numpy())

    def f(x, weight, bias):
        layer.weight, layer.bias = weight, bias
        return layer(x)

    check_grad(f, x, layer.weight.numpy(), layer.bias.numpy())


def test_linear_without_bias():
    layer = nn.Linear(3, 2, bias=False, rng=0)
    assert len(layer.parameters()) == 1
    assert (layer(ts.tensor([[0.0, 0.0, 0.0]])).numpy() == 0).all()


def test_linear_draws_within_its_bound():
    layer = nn.Linear(16, 1000, rng=0)
    assert 0.249 < np.abs(layer.weight.numpy()).max() <= 0.25
    assert np.abs(layer.weight.numpy().std() - 0.25 / np.sqrt(3)) < 0.005


@pytest.mark.parametrize("kind", [np.array, ts.tensor, list])
def test_embedding_takes_rows_and_adds_up_their_gradients(kind):
    layer = nn.Embedding(5, 3, rng=0)
    y = layer(kind([4, 0, 4]))
    assert (y.numpy() == layer.weight.numpy()[[4, 0, 4]]).all()
    y.sum().backward()
    assert (layer.weight.grad.numpy() == np.array([1, 0, 0, 0, 2])[:, None]).all()


@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (4, 1, 2)])
def test_embedding_of_any_shape(shape):
    ids = rng.integers(0, 5, shape)
    layer = nn.Embedding(5, 3, rng=0)
    assert (layer(ids).numpy() == layer.weight.numpy()[ids]).all()


def test_embedding_rejects_invalid_ids():
    layer = nn.Embedding(5, 3, rng=0)
    with pytest.raises(TypeError, match="ids must be integers, not float32"):
        layer(ts.tensor([1.0]))
    with pytest.raises(TypeError, match="ids must be integers, not bool"):
        layer(np.array([True]))
    with pytest.raises(IndexError, match=r"0 \.\.\. 4; the smallest is 0, the largest 5"):
        layer(np.array([0, 5]))
    if doors.NAME != "numpy":  # values that are on a device are not checked
        assert np.isnan(layer(ts.tensor([-1, 3])).numpy()).tolist() == [[True] * 3, [False] * 3]
        return
    with pytest.raises(IndexError, match="the smallest is -1"):
        layer(ts.tensor([-1, 3]))


# --- LayerNorm ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4,), (1, 4), (3, 2, 4)])
def test_layer_norm_is_its_equation(shape):
    layer, x = nn.LayerNorm(4, eps=0.1, dtype=np.float64), rng.normal(size=shape)
    w, b = rng.normal(size=(2, 4))

    def f(x, weight, bias):
        layer.weight, layer.bias = weight, bias
        return layer(x)

    spread = np.sqrt(x.var(axis=-1, keepdims=True) + 0.1)
    assert_allclose(
        f(*map(ts.tensor, (x, w, b))), w * (x - x.mean(axis=-1, keepdims=True)) / spread + b, rtol=1e-12
    )
    check_grad(f, x, w, b)


def test_layer_norm_starts_with_mean_0_and_variance_1_in_float32():
    layer = nn.LayerNorm(64)
    y = layer(ts.tensor(rng.normal(5, 3, size=(7, 64)).astype(np.float32)))
    assert y.dtype == np.float32
    assert [(name, p.shape, p.dtype) for name, p in layer.named_parameters()] == [
        ("weight", (64,), np.float32),
        ("bias", (64,), np.float32),
    ]
    assert_allclose(y.numpy().mean(axis=-1), 0, atol=1e-5)
    assert_allclose(y.numpy().var(axis=-1), 1, atol=1e-4)


@pytest.mark.parametrize("size", [1, 3])
def test_layer_norm_of_a_constant_is_its_bias(size):
    layer, x = nn.LayerNorm(size, dtype=np.float64), ts.tensor(np.full((2, size), 7.0), requires_grad=True)
    y = layer(x)
    assert (y.numpy() == 0).all()
    y.sum().backward()
    assert np.isfinite(x.grad.numpy()).all()


@pytest.mark.parametrize("shape", [(2, 1), (2, 4), ()])
def test_layer_norm_refuses_another_size(shape):
    with pytest.raises(ValueError, match=r"LayerNorm\(3\) needs an input \(\.\.\., 3\), got float64"):
        nn.LayerNorm(3)(np.ones(shape))


# --- Dropout ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.1, 0.75])
def test_dropout_drops_a_share_p_and_scales_the_rest(p):
    layer, x = nn.Dropout(p, rng=0), ts.tensor(np.ones((100, 1000)), requires_grad=True)
    y = layer(x)
    kept = y.numpy() != 0
    assert_allclose(y.numpy()[kept], 1 / (1 - p), rtol=1e-15)
    assert abs(kept.mean() - (1 - p)) < 5 * np.sqrt(p * (1 - p) / x.size)
    for axis in (0, 1):  # elements are dropped one by one, not by row or column
        assert 0 < kept.mean(axis=axis).min() < kept.mean(axis=axis).max() < 1
    y.sum().backward()
    assert (x.grad.numpy() == y.numpy()).all()


def test_dropout_is_the_identity_in_evaluation_and_for_p_0():
    x = ts.tensor(rng.normal(size=(3, 2)))
    assert (nn.Dropout(0.5, rng=0).eval()(x).numpy() == x.numpy()).all()
    assert (nn.Dropout(0, rng=0)(x).numpy() == x.numpy()).all()
    model = nn.Sequential(nn.Dropout(0.5, rng=0))
    assert (model.eval()(x).numpy() == x.numpy()).all()
    assert (model.train()(x).numpy() != x.numpy()).any()


def test_dropout_draws_anew_from_its_generator():
    x = ts.tensor(np.ones(50, np.float32))
    layer, generator = nn.Dropout(0.5, rng=3), np.random.default_rng(3)
    first, second = layer(x).numpy(), layer(x).numpy()
    assert (first != second).any()
    same = nn.Dropout(0.5, rng=generator)
    assert (same(x).numpy() == first).all()
    assert same.rng is generator
    state = layer.rng.bit_generator.state
    third = layer(x).numpy()
    layer.rng.bit_generator.state = state
    assert (layer(x).numpy() == third).all()
    assert first.dtype == np.float32
    layer.eval()
    layer.rng.bit_generator.state = state
    layer(x)
    assert layer.rng.bit_generator.state == state


def test_derivatives_of_dropout():
    check_grad(lambda x: nn.Dropout(0.5, rng=0)(x * x), rng.normal(size=(3, 2)))


@pytest.mark.parametrize("p", [1, 1.5, -0.1, np.nan])
def test_dropout_needs_a_probability_below_1(p):
    with pytest.raises(ValueError, match=r"Dropout needs a number p in \[0, 1\), got"):
        nn.Dropout(p)


# --- Sequential ---------------------------------------------------------------------------------------


def test_sequential_calls_one_layer_after_the_other():
    first, second = nn.Linear(3, 5, rng=0), nn.Linear(5, 2, rng=1)
    model, x = nn.Sequential(first, ts.tanh, second), rng.normal(size=(4, 3)).astype(np.float32)
    assert (model(x).numpy() == second(ts.tanh(first(x))).numpy()).all()
    assert [name for name, _ in model.named_parameters()] == [
        "layers.0.weight",
        "layers.0.bias",
        "layers.2.weight",
        "layers.2.bias",
    ]
    assert nn.Sequential()(x) is x
