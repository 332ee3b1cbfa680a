"""Linear and Embedding against NumPy, with their gradients and errors."""

import numpy as np
import pytest

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.testing import check_grad

rng = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(3,), (5, 3), (4, 5, 3)])
def test_linear_is_x_w_plus_b(shape):
    layer, x = nn.Linear(3, 2, rng=0, dtype=np.float64), rng.normal(size=shape)
    np.testing.assert_allclose(layer(x).numpy(), x @ layer.weight.numpy() + layer.bias.numpy())

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


def test_embedding_refuses_what_is_no_id():
    layer = nn.Embedding(5, 3, rng=0)
    with pytest.raises(TypeError, match="ids must be integers, not float32"):
        layer(ts.tensor([1.0]))
    with pytest.raises(TypeError, match="ids must be integers, not bool"):
        layer(np.array([True]))
    with pytest.raises(IndexError, match=r"0 \.\.\. 4; the smallest is 0, the largest 5"):
        layer(np.array([0, 5]))
    with pytest.raises(IndexError, match="the smallest is -1"):
        layer(ts.tensor([-1, 3]))
