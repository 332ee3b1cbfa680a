"""From the logits of a network that `ctc_loss` has trained to labels: the best path, or a search of prefixes.

The best path has the likeliest label at every frame. But a sequence of labels is read from many paths, and
another sequence may be likelier by their sum. Prefix beam search adds up the paths: after every frame it keeps
the likeliest sequences so far, the *prefixes*, with the probability of those of their paths that it has seen.
"""

from __future__ import annotations

import math
from functools import partial

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.mode import no_grad
from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.engine.precision import rounded, wide
from tinygrad_seq.nn.decoding.ctc import blank_outside
from tinygrad_seq.nn.indices import counted, found
from tinygrad_seq.nn.module import Input
from tinygrad_seq.nn.runners.lengths import Lengths, within
from tinygrad_seq.ops.choice import maximum, where
from tinygrad_seq.ops.comparison import isnan, logical_and
from tinygrad_seq.ops.creation import full_like, zeros_like
from tinygrad_seq.ops.exponential import logaddexp
from tinygrad_seq.ops.indexing import take_along_axis
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.ops.ordering import argmax, argsort
from tinygrad_seq.ops.reduction import max as most
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import expand_dims, reshape
from tinygrad_seq.ops.softmax import log_softmax, logsumexp
from tinygrad_seq.ops.truth import all as every
from tinygrad_seq.ops.truth import any as some
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor

Decoded = tuple[Tensor, Tensor, Tensor]
State = tuple[Tensor, Tensor, Tensor, Tensor]


def ctc_decode(logits: Input, lengths: Lengths = None, *, width: int | None = None, blank: int = 0) -> Decoded:
    """The labels of each row, their number and log-probability; `ctc_loss` defines how a path is read.

    logits   o (T, B, C), time first, of C - 1 labels and the blank
    lengths  the number of frames of each row (B,), within 0 ... T; None: all have T
    width    None: the best path, the likeliest label at every frame (Graves et al. 2006, section 3.2). An
             integer K >= 1: prefix beam search, which keeps K prefixes after every frame (Hannun et al. 2014)
    blank    the index of the blank

    Returns labels (B, T), filled with blanks, their counts (B,), and scores (B,). The score is the
    log-probability of the best path; of a search, of all paths with these labels that it has seen: at most
    `-ctc_loss`, and equal to it if no prefix was dropped. It is NaN for a row with NaN within its length.
    Nothing is recorded, and nothing is read on the host.

    Raises TypeError if the logits are not floats, ValueError if they are not (T, B, C) or the lengths are
    invalid. Lengths in a tensor on a GPU are not checked: there, the score is NaN where they are out of range.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> logits = np.log([[[0.6, 0.4]], [[0.6, 0.4]]])  # two frames of one row; blank, a
    >>> labels, counts, scores = nn.ctc_decode(logits)
    >>> labels.numpy()[0, : counts[0].item()], np.exp(scores.numpy()).round(2)  # the path --
    (array([], dtype=int64), array([0.36]))
    >>> labels, counts, scores = nn.ctc_decode(logits, width=2)
    >>> labels.numpy()[0, : counts[0].item()], np.exp(scores.numpy()).round(2)  # the paths a-, -a and aa
    (array([1]), array([0.64]))
    """
    given = as_tensor(logits)
    if given.dtype.kind != "f":
        raise TypeError(f"ctc_decode: logits must be floats, not {describe(given)}")
    if given.ndim != 3 or not given.shape[0]:
        raise ValueError(f"ctc_decode needs logits (T, B, C), T >= 1, got logits of shape {given.shape}")
    blank = integer("ctc_decode", "blank", blank, f"[0, {given.shape[-1]})")
    if width is not None:
        width = integer("ctc_decode", "width", width, "[1, inf)")
    inside, valid = (None, None) if lengths is None else within(lengths, given, "ctc_decode: lengths")
    with no_grad():
        x = wide(given)
        log_p = log_softmax(x if inside is None else blank_outside(x, inside, blank))
        unknown = some(isnan(log_p), axis=(0, 2))
        search = best_path if width is None else partial(prefix_search, width=width)
        labels, counts, scores = search(where(expand_dims(unknown, -1), 0, log_p), blank=blank)
        scores = where(unknown, math.nan, scores)
        return labels, counts, rounded(found(scores, valid), given)


def best_path(log_p: Tensor, *, blank: int) -> Decoded:
    """What is read from the likeliest path, whose labels that count are moved to its beginning."""
    path = argmax(log_p, axis=-1).T
    starts = concatenate([path[:, :1] == path[:, :1], path[:, 1:] != path[:, :-1]], axis=-1)
    counts = logical_and(starts, path != blank)
    place = counted(path.shape[-1], path)
    labels = take_along_axis(path, argsort(where(counts, place, place + len(place)), axis=-1), axis=-1)
    count = total(counts, axis=-1)
    return where(place < expand_dims(count, -1), labels, blank), count, total(most(log_p, axis=-1), axis=0)


def prefix_search(log_p: Tensor, *, blank: int, width: int) -> Decoded:
    """The likeliest prefix after all frames, of `width` prefixes K that are kept after each.

    A prefix is a row of labels (B, K, T), filled with blanks, and their count (B, K). Its paths are counted as
    in `ctc_loss`: u of those that end with the blank, v of those that end with its last label. Of equal scores
    the first is kept, so that no prefix is there twice, except the empty one, with probability 0.
    """
    steps, batch, classes = log_p.shape
    slot, place, symbol = (counted(size, log_p) for size in (width, steps, classes))
    never = full_like(log_p, -math.inf, shape=(batch, width))

    def step(state: State, y: Tensor) -> tuple[State, None]:
        prefixes, counts, u, v = state
        e, y = logaddexp(u, v), expand_dims(y, 1)
        end = expand_dims(counts - 1, -1)
        last = take_along_axis(prefixes, maximum(end, 0), axis=-1)  # of an empty prefix the blank
        before = where(symbol == last, expand_dims(u, -1), expand_dims(e, -1))
        longer = where(symbol == blank, -math.inf, before + y)

        # where prefix i and one more label is prefix j, these paths are paths of j
        shorter = where(place == end, blank, prefixes)
        parent = every(expand_dims(prefixes, 2) == expand_dims(shorter, 1), axis=-1)
        joining = where(parent, take_along_axis(longer, last.mT, axis=-1), -math.inf)
        joined = logsumexp(joining, axis=1)
        gone = some(logical_and(expand_dims(parent, -1), expand_dims(symbol == last, 1)), axis=2)

        stays = logaddexp(v + take_along_axis(y, last.mT, axis=-1)[:, 0], joined)
        u = concatenate([e + y[..., blank], *[never] * classes], axis=-1)
        v = concatenate([stays, reshape(where(gone, -math.inf, longer), (batch, width * classes))], axis=-1)
        best = argsort(-logaddexp(u, v), axis=-1)[:, :width]
        u, v = (take_along_axis(part, best, axis=-1) for part in (u, v))
        is_longer, which = best >= width, maximum(best - width, 0)
        origin = where(is_longer, which // classes, best)
        counts = take_along_axis(counts, origin, axis=-1)
        prefixes = take_along_axis(prefixes, expand_dims(origin, -1), axis=1)
        added = logical_and(expand_dims(is_longer, -1), place == expand_dims(counts, -1))
        prefixes = where(added, expand_dims(which % classes, -1), prefixes)
        return (prefixes, counts + is_longer, u, v), None

    prefixes = full_like(place, blank, shape=(batch, width, steps))
    start = prefixes, prefixes[..., 0] - blank, where(slot == 0, zeros_like(never), -math.inf), never
    (prefixes, counts, u, v), _ = scan(step, start, log_p)
    return prefixes[:, 0], counts[:, 0], logaddexp(u, v)[:, 0]
