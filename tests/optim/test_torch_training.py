"""Losses, optimizers, clipping and schedules compared with PyTorch, step by step, in float64."""

import numpy as np
import pytest
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import nn, optim

torch = pytest.importorskip("torch", reason="PyTorch is not installed: training is not compared with it")
F = torch.nn.functional
pytestmark = pytest.mark.oracle
rng = np.random.default_rng(0)
C, P, Y = rng.normal(size=(6, 4)), 3 * rng.normal(size=(5, 3)), rng.uniform(size=(5, 3))
CLASSES = np.array([0, 3, -100, 1, 1, 2])

LOSSES = {
    "cross_entropy": (
        lambda o, r: nn.cross_entropy(o, CLASSES, ignore_index=-100, reduction=r),
        lambda o, r: F.cross_entropy(o, torch.tensor(CLASSES), ignore_index=-100, reduction=r),
        C,
    ),
    "cross_entropy, smoothed": (
        lambda o, r: nn.cross_entropy(o, CLASSES, ignore_index=-100, label_smoothing=0.3, reduction=r),
        lambda o, r: F.cross_entropy(o, torch.tensor(CLASSES), label_smoothing=0.3, reduction=r),
        C,
    ),
    "binary_cross_entropy_with_logits": (
        lambda o, r: nn.binary_cross_entropy_with_logits(o, Y, reduction=r),
        lambda o, r: F.binary_cross_entropy_with_logits(o, torch.tensor(Y), reduction=r),
        P,
    ),
    "mse": (
        lambda x, r: nn.mse(x, Y, reduction=r),
        lambda x, r: F.mse_loss(x, torch.tensor(Y), reduction=r),
        P,
    ),
    "huber": (
        lambda x, r: nn.huber(x, Y, delta=0.7, reduction=r),
        lambda x, r: F.huber_loss(x, torch.tensor(Y), delta=0.7, reduction=r),
        P,
    ),
    "layer norm": (
        lambda x, r: nn.LayerNorm(3, dtype=np.float64)(x),
        lambda x, r: F.layer_norm(x, (3,), torch.ones(3).double(), torch.zeros(3).double()),
        P,
    ),
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_value_gradient_and_gradient_of_the_gradient(name, reduction):
    ours, theirs, x = LOSSES[name]
    a, b = ts.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    loss, other = ours(a, reduction), theirs(b, reduction)
    assert_allclose(loss.numpy(), other.detach().numpy(), rtol=1e-12, atol=1e-14)
    v = rng.normal(size=loss.shape)
    (da,) = ts.grad([loss], [a], [v], create_graph=True)
    (db,) = torch.autograd.grad(other, b, torch.tensor(v), create_graph=True)
    assert_allclose(da.numpy(), db.detach().numpy(), rtol=1e-12, atol=1e-14)
    u = rng.normal(size=x.shape)
    (second,) = ts.grad([da], [a], [u])
    (other,) = torch.autograd.grad(db, b, torch.tensor(u))
    assert_allclose(second.numpy(), other.numpy(), rtol=1e-10, atol=1e-12)


def grouped(ps):
    """One with the settings of the optimizer, one with a rate and one with a weight decay of its own."""
    return [{"params": ps[:1]}, {"params": ps[1:2], "lr": 0.01}, {"params": ps[2:], "weight_decay": 0.0}]


OPTIMIZERS = {
    "SGD": (lambda ps: optim.SGD(ps, 0.1), lambda ps: torch.optim.SGD(ps, 0.1)),
    "momentum": (lambda ps: optim.SGD(ps, 0.1, 0.9), lambda ps: torch.optim.SGD(ps, 0.1, 0.9)),
    "Nesterov": (
        lambda ps: optim.SGD(ps, 0.1, 0.9, nesterov=True),
        lambda ps: torch.optim.SGD(ps, 0.1, 0.9, nesterov=True),
    ),
    "RMSprop": (lambda ps: optim.RMSprop(ps, 0.1), lambda ps: torch.optim.RMSprop(ps, 0.1)),
    "RMSprop, centered, with momentum": (
        lambda ps: optim.RMSprop(ps, 0.1, alpha=0.9, eps=1e-3, momentum=0.8, centered=True),
        lambda ps: torch.optim.RMSprop(ps, 0.1, alpha=0.9, eps=1e-3, momentum=0.8, centered=True),
    ),
    "Adam": (
        lambda ps: optim.Adam(ps, 0.1, (0.8, 0.95), 1e-4),
        lambda ps: torch.optim.Adam(ps, 0.1, (0.8, 0.95), 1e-4),
    ),
    "AdamW": (
        lambda ps: optim.AdamW(ps, 0.1, weight_decay=0.2),
        lambda ps: torch.optim.AdamW(ps, 0.1, weight_decay=0.2),
    ),
    "SGD, decaying": (
        lambda ps: optim.SGD(ps, 0.1, weight_decay=0.2),
        lambda ps: torch.optim.SGD(ps, 0.1, weight_decay=0.2),
    ),
    "momentum, decaying": (
        lambda ps: optim.SGD(ps, 0.1, 0.9, weight_decay=0.2),
        lambda ps: torch.optim.SGD(ps, 0.1, 0.9, weight_decay=0.2),
    ),
    "Nesterov, decaying": (
        lambda ps: optim.SGD(ps, 0.1, 0.9, nesterov=True, weight_decay=0.2),
        lambda ps: torch.optim.SGD(ps, 0.1, 0.9, nesterov=True, weight_decay=0.2),
    ),
    "RMSprop, decaying": (
        lambda ps: optim.RMSprop(ps, 0.1, eps=1e-3, momentum=0.8, centered=True, weight_decay=0.2),
        lambda ps: torch.optim.RMSprop(ps, 0.1, eps=1e-3, momentum=0.8, centered=True, weight_decay=0.2),
    ),
    "Adam, decaying": (
        lambda ps: optim.Adam(ps, 0.1, (0.8, 0.95), 1e-4, 0.2),
        lambda ps: torch.optim.Adam(ps, 0.1, (0.8, 0.95), 1e-4, 0.2),
    ),
    "groups of SGD": (
        lambda ps: optim.SGD(grouped(ps), 0.1, 0.9, weight_decay=0.2),
        lambda ps: torch.optim.SGD(grouped(ps), 0.1, 0.9, weight_decay=0.2),
    ),
    "groups of AdamW": (
        lambda ps: optim.AdamW(grouped(ps), 0.1, weight_decay=0.2),
        lambda ps: torch.optim.AdamW(grouped(ps), 0.1, weight_decay=0.2),
    ),
    "the defaults of RMSprop": (optim.RMSprop, torch.optim.RMSprop),
    "the defaults of Adam": (optim.Adam, torch.optim.Adam),
    "the defaults of AdamW": (optim.AdamW, torch.optim.AdamW),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_twenty_steps(name):
    """One parameter has no gradient in every third step; both libraries skip it."""
    ours, theirs = OPTIMIZERS[name]
    draw = np.random.default_rng(1)
    starts = [draw.normal(size=shape) for shape in [(3, 2), (4,), ()]]
    ps = [nn.Parameter(a) for a in starts]
    qs = [torch.nn.Parameter(torch.tensor(a)) for a in starts]
    one, other = ours(ps), theirs(qs)
    for step in range(20):
        for i, (p, q) in enumerate(zip(ps, qs, strict=True)):
            g = draw.normal(size=p.shape)
            skipped = i == 1 and step % 3 == 0
            p.grad, q.grad = (None, None) if skipped else (ts.tensor(g), torch.tensor(g))
        one.step()
        other.step()
        for p, q in zip(ps, qs, strict=True):
            assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bound", [0.5, 100.0])
def test_clipping(bound):
    gradients = [rng.normal(size=(3, 2)), rng.normal(size=4)]
    for ours, theirs in [
        (optim.clip_grad_norm_, torch.nn.utils.clip_grad_norm_),
        (optim.clip_grad_value_, torch.nn.utils.clip_grad_value_),
    ]:
        ps = [nn.Parameter(np.zeros(g.shape)) for g in gradients]
        qs = [torch.nn.Parameter(torch.zeros(g.shape).double()) for g in gradients]
        for p, q, g in zip(ps, qs, gradients, strict=True):
            p.grad, q.grad = ts.tensor(g), torch.tensor(g)
        norm, other = ours(ps, bound), theirs(qs, bound)
        assert (norm is None) == (other is None)
        if norm is not None:
            assert_allclose(norm, other.item(), rtol=1e-12)
        for p, q in zip(ps, qs, strict=True):  # PyTorch divides by norm + 1e-6
            assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-5 if norm else 1e-15)


@pytest.mark.parametrize(
    ("schedule", "theirs"),
    [
        (
            optim.step_decay(0.5, every=4, factor=0.3),
            lambda o: torch.optim.lr_scheduler.StepLR(o, 4, 0.3),
        ),
        (
            optim.cosine(0.5, steps=20, final=0.1),
            lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 20, 0.1),
        ),
        (
            optim.warmup(4, optim.constant(0.5)),
            lambda o: torch.optim.lr_scheduler.LinearLR(o, 1 / 5, total_iters=4),
        ),
    ],
)
def test_schedules(schedule, theirs):
    other = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = theirs(other)
    for t in range(20):
        assert_allclose(schedule(t), other.param_groups[0]["lr"], rtol=1e-12)
        other.step()
        scheduler.step()
