"""DRAW compared with its equations in NumPy and in PyTorch; its bound, its starts, and what it generates."""

import numpy as np
import pytest
from equations import sigmoid
from results import assert_allclose, assert_array_equal, host

import tinygrad_seq as ts
from tinygrad_seq import nn

T, B, SIZE, Z, H, READ, WRITE = 3, 2, (5, 7), 2, 4, 3, 2
rng = np.random.default_rng(0)
images = (rng.random((B, *SIZE)) < 0.4).astype(np.float64)
noise = rng.normal(size=(T, B, Z))
KINDS = {
    "attention": (READ, WRITE),
    "no attention": (None, None),
    "reads": (READ, None),
    "writes": (None, WRITE),
}


def made(kind="attention", dtype=np.float64):
    """A model whose parameters are all random: the learned starts, too."""
    read, write = KINDS[kind]
    model = nn.DRAW(SIZE, latent=Z, hidden=H, read=read, write=write, rng=0, dtype=dtype)
    drawn = np.random.default_rng(1)
    for p in model.parameters():
        p.assign_(p + (drawn.normal(size=p.shape) / 4).astype(dtype))
    return model


def banks(p, n):
    """F_Y, F_X (B, n, pixels) and gamma (B, 1, 1), by the equations of the paper."""
    x, y, log_variance, log_stride, log_intensity = (part[:, None] for part in p.T)
    delta = (max(SIZE) - 1) / max(n - 1, 1) * np.exp(log_stride)
    found = []
    for g, pixels in ((y, SIZE[0]), (x, SIZE[1])):
        mu = (pixels + 1) / 2 * (g + 1) + (np.arange(1, n + 1) - n / 2 - 0.5) * delta
        f = np.exp(-((np.arange(1, pixels + 1) - mu[..., None]) ** 2) / (2 * np.exp(log_variance[..., None])))
        found.append(f / f.sum(-1, keepdims=True))
    return *found, np.exp(log_intensity)[..., None]


def run_by_hand(model, x, noise):
    """c_t, mu_t and log sigma_t of all steps."""
    w = {name: t.numpy() for name, t in model.named_tensors()}

    def layer(name, x):
        return x @ w[f"{name}.weight"] + w[f"{name}.bias"]

    def lstm(name, state, x):
        gates = x @ w[f"{name}.cell.Wx"] + w[f"{name}.cell.b"] + state[0] @ w[f"{name}.cell.Wh"]
        i, f, g, o = np.split(gates, 4, axis=-1)
        c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    c = np.broadcast_to(w["canvas"], x.shape)
    encoder, decoder = (
        tuple(np.repeat(w[f"{name}.start.{k}"], len(x), axis=0) for k in (0, 1))
        for name in ("encoder", "decoder")
    )
    found = []
    for eps in noise:
        seen = [x, x - sigmoid(c)]
        if model.read:
            rows, columns, gamma = banks(layer("reading", decoder[0]), model.read)
            seen = [gamma * rows @ part @ columns.swapaxes(1, 2) for part in seen]
        flat = [part.reshape(len(x), -1) for part in seen]
        encoder = lstm("encoder", encoder, np.concatenate([*flat, decoder[0]], axis=-1))
        mean, log_sigma = np.split(layer("latents", encoder[0]), 2, axis=-1)
        decoder = lstm("decoder", decoder, mean + np.exp(log_sigma) * eps)
        patch = layer("patch", decoder[0])
        if model.write:
            rows, columns, gamma = banks(layer("writing", decoder[0]), model.write)
            patch = rows.swapaxes(1, 2) @ patch.reshape(len(x), WRITE, WRITE) @ columns / gamma
        c = c + patch.reshape(x.shape)
        found.append((c, mean, log_sigma))
    return tuple(map(np.stack, zip(*found, strict=True)))


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_its_equations(kind):
    model = made(kind)
    canvases, mean, log_sigma = run_by_hand(model, images, noise)
    shown, drawn = model.reconstruct(images, noise)
    assert_allclose(shown, sigmoid(canvases), rtol=1e-10, atol=1e-12)
    assert_allclose(drawn.mean, mean, rtol=1e-10, atol=1e-12)
    assert_allclose(drawn.log_sigma, log_sigma, rtol=1e-10, atol=1e-12)
    assert [part is None for part in drawn[2:]] == [n is None for n in KINDS[kind]]

    missed, divergence = model.bound(images, noise)
    p = sigmoid(canvases[-1])
    assert_allclose(missed, -np.log(np.where(images > 0, p, 1 - p)).sum((1, 2)), rtol=1e-10)
    each = (mean**2 + np.exp(2 * log_sigma) - 2 * log_sigma - 1) / 2
    assert_allclose(divergence, each.sum((0, 2)), rtol=1e-9)
    assert_allclose(model.steps(images, noise)[0], canvases[-1], rtol=1e-10, atol=1e-12)


def test_the_divergence_counts_every_dimension_at_every_step():
    """Of N(0.5, 1), 1/8 nat for each; implementations are known that lose the constant of all but one."""
    model = made()
    model.latents.weight.assign_(model.latents.weight * 0.0)
    model.latents.bias.assign_(np.array([0.5] * Z + [0.0] * Z))
    _, divergence = model.bound(images, noise)
    assert_allclose(divergence, [T * Z / 8] * B, rtol=1e-14)


def test_every_step_has_its_own_noise():
    """A change of eps_2 changes all steps from the second on, and none before."""
    changed = noise + np.array([0, 1, 0]).reshape(T, 1, 1)
    first, second = (host(made().reconstruct(images, eps)[0]) for eps in (noise, changed))
    assert_array_equal(ts.tensor(first[0]), second[0])
    assert (first[1:] != second[1:]).any((2, 3)).all()


def test_it_generates_what_it_reconstructs_from_the_same_latent_variables():
    shown, drawn = made().reconstruct(images, noise)
    z = drawn.mean + ts.exp(drawn.log_sigma) * noise
    assert_allclose(made().generate(z), host(shown), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_has_a_gradient(kind):
    """The starts of the canvas and of both LSTMs, too."""
    model = made(kind)
    missed, divergence = model.bound(images, noise)
    (missed + divergence).sum().backward()
    for name, p in model.named_parameters():
        assert bool((p.grad != 0).any()), name
    names = [name for name, _ in model.named_parameters()]
    starts = ["encoder.start.0", "encoder.start.1", "decoder.start.0", "decoder.start.1", "canvas"]
    assert [name for name in names if name in starts] == starts


def test_truth_values_and_one_image_for_all_rows():
    model, one = made(), images[0]
    expected = [host(part) for part in model.bound(np.stack([one, one]), noise)]
    for given in (one, np.stack([one, one]).astype(bool), one.astype(int)):
        for part, value in zip(model.bound(given, noise), expected, strict=True):
            assert_allclose(part, value, rtol=1e-13)


def in_torch(torch, model, x, noise):
    """The bound, summed over the batch, and its gradients by all parameters."""
    w = {name: torch.tensor(t.numpy(), requires_grad=True) for name, t in model.named_parameters()}

    def layer(name, x):
        return x @ w[f"{name}.weight"] + w[f"{name}.bias"]

    def lstm(name, state, x):
        gates = x @ w[f"{name}.cell.Wx"] + w[f"{name}.cell.b"] + state[0] @ w[f"{name}.cell.Wh"]
        i, f, g, o = gates.chunk(4, dim=-1)
        c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    def bank(g, stride, log_variance, pixels, n):
        mu = (pixels + 1) / 2 * (g + 1) + (torch.arange(1, n + 1) - n / 2 - 0.5) * stride
        f = torch.exp(
            -((torch.arange(1, pixels + 1) - mu[..., None]) ** 2) / (2 * log_variance.exp()[..., None])
        )
        return f / f.sum(-1, keepdim=True)

    def window(p, n):
        gx, gy, log_variance, log_stride, log_intensity = p.chunk(5, dim=-1)
        stride = (max(SIZE) - 1) / (n - 1) * log_stride.exp()
        banks = (bank(g, stride, log_variance, m, n) for g, m in ((gy, SIZE[0]), (gx, SIZE[1])))
        return *banks, log_intensity.exp()[..., None]

    c = w["canvas"].expand(x.shape)
    encoder, decoder = (
        tuple(w[f"{name}.start.{k}"].expand(len(x), H) for k in (0, 1)) for name in ("encoder", "decoder")
    )
    divergence = 0
    for eps in noise:
        rows, columns, gamma = window(layer("reading", decoder[0]), READ)
        seen = [gamma * (rows @ part @ columns.mT) for part in (x, x - c.sigmoid())]
        encoder = lstm("encoder", encoder, torch.cat([part.flatten(1) for part in seen] + [decoder[0]], dim=-1))
        mean, log_sigma = layer("latents", encoder[0]).chunk(2, dim=-1)
        divergence += (mean**2 + (2 * log_sigma).exp() - 2 * log_sigma - 1).sum() / 2
        decoder = lstm("decoder", decoder, mean + log_sigma.exp() * eps)
        rows, columns, gamma = window(layer("writing", decoder[0]), WRITE)
        c = c + rows.mT @ layer("patch", decoder[0]).reshape(len(x), WRITE, WRITE) @ columns / gamma
    missed = torch.nn.functional.binary_cross_entropy_with_logits(c, x, reduction="sum")
    (missed + divergence).backward()
    return float((missed + divergence).detach()), {name: p.grad.numpy() for name, p in w.items()}


@pytest.mark.oracle
def test_values_and_gradients_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    model = made()
    value, expected = in_torch(torch, model, torch.tensor(images), torch.tensor(noise))
    loss = sum(part.sum() for part in model.bound(images, noise))
    assert_allclose(loss, value, rtol=1e-12)
    names, parameters = zip(*model.named_parameters(), strict=True)
    for name, found in zip(names, ts.grad(loss, list(parameters)), strict=True):
        scale = np.abs(expected[name]).max()
        assert_allclose(found, expected[name], rtol=0, atol=1e-11 * scale)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: nn.DRAW((5, 7, 1), latent=2, hidden=4), r"DRAW needs the size \(H, W\) of its images"),
        (lambda: nn.DRAW(SIZE, latent=0, hidden=4), "DRAW needs an integer latent"),
        (lambda: nn.DRAW(SIZE, latent=2, hidden=4, read=0), "DRAW needs an integer read"),
        (lambda: made().bound(images[:, :4], noise), r"DRAW needs images \(B, 5, 7\), got float64\[2,4,7\]"),
        (lambda: made().bound(images, noise[:, :1]), "DRAW needs noise for each image"),
        (lambda: made().bound(images, noise[0]), r"DRAW needs xs \(T, B, 2\)"),
        (lambda: made().bound(images, noise[:0]), "at least one time step"),
        (lambda: made().generate(noise[..., :1]), r"DRAW needs xs \(T, B, 2\)"),
    ],
)
def test_what_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
