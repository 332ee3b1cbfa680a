"""EMA: the average in closed form, and parameters that hold it for a while."""

import copy

import numpy as np
import pytest
from results import assert_allclose, assert_array_equal, host

import tinygrad_seq as ts
from tinygrad_seq import nn, optim


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_average_in_closed_form(dtype):
    """s(t) = decay^t p(0) + (1 - decay) sum_k decay^(t-k) p(k); of float16 in float32."""
    rng = np.random.default_rng(0)
    values = [rng.normal(size=(2, 3)).astype(dtype) for _ in range(6)]
    p = nn.Parameter(values[0])
    ema = optim.EMA([p], decay=0.9)
    for value in values[1:]:
        p.assign_(value)
        ema.update()
    wide = [value.astype(np.float64) for value in values]
    right = 0.9**5 * wide[0] + 0.1 * sum(0.9 ** (5 - k) * wide[k] for k in range(1, 6))
    assert ema.averages[0].dtype == (np.float64 if dtype == np.float64 else np.float32)
    assert_allclose(host(ema.averages[0]), right, rtol=0, atol=1e-14 if dtype == np.float64 else 1e-6)
    with ema.swapped():
        assert p.dtype == dtype
        assert_array_equal(p.numpy(), host(ema.averages[0]).astype(dtype))
    assert_array_equal(p.numpy(), values[-1])


def test_the_average_of_float16_moves_by_less_than_float16_holds():
    p = nn.Parameter(np.ones(1, np.float16))
    ema = optim.EMA([p], decay=0.9999)
    p.assign_(np.full(1, 2.0, np.float16))
    for _ in range(10):
        ema.update()
    assert_allclose(host(ema.averages[0]), 2 - 0.9999**10, rtol=1e-6)


def test_values_come_back_after_an_error_and_averages_do_not_share_memory():
    p = nn.Parameter(np.zeros(2))
    ema = optim.EMA([p, p], decay=0.5)
    assert ema.parameters == [p]
    p.assign_(np.ones(2))
    ema.update()

    def failing():
        with ema.swapped():
            assert_array_equal(p.numpy(), [0.5, 0.5])
            p.assign_(np.full(2, 7.0))
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert_array_equal(p.numpy(), [1, 1])
    assert_array_equal(host(ema.averages[0]), [0.5, 0.5])
    ema.update()
    assert_array_equal(host(ema.averages[0]), [0.75, 0.75])


def test_within_swapped_nothing_is_averaged():
    ema = optim.EMA([nn.Parameter(np.zeros(2))])
    with ema.swapped():
        with pytest.raises(RuntimeError, match=r"EMA cannot update within swapped\(\)"):
            ema.update()
        with pytest.raises(RuntimeError, match=r"EMA\.swapped\(\) is within another"), ema.swapped():
            pass
        with pytest.raises(RuntimeError, match=r"EMA cannot update within swapped\(\)"):
            ema.update()
    ema.update()


def test_a_tape_across_the_swap_is_stale():
    p = nn.Parameter(np.ones(2))
    ema = optim.EMA([p])
    before = (p * p).sum()
    with ema.swapped():
        with pytest.raises(RuntimeError, match="changed in place"):
            before.backward()
        within = (p * p).sum()
    with pytest.raises(RuntimeError, match="changed in place"):
        within.backward()


def test_training_goes_on_as_if_nothing_had_been_swapped():
    """In float16, with a master copy that knows more than the parameter."""
    ps = [nn.Parameter(np.ones(3, np.float16)) for _ in range(2)]
    optimizers = [optim.SGD([p], lr=1e-4) for p in ps]
    ema = optim.EMA([ps[0]], decay=0.5)
    for _ in range(20):
        for p, optimizer in zip(ps, optimizers, strict=True):
            p.grad = ts.tensor(np.ones(3, np.float16))
            optimizer.step()
        ema.update()
        with ema.swapped():
            pass
    assert_array_equal(ps[0].numpy(), ps[1].numpy())


def test_state():
    p, q = (nn.Parameter(np.zeros(2, np.float32)) for _ in range(2))
    ema, other = optim.EMA([p], decay=0.75), optim.EMA([q], decay=0.75)
    p.assign_(np.ones(2, np.float32))
    ema.update()
    state = ema.state_dict()
    ema.update()
    assert_array_equal(state["averages"][0], [0.25, 0.25])
    other.load_state_dict({"averages": [ts.tensor(state["averages"][0])]})
    q.assign_(np.ones(2, np.float32))
    other.update()
    assert_array_equal(host(other.averages[0]), host(ema.averages[0]))
    assert_array_equal(state["averages"][0], [0.25, 0.25])
    r, twin = copy.deepcopy((p, ema))
    r.assign_(np.zeros(2, np.float32))
    twin.update()
    assert_array_equal(host(twin.averages[0]), 0.75 * host(ema.averages[0]))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (None, "a state is a dict, got NoneType"),
        ({}, "averages is missing"),
        ({"averages": [np.zeros(2)], "decay": 0.5}, "decay is unexpected"),
        ({"averages": 3}, "averages needs a list of arrays, got int"),
        ({"averages": []}, "averages needs 1 arrays, one per parameter, got 0"),
        ({"averages": [np.zeros(3)]}, r"averages\[0\] needs float64\[2\], got float64\[3\]"),
        ({"averages": [np.zeros(2, np.float32)]}, r"averages\[0\] needs float64\[2\], got float32\[2\]"),
    ],
)
def test_a_state_that_does_not_fit(state, words):
    ema = optim.EMA([nn.Parameter(np.ones(2))])
    with pytest.raises(ValueError, match=f"the state does not fit this EMA; nothing was loaded\n  {words}"):
        ema.load_state_dict(state)
    assert_array_equal(host(ema.averages[0]), [1, 1])


def test_errors():
    p = nn.Parameter(np.ones(2))
    with pytest.raises(ValueError, match="EMA needs at least one parameter"):
        optim.EMA([])
    with pytest.raises(TypeError, match=r"EMA needs the parameters of a model, got the model; write EMA\("):
        optim.EMA(nn.Linear(2, 2, rng=0))
    with pytest.raises(ValueError, match=r"EMA needs a number decay in \[0, 1\), got 1"):
        optim.EMA([p], decay=1)
    model = nn.Linear(2, 2, rng=0)
    ema = optim.EMA(model.parameters())
    model.to(dtype=np.float16)
    for call in (ema.update, lambda: ema.swapped().__enter__()):
        with pytest.raises(
            ValueError, match=r"float16\[2,2\] .* its EMA was created for float32 .* create its EMA"
        ):
            call()
    assert model.weight.dtype == np.float16
