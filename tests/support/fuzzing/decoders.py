"""Decoders and encoder-decoders: teacher forcing, free running, greedy and beam search, as their loops."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from equations import EQUATIONS

import tinygrad_seq as ts
from fuzzing.attention import onehot, softmax
from fuzzing.calls import Call, Draw, Values, subject
from fuzzing.cells import KINDS
from fuzzing.draw import INVALID
from fuzzing.layers import linear_of
from fuzzing.losses import log_softmax
from tinygrad_seq import nn

C, E, H = 4, 2, 3  # symbols, the size of their vectors, units
NAMES = (*KINDS, "decoder", "Decoder", "targets", "batch", "lengths", "forced", "Linear", "ids", "beam")
GATES = {"GRUCell": "GRU", "RNNCell": "RNN"}


def parts(d: Draw, inputs: int, width: int = H) -> tuple[Any, ...]:
    """An embedding, a cell and a readout; in float64, so that no rounding decides a choice."""
    kind = d.one_of(["GRUCell", "RNNCell"])
    embedding = d.model(nn.Embedding(C, E, rng=0, dtype="f8"), prefix="embedding.")
    cell = d.model(getattr(nn, kind)(inputs, H, rng=1, dtype="f8"), prefix="cell.")
    readout = d.model(nn.Linear(width, C, rng=2, dtype="f8"), prefix="readout.", scale=1.5)
    return embedding, cell, readout, EQUATIONS[GATES[kind]]


class Written:
    """The decoder's step in NumPy for a batch: from a state and an input to a state and logits."""

    def __init__(self, v: Values, kind: str, equation: Any, given: np.ndarray) -> None:
        self.v, self.kind, self.equation, self.given = v, kind, equation, given

    def start(self) -> np.ndarray:
        batch = len(self.given)
        return self.given if self.kind == "VectorAsState" else np.zeros((batch, H), np.longdouble)

    def inputs(self, symbols: np.ndarray) -> np.ndarray:
        x = self.v["embedding.weight"][symbols]
        return np.concatenate([x, self.given], axis=1) if self.kind == "VectorAtEveryStep" else x

    def first(self) -> np.ndarray:
        if self.kind == "VectorAsFirstInput":
            return self.given
        return self.inputs(np.zeros(len(self.given), int))

    def step(self, h: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        h, y = self.equation(self.v.under("cell."), h, x)
        return h, linear_of(self.v, y, "readout.")


def forced_logits(w: Written, targets: np.ndarray, forced: np.ndarray | None) -> np.ndarray:
    h, x, rows = w.start(), w.first(), []
    own = x
    for t in range(len(targets)):
        if t:
            true = w.inputs(targets[t - 1])
            x = true if forced is None else np.where(forced[t][:, None], true, own)
        h, logits = w.step(h, x)
        own = w.inputs(np.argmax(logits, axis=-1))
        rows.append(logits)
    return np.stack(rows)


def free_run(w: Written, steps: int) -> tuple[np.ndarray, np.ndarray]:
    h, x, rows, chosen = w.start(), w.first(), [], []
    for _ in range(steps):
        h, logits = w.step(h, x)
        chosen.append(np.argmax(logits, axis=-1))
        x = w.inputs(chosen[-1])
        rows.append(logits)
    return np.stack(rows), np.stack(chosen)


def ended(symbols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    before = np.cumsum(symbols == 0, axis=0) == 0
    return np.where(before, symbols, 0), before.sum(axis=0)


def best_of_all(w: Written, longest: int, row: int) -> list[int]:
    """The sequence of the best mean log-probability, by trying all."""
    one = Written(w.v, w.kind, w.equation, w.given[row : row + 1])
    best: tuple[float, list[int]] = (-np.inf, [])
    for length in range(1, longest + 1):
        for symbols in itertools.product(range(C), repeat=length):
            if 0 in symbols[:-1] or (symbols[-1] != 0 and length < longest):
                continue
            h, x, total = one.start(), one.first(), 0
            for s in symbols:
                h, logits = one.step(h, x)
                total, x = total + log_softmax(logits)[0, s], one.inputs(np.array([s]))
            best = max(best, (float(total / length), list(symbols)))
    return best[1] + [0] * (longest - len(best[1]))


def written(d: Draw, kind: str) -> Call:
    """One call of a `OneToMany`."""
    sizes = {"VectorAsState": H, "VectorAsFirstInput": E, "VectorAtEveryStep": 2}
    width = sizes[kind]
    embedding, cell, readout, equation = parts(d, E + (2 if kind == "VectorAtEveryStep" else 0))
    decoder = getattr(nn, kind)(embedding, cell, readout)
    batch = d.one_of([0, 1, 2, 3])
    wrong = [(batch,), (batch, 1, width), (batch, width + 1)]
    given = d.floats("given", (batch, width), wrong=wrong, special=[0.0, -0.0], dtypes=["f8"])
    what = d.one_of(["call", "call", "loss", "free", "greedy", "beam", "beam"])
    d.said.append(what)
    if what in ("call", "loss"):
        steps = d.one_of([1, 2, 4])
        targets = d.integers(
            "targets", (steps, batch), 0, C, wrong=[(steps, batch + 1), (steps,), (0, batch)], beyond=()
        )
        lengths = d.lengths(steps, batch)
        forced = d.mask("forced", (steps, batch), wrong=[(steps, batch + 1)]) if d.chance(0.4) else None

        def oracle(v: Values):
            mask = None if forced is None else v.forced
            logits = forced_logits(Written(v, kind, equation, v.given), np.asarray(v.targets), mask)
            ends = np.full(batch, steps) if v.lengths is None else np.reshape(v.lengths, (batch,))
            inside = np.arange(steps)[:, None] < ends
            if what == "call":
                return [np.where(inside[..., None], logits, 0)]
            each = -np.take_along_axis(log_softmax(logits), np.asarray(v.targets, int)[..., None], axis=-1)[
                ..., 0
            ]
            return [np.sum(np.where(inside, each, 0)) / max(inside.sum(), 1)]

        run = decoder if what == "call" else decoder.loss
        return Call([run(given, targets, lengths, forced=forced)], oracle, derivative=forced is None)
    steps = d.integer("steps", [1, 2, 3, 3])
    if what == "free":
        logits, symbols = decoder.free(given, steps)
        return Call(
            (logits, symbols),
            lambda v: free_run(Written(v, kind, equation, v.given), int(steps)),
            derivative=False,
        )
    if what == "greedy":
        return Call(
            decoder.greedy(given, steps),
            lambda v: ended(free_run(Written(v, kind, equation, v.given), int(steps))[1]),
        )
    wide = d.integer("width", [1, C**3, C**3])

    def search(v: Values):
        w = Written(v, kind, equation, v.given)
        if int(wide) == 1:
            return ended(free_run(w, int(steps))[1])
        rows = [best_of_all(w, int(steps), i) for i in range(batch)]
        return ended(np.reshape(rows, (batch, int(steps))).astype(int).T)

    return Call(decoder.beam(given, steps, wide), search)


for _kind in ("VectorAsState", "VectorAsFirstInput", "VectorAtEveryStep"):
    subject(_kind, 120, also=NAMES)(lambda d, kind=_kind: written(d, kind))


@subject("EncoderDecoder", 120, also=(*NAMES, "Recurrent", "recurrent"))
def encoder_decoder(d: Draw) -> Call:
    """The summary of a recurrent encoder is the state before the decoder's first step."""
    embedding, cell, readout, equation = parts(d, E)
    encoder = d.model(nn.RNNCell(E, H, rng=5, dtype="f8"), prefix="encoder.")
    model = nn.EncoderDecoder(embedding, nn.Recurrent(encoder), nn.VectorAsState(embedding, cell, readout))
    n, m, batch = d.one_of([1, 3]), d.one_of([1, 3]), d.one_of([0, 1, 3])
    xs = d.integers("xs", (n, batch), 0, C, wrong=[(n,)])
    lengths = d.lengths(n, batch)
    targets = d.integers("targets", (m, batch), 0, C, wrong=[(m, batch + 1), (m,)], beyond=())
    ends = d.lengths(m, batch, "ends")

    def oracle(v: Values):
        h, last = (
            np.zeros((batch, H), np.longdouble),
            np.full(batch, n) if v.lengths is None else np.reshape(v.lengths, (batch,)),
        )
        for t in range(n):
            after, _ = EQUATIONS["RNN"](v.under("encoder."), h, v["embedding.weight"][np.asarray(v.xs)[t]])
            h = np.where((t < last)[:, None], after, h)
        logits = forced_logits(Written(v, "VectorAsState", equation, h), np.asarray(v.targets), None)
        limit = np.full(batch, m) if v.ends is None else np.reshape(v.ends, (batch,))
        return [np.where((np.arange(m)[:, None] < limit)[..., None], logits, 0)]

    return Call([model(xs, targets, lengths, ends)], oracle)


def attention_decoder(d: Draw, hard: bool) -> Call:
    size = 2
    embedding, cell, readout, equation = parts(d, E + size, H + size)
    score = d.model(nn.AdditiveScore(H, size, 3, rng=6, dtype="f8"), prefix="score.")
    gate = d.model(nn.Linear(H, 1, rng=7, dtype="f8"), prefix="gate.") if d.chance(0.5) else None
    kind = nn.HardAttentionDecoder if hard else nn.AttentionDecoder
    decoder = kind(embedding, cell, score, readout, gate=gate)
    m, n, batch = d.one_of([1, 3]), d.one_of([1, 2, 4]), d.one_of([0, 1, 3])
    h = d.floats(
        "h",
        (batch, n, size),
        wrong=[(batch, n), (batch + 1, n, size)],
        special=[0.0],
        dtypes=["f8"],
        tensor=True,
    )
    summary = d.floats(
        "summary",
        (batch, H),
        wrong=[(batch + 1, H), (batch, H + 1)],
        special=[0.0],
        dtypes=["f8"],
        scales=(1.0, 3.0),  # larger ones bend the loss within the step of a difference
        tensor=True,
    )
    inside = ts.tensor(d.mask("inside", (batch, n), wrong=[(batch, n + 1)])) if d.chance(0.5) else None
    targets = d.integers("targets", (m, batch), 0, C, wrong=[(m, batch + 1), (m,)], beyond=())
    weights = d.chance(0.4)
    noise = (
        d.floats("gumbel", (m, batch, n), special=[], dtypes=["f8"], tensor=True) if hard and weights else None
    )

    def oracle(v: Values):
        s, x, rows, alphas = v.summary, v["embedding.weight"][np.zeros(batch, int)], [], []
        logs, spread = [], []
        shown = v.h if inside is None else np.where(v.inside[..., None], v.h, 0)
        for t in range(m):
            e = np.tanh((s @ v["score.W"])[:, None] + shown @ v["score.U"]) @ v["score.v"]
            e = e if inside is None else np.where(v.inside, e, -np.inf)
            alpha = onehot(e if noise is None else e + v.gumbel[t]) * (e > -np.inf) if hard else softmax(e)
            c = np.sum(alpha[..., None] * shown, axis=1)
            c = c if gate is None else c / (1 + np.exp(-linear_of(v, s, "gate.")))
            s, y = equation(v.under("cell."), s, np.concatenate([x, c], axis=1))
            rows.append(linear_of(v, np.concatenate([y, c], axis=1), "readout."))
            alphas.append(alpha)
            logs.append(np.where((e > -np.inf).any(-1), np.sum(alpha * log_softmax(e), -1, where=alpha > 0), 0))
            p = softmax(e)
            spread.append(-np.sum(p * np.log(np.where(p > 0, p, 1)), axis=-1))
            x = v["embedding.weight"][np.asarray(v.targets)[t]]
        if noise is not None:
            return [np.stack(each) for each in (rows, alphas, logs, spread)]
        return [np.stack(alphas if weights else rows)]

    given = nn.Annotations(h, summary, inside)
    if noise is not None:
        return Call(decoder.sampled(given, targets, noise), oracle)
    found = decoder.alignments(given, targets) if weights else decoder(given, targets)
    return Call([found], oracle)


for _hard, _name in ((False, "AttentionDecoder"), (True, "HardAttentionDecoder")):
    subject(_name, 120, also=(*NAMES, "Attending", "AdditiveScore", "annotations", "gumbel"))(
        lambda d, hard=_hard: attention_decoder(d, hard)
    )


__all__ = ["INVALID"]
