"""Captions with attention, soft and hard, compared with PyTorch in float64: losses and their gradients.

The equations of Xu et al. (2015) are written by hand, with a loop over the words.
"""

import numpy as np
import pytest
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import nn

torch = pytest.importorskip("torch", reason="PyTorch is not installed: no decoder is compared with it")
torch.set_num_threads(1)
F = torch.nn.functional
pytestmark = pytest.mark.oracle

B, N, D, E, H, A, C, T = 3, 6, 5, 4, 7, 8, 9, 5  # images, regions, sizes, units of the score, words, steps
ENDS, PENALTY, CHOICES, ENTROPY = [5, 2, 4], 0.7, 0.3, 0.1


def decoder_of(kind):
    rng = np.random.default_rng(0)
    o = {"rng": rng, "dtype": np.float64}
    return kind(
        nn.Embedding(C, E, **o),
        nn.LSTMCell(E + D, H, **o),
        nn.AdditiveScore(H, D, A, **o),
        nn.Linear(H + D, C, **o),
        nn.Sequential(nn.Linear(D, 2 * H, **o), ts.tanh),
        gate=nn.Linear(H, 1, **o),
    )


def drawn():
    rng = np.random.default_rng(1)
    regions, targets = rng.normal(size=(B, N, D)), rng.integers(1, C, (T, B))
    return regions, targets, rng.gumbel(size=(T, B, N))


def theirs(w, regions, targets, gumbel):
    """Nats (T, B), weights (T, B, N), log p of the looks and their entropies (T, B), in PyTorch."""
    start = torch.tanh(regions.mean(1) @ w["bridge.layers.0.weight"] + w["bridge.layers.0.bias"])
    h, c = start[:, :H], start[:, H:]
    inside = torch.arange(T)[:, None] < torch.tensor(ENDS)
    previous, made = torch.zeros(B, dtype=torch.int64), []
    for t in range(T):
        e = torch.tanh((h @ w["score.W"])[:, None] + regions @ w["score.U"]) @ w["score.v"]
        log_alpha = torch.log_softmax(e, -1)
        alpha, log_p = log_alpha.exp(), torch.zeros(B)
        entropy = -(alpha * log_alpha).sum(-1)
        if gumbel is not None:
            a = (e + gumbel[t]).argmax(-1)
            alpha, log_p = F.one_hot(a, N).double(), log_alpha.gather(-1, a[:, None])[:, 0]
        beta = torch.sigmoid(h @ w["gate.weight"] + w["gate.bias"])
        z = beta * (alpha[..., None] * regions).sum(1)
        x = torch.cat([w["embedding.weight"][previous], z], -1)
        i, f, g, o = (x @ w["cell.Wx"] + h @ w["cell.Wh"] + w["cell.b"]).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        logits = torch.cat([h, z], -1) @ w["readout.weight"] + w["readout.bias"]
        nats = F.cross_entropy(logits, targets[t], reduction="none")
        kept = inside[t]
        made.append((nats * kept, alpha * kept[:, None], log_p * kept, entropy * kept))
        previous = targets[t]
    return [torch.stack(part) for part in zip(*made, strict=True)]


def within(nats):
    return ts.where(np.arange(T)[:, None] < ENDS, nats, 0.0)


def compared(ours, decoder, regions, loss_of_theirs, gumbel=None):
    x = ts.tensor(regions, requires_grad=True)
    loss = ours(nn.Annotations(x))
    named = dict(decoder.named_parameters())
    w = {name: torch.tensor(p.numpy(), requires_grad=True) for name, p in named.items()}
    y = torch.tensor(regions, requires_grad=True)
    expected = loss_of_theirs(*theirs(w, y, torch.tensor(drawn()[1]), gumbel))
    assert_allclose(loss, expected.item(), rtol=1e-12)
    found = ts.grad(loss, [x, *named.values()])
    for name, ours_g, theirs_g in zip(
        ["regions", *named], found, torch.autograd.grad(expected, [y, *w.values()]), strict=True
    ):
        scale = theirs_g.abs().max().item()
        assert scale > 0
        assert_allclose(ours_g, theirs_g.numpy(), rtol=0, atol=1e-12 * scale, err_msg=name)


def test_soft_attention_with_the_gate_and_the_doubly_stochastic_penalty():
    decoder, (regions, targets, _) = decoder_of(nn.AttentionDecoder), drawn()

    def ours(given):
        logits, weights = decoder.aligned(given, targets, ENDS)
        nats = within(nn.cross_entropy(logits, targets, reduction="none"))
        return nats.sum() / B + PENALTY * nn.attention.doubly_stochastic(weights)

    compared(
        ours,
        decoder,
        regions,
        lambda nats, alpha, *_: nats.sum() / B + PENALTY * ((1 - alpha.sum(0)) ** 2).sum() / B,
    )


def test_hard_attention_by_reinforce():
    decoder, (regions, targets, gumbel) = decoder_of(nn.HardAttentionDecoder), drawn()

    def ours(given):
        logits, _, log_p, entropy = decoder.sampled(given, targets, ts.tensor(gumbel), ENDS)
        nats = within(nn.cross_entropy(logits, targets, reduction="none"))
        rewards = nn.reinforce.returns(-nats)
        baselines = ts.full_like(rewards, -2.0)
        surrogate = nn.reinforce.loss(log_p, rewards, baselines)
        return nats.sum(0).mean() + CHOICES * surrogate - ENTROPY * entropy.sum(0).mean()

    def loss(nats, _, log_p, entropy):
        to_come = -nats.detach().flip(0).cumsum(0).flip(0)
        surrogate = -(log_p * (to_come + 2.0)).sum() / B
        return nats.sum() / B + CHOICES * surrogate - ENTROPY * entropy.sum() / B

    compared(ours, decoder, regions, loss, torch.tensor(gumbel))
