"""CTC: the loss as the recursion of the paper, over labels and blanks; decoding as a loop over prefixes."""

from __future__ import annotations

from typing import Any

import doors
import numpy as np
import paths

import tinygrad_seq as ts
from fuzzing.calls import Call, Draw, Values, subject
from fuzzing.draw import INVALID
from fuzzing.losses import BIG, REDUCTIONS, log_softmax, reduced
from tinygrad_seq import nn

NEVER = [-np.inf]


def loss(log_p: np.ndarray, labels: np.ndarray, blank: int) -> Any:
    """-log p(labels) of one row, log_p (T, C); alpha stands for blank, label 1, blank, ..., label S, blank."""
    place = np.full(2 * len(labels) + 1, blank)
    place[1::2] = labels
    jumps = [s > 1 and c != blank and c != place[s - 2] for s, c in enumerate(place)]
    if not len(log_p):
        return np.inf if len(labels) else 0.0
    alpha = np.where(np.arange(len(place)) < 2, log_p[0, place], -np.inf)
    for y in log_p[1:, place]:
        one, two = np.concatenate([NEVER, alpha[:-1]]), np.concatenate([2 * NEVER, alpha[:-2]])[: len(place)]
        with np.errstate(invalid="ignore"):
            alpha = np.logaddexp.reduce([alpha, one, np.where(jumps, two, -np.inf)]) + y
    return -np.logaddexp.reduce(alpha[-2:])


def frames_needed(labels: np.ndarray) -> int:
    return len(labels) + int(np.sum(labels[1:] == labels[:-1]))


@subject("ctc_loss", 300, also=("lengths", "target_lengths"))
def ctc_loss(d: Draw) -> Call:
    steps, batch, classes, size = (
        d.one_of([1, 3, 6]),
        d.one_of([0, 1, 3]),
        d.one_of([2, 3, 4]),
        d.one_of([0, 1, 3]),
    )
    wrong = [(steps, batch), (steps, batch + 1, classes), (0, batch, classes), (steps, batch, classes, 1)]
    logits = d.floats("logits", (steps, batch, classes), wrong=wrong, special=[*BIG, -np.inf])
    first = d.chance(0.7)
    options = {"blank": d.given("blank", b := 0 if first else classes - 1, b)}
    labels = (1, classes) if first else (0, classes - 1)
    lengths, counts = d.lengths(steps, batch), d.lengths(size, batch, "target_lengths")
    on_host = doors.NAME == "numpy" or not any(isinstance(x, ts.Tensor) for x in (lengths, counts))
    first_counts = batch and (d.values.target_lengths is None or np.ravel(d.values.target_lengths)[:1] > 0)
    targets = d.integers(
        "targets",
        (batch, size),
        *labels,
        wrong=[(batch,), (batch + 1, size)],
        beyond=(-7, 99) if on_host and first_counts else (),
    )
    if d.chance(0.5):
        options["reduction"] = d.choice("reduction", REDUCTIONS)
    if d.chance(0.5):
        options["omit_infeasible"] = d.given("omit_infeasible", True, True)
    if d.chance(0.1):
        options["blank"] = d.integer("blank", [b], f"[0, {classes})")

    def each(v: Values) -> list[tuple[np.ndarray, np.ndarray]]:
        """The frames and the labels of every row."""
        t = [steps] * batch if v.lengths is None else v.lengths
        n = [size] * batch if v.target_lengths is None else v.target_lengths
        rows = np.reshape(v.targets, (batch, size)).astype(int)
        return [(v.logits[: t[i], i], rows[i, : n[i]]) for i in range(batch)]

    if d.verdict != INVALID:
        short = [len(o) < frames_needed(y) for o, y in each(d.values)]
        checked = doors.NAME == "numpy" or (on_host and not isinstance(targets, ts.Tensor))
        if any(short) and checked and "omit_infeasible" not in options:
            d.judged(INVALID)

    def oracle(v: Values):
        rows = each(v)
        counted = [not s or "omit_infeasible" not in options for s in short]
        losses = [loss(log_softmax(o), y, b) if c else 0.0 for (o, y), c in zip(rows, counted, strict=True)]
        return reduced(np.array(losses, np.longdouble), v.get("reduction", "mean"), sum(counted))

    return Call(nn.ctc_loss(logits, targets, lengths, counts, **options), oracle, strict=True, infinite=True)


@subject("ctc_decode", 150, also=("lengths",))
def ctc_decode(d: Draw) -> Call:
    steps, batch, classes = d.one_of([1, 3, 6]), d.one_of([0, 1, 3]), d.one_of([1, 2, 4])
    wrong = [(steps, batch), (0, batch, classes), (steps, batch, classes, 1)]
    logits = d.floats("logits", (steps, batch, classes), wrong=wrong, dtypes=["f8"], special=[])  # without ties
    lengths = d.lengths(steps, batch)
    width = (
        d.integer("width", [1, 2, 7], "[1, inf)", none=True) if d.chance(0.6) else d.given("width", None, None)
    )
    blank = d.integer("blank", [0, classes - 1], f"[0, {classes})")

    def oracle(v: Values):
        labels, counts, scores = np.full((batch, steps), v.blank), np.zeros(batch, int), np.zeros(batch)
        for i in range(batch):
            o = v.logits[: steps if v.lengths is None else v.lengths[i], i]
            found = paths.best_path(o, v.blank) if v.width is None else paths.prefix_search(o, v.width, v.blank)
            labels[i, : len(found[0])], counts[i], scores[i] = found[0], len(found[0]), found[1]
        return labels, counts, scores

    return Call(nn.ctc_decode(logits, lengths, width=width, blank=blank), oracle)
