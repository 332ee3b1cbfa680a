"""Losses, and means over unequal lengths, as their formulas."""

from __future__ import annotations

import math

import numpy as np

from fuzzing.calls import Call, Draw, Values, subject
from fuzzing.draw import extended
from tinygrad_seq import nn

LEADS = [(), (0,), (1,), (3,), (2, 3), (2, 0), (1, 1)]
ANY = [(), (0,), (1,), (3,), (2, 3), (0, 2), (3, 1, 2)]
BIG = [math.nan, 0.0, -0.0, 6e4, -6e4, 1e7, -1e7, 1e30, -1e30, 1e-30]
REDUCTIONS = ["mean", "sum", "none"]


def reduced(losses, reduction, count):
    if reduction == "none":
        return losses
    return np.sum(losses) / (max(count, 1) if reduction == "mean" else 1)


def log_softmax(x):
    """Along the last axis; where all are -inf, -inf."""
    top = np.max(x, axis=-1, keepdims=True)
    shifted = x - np.where(np.isfinite(top), top, 0)
    total = np.sum(np.exp(shifted), axis=-1, keepdims=True)
    return shifted - np.log(np.where(total == 0, 1, total))


@subject("cross_entropy", 400)
def cross_entropy(d: Draw) -> Call:
    lead, classes = d.one_of(LEADS), d.one_of([1, 2, 2, 4, 5])
    wrong = [(*lead, 1, classes), (lead[-1] + 1, classes) if lead else (3, classes), ()]
    logits = d.floats("logits", (*lead, classes), wrong=wrong, special=[*BIG, -math.inf])
    options = {}
    if d.chance(0.4):
        options["ignore_index"] = d.integer("ignore_index", [-1, 0, -100, classes], "(-inf, inf)", none=True)
    ignore = options.get("ignore_index")
    targets = d.integers(
        "targets", lead, 0, classes, wrong=[(*lead, 1), (*lead, classes), (7,)], beyond=(-7, 99)
    )
    if (
        ignore is not None
        and lead
        and isinstance(targets, np.ndarray)
        and targets.size
        and targets.dtype == "i8"
        and d.chance(0.7)
    ):
        targets = targets.copy()
        targets.flat[0] = int(ignore) if not isinstance(ignore, str) and np.isscalar(ignore) else 0
        d.given("targets", targets, targets)
    if d.chance(0.4):
        options["label_smoothing"] = d.number("label_smoothing", [0, 0.1, 0.5, 0.9], "[0, 1)")
    if d.chance(0.7):
        options["reduction"] = d.choice("reduction", REDUCTIONS)

    def oracle(v: Values):
        smoothing, y = v.get("label_smoothing", 0), np.asarray(v.targets)
        counts = np.ones(y.shape, bool) if ignore is None else y != v.ignore_index
        log_p = log_softmax(v.logits)
        q = np.eye(classes)[np.where(counts, y, 0)] * (1 - smoothing) + smoothing / classes
        losses = np.where(counts, -np.sum(np.where(q == 0, 0, q * log_p), axis=-1), 0)
        return reduced(losses, v.get("reduction", "mean"), counts.sum())

    return Call(nn.cross_entropy(logits, targets, **options), oracle, strict=True, infinite=True)


def alike(d: Draw, loss, formula, special=BIG, targets=lambda x: x, target_special=(), **options) -> Call:
    """A loss of predictions and targets of the same shape."""
    shape = d.one_of(ANY)
    wrong = [(*shape, 1), (*shape, 2), (5, 3)]
    x = d.floats("predictions", shape, wrong=wrong, special=special)
    dtypes = list(d.dtypes)
    y = d.floats("targets", shape, wrong=wrong, change=targets, special=target_special)
    if d.chance(0.7):
        options["reduction"] = d.choice("reduction", REDUCTIONS)
    dtype = dtypes[0] if dtypes else None
    if dtype and isinstance(d.values.targets, np.ndarray):  # they are cast to the dtype of the predictions
        wide = np.float32 if dtype == np.float16 else dtype
        d.values["targets"] = extended(d.values.targets.astype(wide))

    def oracle(v: Values):
        losses = formula(v.predictions, v.targets, v)
        return reduced(losses, v.get("reduction", "mean"), losses.size)

    return Call(loss(x, y, **options), oracle, strict=True, infinite=True, dtype=dtype)


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def product(a, x):
    """a x, where 0 times anything is 0."""
    return np.where(a == 0, 0, a * x)


@subject("binary_cross_entropy_with_logits", 250)
def binary(d: Draw) -> Call:
    return alike(
        d,
        nn.binary_cross_entropy_with_logits,
        lambda o, y, v: product(y, softplus(-o)) + product(1 - y, softplus(o)),
        special=[*BIG, math.inf, -math.inf],
        targets=lambda x: (np.tanh(x) + 1) / 2,
        target_special=[0.0, 1.0],
    )


@subject("mse", 250)
def mse(d: Draw) -> Call:
    return alike(d, nn.mse, lambda x, y, v: (x - y) ** 2, special=[*BIG, math.inf], target_special=BIG)


@subject("huber", 250)
def huber(d: Draw) -> Call:
    options = {}
    if d.chance(0.6):
        options["delta"] = d.number("delta", [0.5, 1, 1.0, 3.0, 1e-3], "(0, inf]")

    def formula(x, y, v):
        error, delta = np.abs(x - y), v.get("delta", 1.0)
        return np.where(error <= delta, error * error / 2, delta * (error - delta / 2))

    return alike(d, nn.huber, formula, special=[*BIG, math.inf, -math.inf], target_special=BIG, **options)


@subject("mean_within", 150, also=("lengths",))
def mean_within(d: Draw) -> Call:
    steps, batch = d.one_of([1, 2, 5]), d.one_of([0, 1, 3])
    losses = d.floats("losses", (steps, batch), special=BIG)
    lengths = d.lengths(steps, batch)

    def oracle(v: Values):
        inside = np.arange(steps)[:, None] < (steps if v.lengths is None else np.reshape(v.lengths, (batch,)))
        inside = np.broadcast_to(inside, (steps, batch))
        return np.sum(np.where(inside, v.losses, 0)) / max(inside.sum(), 1)

    return Call(nn.mean_within(losses, lengths), oracle, strict=True, infinite=True)


@subject("padded", 60)
def padded(d: Draw) -> Call:
    shape = d.one_of([(), (2,), (0,)])
    sequences = [
        np.asarray(d.rng.normal(size=(int(n), *shape))) for n in d.rng.integers(0, 4, d.one_of([1, 2, 4]))
    ]
    if d.chance(0.2):
        sequences = d.one_of([[], [np.ones(2), np.ones((2, 3))], [1.0, 2.0], 3, None, ["ab", [1.0]]])
        d.judged("invalid")
    d.said.append(f"sequences={sequences!r:.200}")
    fill = d.one_of([0, 0.5, -1, math.nan])

    def oracle(v: Values):
        lengths = np.array([len(s) for s in sequences])
        rows = [[s[t] if t < len(s) else np.full(shape, fill) for s in sequences] for t in range(max(lengths))]
        return np.reshape(rows, (max(lengths), len(sequences), *shape)).astype(float), lengths

    return Call(nn.padded(sequences, fill), oracle)
