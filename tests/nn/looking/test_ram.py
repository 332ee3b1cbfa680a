"""The recurrent attention model compared with its equations, PyTorch, and an exact expected reward."""

from statistics import NormalDist

import numpy as np
import pytest
from results import assert_allclose, host
from retinas import retina_by_hand

import tinygrad_seq as ts
from tinygrad_seq import nn, optim

T, B, C, SIGMA = 4, 3, 5, 0.4
SIZES = {"size": 3, "scales": 2, "sigma": SIGMA, "features": 6, "hidden": 7}
rng = np.random.default_rng(0)
images = rng.normal(size=(B, 8, 10))
noise, first = rng.normal(size=(T, B, 2)), rng.uniform(-1, 1, (B, 2))


def made(seed=0):
    return nn.RAM(C, **SIZES, rng=seed, dtype=np.float64)


def relu(x):
    return np.maximum(x, 0)


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def run_by_hand(model, noise, first):
    """The logits, and the centres, log-probabilities and baselines of all looks."""
    w = {name: t.numpy() for name, t in model.named_tensors()}

    def layer(name, x):
        return x @ w[f"{name}.weight"] + w.get(f"{name}.bias", 0)

    h, place, looks = np.zeros((B, 7)), first, []
    for drawn in noise:
        seen = retina_by_hand(images, place, 3, 2).reshape(B, -1)
        what, where = relu(layer("what", seen)), relu(layer("where", place))
        g = relu(layer("from_what", what) + layer("from_where", where))
        h = relu(layer("core", h) + layer("glimpse", g))
        log_p = (-(drawn**2) / 2 - np.log(SIGMA * np.sqrt(2 * np.pi))).sum(-1)
        looks.append((place, log_p, layer("baseline", h)[:, 0]))
        place = np.tanh(layer("locator", h)) + SIGMA * drawn
    return layer("classifier", h), *map(np.stack, zip(*looks, strict=True))


labels = run_by_hand(made(), noise, first)[0].argmax(-1)
labels[0] = (labels[0] + 1) % C  # one answer is wrong


@pytest.mark.parametrize("given", [None, first])
def test_it_is_its_equations(given):
    logits, looks = made()(ts.tensor(images), ts.tensor(noise), None if given is None else ts.tensor(given))
    expected = run_by_hand(made(), noise, np.zeros((B, 2)) if given is None else given)
    for found, value in zip((logits, *looks), expected, strict=True):
        assert_allclose(found, value, rtol=1e-11, atol=1e-13)


def test_the_loss_is_its_formula():
    logits, _, log_p, b = run_by_hand(made(), noise, first)
    reward = logits.argmax(-1) == labels
    assert 0 < reward.sum() < B
    missed = -np.log(softmax(logits)[np.arange(B), labels]).mean()
    policy = -((reward - b[:-1]) * log_p[:-1]).sum(0).mean()  # the last choice leads nowhere
    expected = missed + 0.3 * policy + ((reward - b[:-1]) ** 2).mean()
    loss = made().loss(ts.tensor(images), labels, ts.tensor(noise), ts.tensor(first), weight=0.3)
    assert_allclose(loss, expected, rtol=1e-12)


def gradients(weight, model=None):
    model = model or made()
    loss = model.loss(ts.tensor(images), labels, ts.tensor(noise), ts.tensor(first), weight=weight)
    names, parameters = zip(*model.named_parameters(), strict=True)
    return dict(zip(names, map(host, ts.grad(loss, list(parameters), zeros=True)), strict=True))


CHOICES = ("locator.weight", "locator.bias")


def test_the_location_network_learns_by_reinforce_alone():
    """The two classic faults: its gradient is lost with that of the mean, or flows through the samples."""
    without, with_it = gradients(0.0), gradients(1.0)
    for name in CHOICES:
        assert (without[name] == 0).all()
        assert np.abs(with_it[name]).max() > 1e-3
    for name in without.keys() - set(CHOICES):
        assert np.abs(without[name]).max() > 1e-4, name
        assert_allclose(with_it[name], without[name], rtol=1e-12)


def test_the_gradient_of_the_location_network_is_the_estimate():
    """sum_t (R - b_t) noise_t / sigma, through tanh, by the bias of its last layer."""
    logits, centres, _, b = run_by_hand(made(), noise, first)
    reward = (logits.argmax(-1) == labels).astype(float)
    slope = 1 - (centres[1:] - SIGMA * noise[:-1]) ** 2  # the means are tanh of the layer
    each = (reward - b[:-1])[..., None] * noise[:-1] / SIGMA * slope
    assert_allclose(ts.tensor(gradients(1.0)["locator.bias"]), -each.sum((0, 1)) / B, rtol=1e-10)


def test_the_estimate_agrees_with_the_exact_gradient_of_the_expected_reward():
    """Two looks at an image of three pixels: whether the second look hits the dark one decides on the answer.

    It does so with the probability Phi((edge - m) / sigma), where m is the mean of its x. The rows have
    quantiles of N(0, 1) as noise, so the mean over the rows is nearly an expectation.
    """
    count, sigma, edge = 4001, 0.3, -1 / 3
    image = np.array([[0.0, 3.0, 3.0]])
    model = nn.RAM(2, size=1, sigma=sigma, features=3, hidden=4, rng=72, dtype=np.float64)
    model.from_where.weight.assign_(np.zeros((3, 4)))
    rows = np.zeros((2, count, 2))
    rows[0, :, 0] = [NormalDist().inv_cdf((i + 0.5) / count) for i in range(count)]
    batch, answers = np.repeat(image[None], count, axis=0), np.zeros(count, int)
    logits, looks = model(ts.tensor(batch), ts.tensor(rows))
    right, x = host(logits).argmax(-1) == 0, host(looks.centres)[1, :, 0]
    assert len(set(right[x >= edge])) == len(set(right[x < edge])) == 1  # the answer depends on the pixel alone
    change = float(right[x >= edge][0]) - float(right[x < edge][0])
    assert change != 0

    mean = float(host(looks.centres)[1, count // 2, 0])  # of the row without noise
    density = NormalDist(edge, sigma).pdf(mean)
    exact = change * density * (1 - mean**2)
    loss = model.loss(ts.tensor(batch), answers, ts.tensor(rows), weight=1.0)
    found = host(ts.grad(loss, model.locator.bias))
    assert_allclose(ts.tensor(-found), [exact, 0.0], rtol=2e-3, atol=1e-12)


def test_looks_at_given_centres():
    """The logits after the same looks are the same; after others they are others."""
    model = made()
    logits, looks = model(ts.tensor(images), ts.tensor(noise), ts.tensor(first))
    assert_allclose(model.at(ts.tensor(images), looks.centres), logits, rtol=1e-12)
    other = model.at(ts.tensor(images), ts.tensor(rng.uniform(-1, 1, (T, B, 2))))
    assert np.abs(host(other) - host(logits)).max() > 1e-3


def test_one_image_for_all_rows():
    cell, each = (nn.RAMCell(made(), ts.tensor(x)) for x in (images[0], np.stack([images[0]] * B)))
    found, expected = (nn.Recurrent(c)(ts.tensor(noise)) for c in (cell, each))
    for one, other in zip(ts_leaves(found), ts_leaves(expected), strict=True):
        assert_allclose(one, host(other), rtol=1e-12)


def ts_leaves(result):
    looks, state = result
    return [*looks, *state]


def test_it_learns_where_to_look():
    """The class is shown at one edge, out of sight of the first look; random looks miss it."""
    rng = np.random.default_rng(0)

    def batch(count):
        answers = rng.integers(0, 2, count)
        shown = np.zeros((count, 7, 7), np.float32)
        shown[:, 3, 0] = 2.0 * answers - 1
        return shown, answers

    model = nn.RAM(2, size=3, sigma=0.3, features=16, hidden=32, rng=0)
    adam = optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(300):
        shown, answers = batch(64)
        loss = model.loss(shown, answers, rng.standard_normal((2, 64, 2), np.float32), weight=0.5)
        adam.zero_grad()
        loss.backward()
        adam.step()
    shown, answers = batch(500)
    logits, _ = model(shown, np.zeros((2, 500, 2), np.float32))
    random = model.at(shown, rng.uniform(-1, 1, (2, 500, 2)).astype(np.float32))
    found, guessed = ((host(x).argmax(-1) == answers).mean() for x in (logits, random))
    assert found > 0.95
    assert guessed < 0.75


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: nn.RAM(0), ValueError, "RAM needs an integer classes"),
        (lambda: nn.RAM(3, sigma=0.0), ValueError, r"RAM needs a number sigma in \(0, inf\)"),
        (lambda: made()(images, noise[0]), ValueError, r"Recurrent needs xs \(T, B, 2\)|RAMCell needs xs"),
        (lambda: made()(images[:2], noise), ValueError, "a centre for each image"),
        (lambda: made()(images, noise, first[:, :1]), ValueError, r"RAMCell needs first \(B, 2\)"),
        (lambda: made()(images, noise, first[:2]), ValueError, "a state with the rows of its input"),
        (lambda: made().at(images, noise[0]), ValueError, r"RAM.at needs xs \(T, B, 2\)"),
        (lambda: made().loss(images, [4, 0, 5], noise), IndexError, "RAM.loss: labels must lie within 0 ... 4"),
        (lambda: made().loss(images, labels, noise, weight=-1), ValueError, "RAM.loss needs a number weight"),
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
        y = x @ w[f"{name}.weight"]
        return y + w[f"{name}.bias"] if f"{name}.bias" in w else y

    h, place = torch.zeros(B, 7, dtype=torch.float64), torch.tensor(first)
    logs, baselines = [], []
    for drawn in torch.tensor(noise):
        seen = torch.tensor(retina_by_hand(images, place.numpy(), 3, 2).reshape(B, -1))
        what, where = torch.relu(layer("what", seen)), torch.relu(layer("where", place))
        g = torch.relu(layer("from_what", what) + layer("from_where", where))
        h = torch.relu(layer("core", h) + layer("glimpse", g))
        normal = torch.distributions.Normal(torch.tanh(layer("locator", h.detach())), SIGMA)
        place = (normal.mean + SIGMA * drawn).detach()
        logs.append(normal.log_prob(place).sum(-1))
        baselines.append(layer("baseline", h.detach())[:, 0])
    logits, y = layer("classifier", h), torch.tensor(labels)
    logs, baselines = torch.stack(logs[:-1]), torch.stack(baselines[:-1])
    reward = (logits.argmax(-1) == y).double().expand(T - 1, B)
    loss = (
        torch.nn.functional.cross_entropy(logits, y)
        - 0.3 * ((reward - baselines).detach() * logs).sum(0).mean()
    )
    loss = loss + ((reward - baselines) ** 2).mean()
    for name, expected in zip(w, torch.autograd.grad(loss, list(w.values())), strict=True):
        assert_allclose(ts.tensor(ours[name]), expected.numpy(), rtol=1e-9, atol=1e-12, err_msg=name)
