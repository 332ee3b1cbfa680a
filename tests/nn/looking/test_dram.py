"""The deep recurrent attention model compared with its equations and with PyTorch; who learns by what."""

import numpy as np
import pytest
from equations import EQUATIONS
from results import assert_allclose, host
from retinas import retina_by_hand

import tinygrad_seq as ts
from tinygrad_seq import nn, optim

S, N, B, C, SIGMA = 2, 2, 3, 5, 0.4
T = S * N
rng = np.random.default_rng(0)
images = rng.normal(size=(B, 8, 12))
noise = rng.normal(size=(T, B, 2))


def made(context=(2, 3), seed=0):
    options = {"looks": N, "size": 3, "scales": 2, "sigma": SIGMA, "hidden": 6, "dtype": np.float64}
    return nn.DRAM(C, **options, context=context, rng=seed)


def relu(x):
    return np.maximum(x, 0)


def run_by_hand(model, noise, context):
    """The logits of both objects, and the centres, log-probabilities and baselines of all looks."""
    w = {name: t.numpy() for name, t in model.named_tensors()}

    def layer(name, x):
        return x @ w[f"{name}.weight"] + w[f"{name}.bias"]

    def lstm(name, state, x):
        return EQUATIONS["LSTM"]({k: w[f"{name}.{k}"] for k in ("Wx", "Wh", "b")}, state, x)

    r, zeros, hs, looks = np.zeros((B, 6)), np.zeros((B, 6)), [], []
    if context:
        corners = [(i, j) for i in (0, 4) for j in (0, 4, 8)]
        coarse = np.stack([images[:, i : i + 4, j : j + 4].mean((1, 2)) for i, j in corners], axis=1)
        r = np.tanh(layer("context.1", relu(layer("context.0", coarse))))
    first, second = (zeros, zeros), (r, zeros)
    for drawn in noise:
        r = second[0]
        place = np.tanh(layer("locator", r)) + SIGMA * drawn
        log_p = (-(drawn**2) / 2 - np.log(SIGMA * np.sqrt(2 * np.pi))).sum(-1)
        looks.append((place, log_p, layer("baseline", r)[:, 0]))
        rho = retina_by_hand(images, place, 3, 2).reshape(B, -1)
        g = relu(layer("what.1", relu(layer("what.0", rho)))) * relu(layer("where", place))
        first, h = lstm("classifying", first, g)
        second, _ = lstm("choosing", second, h)
        hs.append(h)
    return layer("classifier", np.stack(hs)[N - 1 :: N]), *map(np.stack, zip(*looks, strict=True))


targets = run_by_hand(made(), noise, True)[0].argmax(-1)
targets[0, 0], targets[1, :2] = (targets[0, 0] + 1) % C, (targets[1, :2] + 1) % C  # three are wrong


@pytest.mark.parametrize("context", [(2, 3), None])
def test_it_is_its_equations(context):
    model = made(context)
    logits, looks = model(ts.tensor(images), ts.tensor(noise))
    assert logits.shape == (S, B, C)
    for found, value in zip((logits, *looks), run_by_hand(model, noise, context), strict=True):
        assert_allclose(found, value, rtol=1e-11, atol=1e-13)


def test_the_loss_is_its_formula():
    """A look is rewarded for its own object and for those after it."""
    logits, _, log_p, b = run_by_hand(made(), noise, True)
    right = logits.argmax(-1) == targets
    assert right.tolist() == [[False, True, True], [False, False, True]]
    returns = np.array([[0, 1, 2]] * N + [[0, 0, 1]] * N)
    powers = np.exp(logits)
    p = np.take_along_axis(powers / powers.sum(-1, keepdims=True), targets[..., None], -1)
    expected = -np.log(p).mean() - 0.3 * ((returns - b) * log_p).sum(0).mean() + ((returns - b) ** 2).mean()
    loss = made().loss(ts.tensor(images), targets, ts.tensor(noise), weight=0.3)
    assert_allclose(loss, expected, rtol=1e-12)


def gradients(weight, model=None):
    model = model or made()
    loss = model.loss(ts.tensor(images), targets, ts.tensor(noise), weight=weight)
    names, parameters = zip(*model.named_parameters(), strict=True)
    return dict(zip(names, map(host, ts.grad(loss, list(parameters), zeros=True)), strict=True))


def test_what_chooses_learns_by_reinforce_alone():
    """The two classic faults: its gradient is lost with that of the means, or flows through the samples."""
    without, with_it = gradients(0.0), gradients(1.0)
    chooses = [name for name in without if name.split(".")[0] in ("choosing", "locator", "context")]
    assert len(chooses) == 3 + 2 + 4
    for name in without:
        assert (np.abs(without[name]).max() == 0) == (name in chooses), name
        assert np.abs(with_it[name]).max() > 1e-5, name
    for name in ("classifier.weight", "classifier.bias", "baseline.weight", "baseline.bias"):
        assert_allclose(with_it[name], without[name], rtol=1e-12)


def test_the_gradient_of_the_location_network_is_the_estimate():
    """sum_n (R_n - b_n) noise_n / sigma, through tanh, by the bias of its layer, if nothing else changes."""
    _, centres, _, b = run_by_hand(made(), noise, True)
    returns = np.array([[0, 1, 2]] * N + [[0, 0, 1]] * N)
    slope = 1 - (centres - SIGMA * noise) ** 2
    each = (returns - b)[..., None] * noise / SIGMA * slope
    assert_allclose(ts.tensor(gradients(1.0)["locator.bias"]), -each.sum((0, 1)) / B, rtol=1e-10)


def test_the_context_shows_only_where_to_look():
    """With the same looks, the classes are the same whatever the context is."""
    model = made()
    logits, looks = model(ts.tensor(images), ts.tensor(noise))
    model.context[0].weight.assign_(rng.normal(size=(6, 6)))
    assert_allclose(model.at(ts.tensor(images), looks.centres), logits, rtol=1e-12)
    other, others = model(ts.tensor(images), ts.tensor(noise))
    assert np.abs(host(others.centres[0]) - host(looks.centres[0])).max() > 1e-3
    assert np.abs(host(other) - host(logits)).max() > 1e-5


def test_it_learns_to_read_two_symbols():
    """Two pixels, each light or dark, one at either end; random looks miss one of them or both."""
    rng = np.random.default_rng(0)

    def batch(count):
        symbols = rng.integers(0, 2, (2, count))
        shown = np.zeros((count, 3, 9), np.float32)
        shown[:, 1, 1], shown[:, 1, 7] = 2.0 * symbols - 1
        return shown, symbols

    model = nn.DRAM(2, looks=1, size=3, scales=1, sigma=0.3, hidden=32, context=(1, 3), rng=0)
    adam = optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(300):
        shown, symbols = batch(64)
        loss = model.loss(shown, symbols, rng.standard_normal((2, 64, 2), np.float32), weight=0.2)
        adam.zero_grad()
        loss.backward()
        adam.step()
    shown, symbols = batch(500)
    logits, _ = model(shown, np.zeros((2, 500, 2), np.float32))
    random = model.at(shown, rng.uniform(-1, 1, (2, 500, 2)).astype(np.float32))
    read, guessed = ((host(x).argmax(-1) == symbols).all(0).mean() for x in (logits, random))
    assert read > 0.95
    assert guessed < 0.6


def test_one_image_for_all_rows():
    cell, each = (nn.DRAMCell(made(), ts.tensor(x)) for x in (images[0], np.stack([images[0]] * B)))
    (h, looks), _ = nn.Recurrent(cell)(ts.tensor(noise))
    (expected, others), _ = nn.Recurrent(each)(ts.tensor(noise))
    for one, other in zip((h, *looks), (expected, *others), strict=True):
        assert_allclose(one, host(other), rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: nn.DRAM(0), ValueError, "DRAM needs an integer classes"),
        (lambda: nn.DRAM(3, context=(2, 0)), ValueError, "DRAM needs an integer context"),
        (lambda: nn.DRAM(3, context=4), TypeError, "DRAM needs several integers as context"),
        (lambda: nn.DRAM(3, context=(2, 3, 4)), ValueError, r"context \(rows, columns\), got \(2, 3, 4\)"),
        (lambda: made((3, 3))(images, noise), ValueError, r"multiples of those of the context, \(3, 3\)"),
        (lambda: made(None)(images[:2], noise), ValueError, "a centre for each image"),
        (lambda: made()(images, noise[:3]), ValueError, "a multiple of 2 looks, got 3"),
        (lambda: made().at(images, noise[:3]), ValueError, "a multiple of 2 looks, got 3"),
        (lambda: made().at(images, noise[0]), ValueError, r"DRAM.at needs xs \(T, B, 2\)"),
        (lambda: made().loss(images, targets[:1], noise), ValueError, "cross_entropy needs logits"),
        (lambda: made().loss(images, targets + 9, noise), IndexError, "DRAM.loss: targets must lie within"),
        (lambda: made().loss(images, targets, noise, weight=-1), ValueError, "DRAM.loss needs a number weight"),
    ],
)
@pytest.mark.host("the arrays are on the host")
def test_errors(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.oracle
def test_gradients_agree_with_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model = made()
    ours = gradients(0.3, model)
    w = {name: torch.tensor(t.numpy(), requires_grad=True) for name, t in model.named_tensors()}

    def layer(name, x):
        return x @ w[f"{name}.weight"] + w[f"{name}.bias"]

    def lstm(name, state, x):
        i, f, g, o = (x @ w[f"{name}.Wx"] + w[f"{name}.b"] + state[0] @ w[f"{name}.Wh"]).chunk(4, -1)
        c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    coarse = torch.nn.functional.avg_pool2d(torch.tensor(images)[:, None], 4).reshape(B, 6)
    zeros = torch.zeros(B, 6, dtype=torch.float64)
    first = zeros, zeros
    second = torch.tanh(layer("context.1", torch.relu(layer("context.0", coarse)))), zeros
    hs, logs, baselines = [], [], []
    for drawn in torch.tensor(noise):
        normal = torch.distributions.Normal(torch.tanh(layer("locator", second[0])), SIGMA)
        place = (normal.mean + SIGMA * drawn).detach()
        logs.append(normal.log_prob(place).sum(-1))
        baselines.append(layer("baseline", second[0].detach())[:, 0])
        rho = torch.tensor(retina_by_hand(images, place.numpy(), 3, 2).reshape(B, -1))
        what = torch.relu(layer("what.1", torch.relu(layer("what.0", rho))))
        first = lstm("classifying", first, what * torch.relu(layer("where", place)))
        second = lstm("choosing", second, first[0])
        hs.append(first[0])
    logits, y = layer("classifier", torch.stack(hs[N - 1 :: N])), torch.tensor(targets)
    logs, baselines = torch.stack(logs), torch.stack(baselines)
    right = (logits.argmax(-1) == y).double()
    returns = torch.stack([right[0] + right[1], right[1]]).repeat_interleave(N, dim=0)
    missed = torch.nn.functional.cross_entropy(logits.reshape(-1, C), y.reshape(-1))
    policy = -((returns - baselines).detach() * logs).sum(0).mean()
    loss = missed + 0.3 * policy + ((returns - baselines) ** 2).mean()
    for name, expected in zip(w, torch.autograd.grad(loss, list(w.values())), strict=True):
        assert_allclose(ts.tensor(ours[name]), expected.numpy(), rtol=1e-9, atol=1e-12, err_msg=name)
