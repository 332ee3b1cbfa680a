"""Connectionist temporal classification: a sequence of labels is learned without an alignment to the frames.

A network outputs logits for every frame: one for each label, and one for the *blank*, which means no label. A
*path* has a label or the blank at every frame. It is read by merging equal neighbours, then dropping the
blanks: with - for the blank, `-aa-ab` and `a-abb-` are both read as `aab`, and `aaaab-` as `ab`. The likelihood
of a sequence of labels is the sum of the probabilities of all paths that are read as this sequence. A recursion
over the frames computes it, in a loop of `scan`, which derives the backward recursion.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from tinygrad_seq.engine.backend import on_host
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.engine.precision import wide
from tinygrad_seq.nn.indices import Indices, found, indices, integers, refuse_outside
from tinygrad_seq.nn.losses import Reduction, reduced
from tinygrad_seq.nn.module import Input
from tinygrad_seq.nn.runners.lengths import Lengths, checked_lengths, unknown, within
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.comparison import logical_and, logical_not
from tinygrad_seq.ops.creation import full_like, zeros_like
from tinygrad_seq.ops.exponential import logaddexp
from tinygrad_seq.ops.indexing import take_along_axis
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.ops.rearranging import roll
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import expand_dims, squeeze
from tinygrad_seq.ops.softmax import log_softmax
from tinygrad_seq.ops.truth import all as every
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.creation import as_tensor, tensor
from tinygrad_seq.tensor.tensor import Tensor

State = tuple[Tensor, Tensor]
Values = Any  # a Tensor, or an array of what the host knows


def ctc_loss(
    logits: Input,
    targets: Indices,
    lengths: Lengths = None,
    target_lengths: Lengths = None,
    *,
    blank: int = 0,
    reduction: Reduction = "mean",
    omit_infeasible: bool = False,
) -> Tensor:
    """The negative log-likelihood of `targets`, summed over all alignments (Graves et al. 2006).

        y_t = softmax(o_t),   L = -log sum over the paths that are read as the target of prod_t y_t(path_t)

    A path has a label or the blank at every frame; merging equal neighbours, then dropping the blanks reads it.
    u_t(s) is the probability of all paths up to frame t that are read as the first s labels and end with the
    blank, v_t(s) of those that end with label s:

        e_t(s)     = u_t(s) + v_t(s)                         u_0(0) = 1, all others 0,   L = -log e_T(S)
        u_{t+1}(s) = e_t(s) y_{t+1}(blank)
        v_{t+1}(s) = (v_t(s) + (u_t(s-1) if labels s-1 and s are equal, else e_t(s-1))) y_{t+1}(label s)

    computed in logarithms, over the frames, by `scan`.

    logits           o (T, B, C), time first, of C - 1 labels and the blank
    targets          the labels (B, S), integers within 0 ... C - 1 without the blank
    lengths          the number of frames of each row (B,), within 0 ... T; None: all have T
    target_lengths   the number of labels of each row (B,), within 0 ... S; None: all have S
    blank            the index of the blank
    omit_infeasible  whether rows with too few frames for their labels are left out

    Returns the mean or the sum of L over the rows, or with "none" every L (B,). The mean is over rows; PyTorch
    first divides each loss by the number of its labels. The gradient by the logits is the derivative of L. The
    gradient that PyTorch returns is the derivative only if the log-probabilities come from log_softmax.

    - Two equal labels need a blank between them. So a target needs a frame for each label, and one more for
      each pair of equal neighbours; a row with fewer frames is *infeasible*. It is a ValueError, or left out
      with `omit_infeasible`: its loss and gradient are 0, and the mean does not count it.
    - If logits of -inf exclude every path, the loss is infinite, with a gradient of 0.
    - For an empty target, L = -sum_t log y_t(blank), which is 0 without a frame.
    - Logits past `lengths`, NaN included, and targets past `target_lengths`, of any value, have no influence.

    Raises TypeError if the logits are not floats or targets and lengths are not integers, IndexError for a
    label out of range, and ValueError for wrong shapes or lengths, for a blank in a target, and for an
    infeasible row. Targets and lengths in a tensor on a GPU are not checked: there, the loss of an infeasible
    row is infinite, with a gradient of 0, and the loss of any other such row is NaN.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> logits = np.log([[[0.5, 0.3, 0.2]], [[0.6, 0.1, 0.3]]])  # two frames of one row; blank, a, b
    >>> loss = nn.ctc_loss(logits, [[1]])                        # a is read from -a, a- and aa
    >>> float(np.exp(-loss.item()).round(6)), round(0.5 * 0.1 + 0.3 * 0.6 + 0.3 * 0.1, 6)
    (0.26, 0.26)
    """
    given, shape = as_tensor(logits), np.shape(targets)
    if given.dtype.kind != "f":
        raise TypeError(f"ctc_loss: logits must be floats, not {describe(given)}")
    if given.ndim != 3 or not given.shape[0] or len(shape) != 2 or given.shape[1] != shape[0]:
        raise ValueError(
            f"ctc_loss needs logits (T, B, C), T >= 1, and targets (B, S), got logits of shape {given.shape} "
            f"and targets of shape {shape}"
        )
    blank = integer("ctc_loss", "blank", blank, f"[0, {given.shape[-1]})")
    labels, told, inside, valid = _read(targets, lengths, target_lengths, given, blank)
    counts, frames = np.sum(told, axis=0), np.sum(inside, axis=0)
    doubled = np.sum(np.logical_and(labels[:, 1:] == labels[:, :-1], told.T[:, 1:]), axis=-1)
    infeasible = counts + doubled > frames
    if not omit_infeasible and (row := _first(infeasible)) is not None:
        raise ValueError(
            f"ctc_loss: row {row} has {int(frames[row])} frames, too few for its {int(counts[row])} labels and "
            f"a blank between equal neighbours; omit_infeasible=True leaves such rows out"
        )
    if omit_infeasible:  # without frames, such a row has no gradient
        inside = np.logical_and(inside, np.logical_not(infeasible))
    labels, counts, inside, infeasible = (
        part if isinstance(part, Tensor) else tensor(part, device=given.device)
        for part in (labels, counts, inside, infeasible)
    )
    x = wide(given)
    if omit_infeasible or lengths is not None:
        x = blank_outside(x, inside, blank)
    losses = found(-log_likelihoods(x, labels, counts, blank), valid)
    if not omit_infeasible:
        return reduced("ctc_loss", losses, reduction, len(losses), given)
    return reduced("ctc_loss", where(infeasible, 0, losses), reduction, total(logical_not(infeasible)), given)


def blank_outside(logits: Tensor, inside: Tensor, blank: int) -> Tensor:
    """Logits (T, B, C) with frames of which the blank is sure, where they are not `inside` (T, B).

    Such a frame at the end of a row changes neither a sum over paths nor its gradient.
    """
    sure = np.where(np.arange(logits.shape[-1]) == blank, 0, -math.inf).astype(logits.dtype)
    return where(expand_dims(inside, -1), logits, tensor(sure, device=logits.device))


def log_likelihoods(logits: Tensor, labels: Tensor, counts: Tensor, blank: int) -> Tensor:
    """log p(the first `counts` (B,) of the `labels` (B, S)), (B,), for logits (T, B, C).

    The state is log u_t and log v_t, (B, S + 1) each. There is no label 0: v_t(0) = 0 at every frame, because
    its log y_t is -inf. So it does not matter that `roll` moves the last place there.
    """
    no_label = full_like(labels, -1, shape=(len(labels), 1))
    alike = concatenate([no_label, labels], axis=-1) == concatenate([labels, no_label], axis=-1)  # s and s + 1
    never, none = (full_like(logits, -math.inf, shape=shape) for shape in (no_label.shape, labels.shape))

    def step(state: State, x: Tensor) -> tuple[State, None]:
        u, v = state
        y, e = log_softmax(x), logaddexp(u, v)
        before = roll(where(alike, u, e), 1, axis=-1)
        told = concatenate([never, take_along_axis(y, labels, axis=-1)], axis=-1)
        return (e + y[:, blank : blank + 1], logaddexp(v, before) + told), None

    start = concatenate([zeros_like(never), none], axis=-1), concatenate([never, none], axis=-1)
    (u, v), _ = scan(step, start, logits)
    last: Tensor = take_along_axis(logaddexp(u, v), expand_dims(counts, -1), axis=-1)
    return squeeze(last, -1)


def _read(
    targets: Indices, lengths: Lengths, target_lengths: Lengths, logits: Tensor, blank: int
) -> tuple[Values, Values, Values, Tensor | None]:
    """Labels (B, S), the labels that count (S, B), the frames that count (T, B), and the valid rows (B,).

    Labels that do not count are blanks. What the host knows is checked. If it knows everything, the results are
    arrays, and all rows are valid: None. NumPy's functions take arrays and tensors.
    """
    steps, batch, classes = logits.shape
    known = all(not isinstance(x, Tensor) and on_host(x) for x in (targets, lengths, target_lengths))
    given = np.asarray(targets) if known else as_tensor(targets)
    labels: Values = integers(given, "ctc_loss: targets").astype(np.int64)
    frames, *valid = _within(lengths, np.zeros_like(labels, shape=(steps, batch)), "lengths")
    told, *more = _within(target_lengths, labels.T, "target_lengths")
    labels = np.where(told.T, labels, blank)
    contains = np.any(np.logical_and(told.T, labels == blank), axis=-1)
    if (row := _first(contains)) is not None:
        raise ValueError(
            f"ctc_loss: row {row} of the targets contains the blank, {blank}, which is no label; if the row is "
            f"shorter than the others, pass target_lengths"
        )
    if known:
        refuse_outside(labels, classes, "ctc_loss: targets", None)
        return labels, told, frames, None
    labels, in_range = indices(labels, classes, labels.device, "ctc_loss: targets")
    valid = [*valid, *more, logical_not(contains), in_range if in_range is None else every(in_range, axis=-1)]
    return labels, told, frames, functools.reduce(logical_and, [rows for rows in valid if rows is not None])


def _within(lengths: Lengths, xs: Values, name: str) -> tuple[Values, Tensor | None]:
    """What `within` returns; for arrays an array. Lengths may be None."""
    if lengths is None:
        return np.ones_like(xs) > 0, None
    if isinstance(xs, Tensor):
        return within(lengths, xs, f"ctc_loss: {name}")
    return np.arange(len(xs))[:, None] < checked_lengths(lengths, xs, f"ctc_loss: {name}"), None


def _first(rows: Values) -> int | None:
    """The first of `rows` (B,) that is True; None if there is none, or if the host does not know."""
    if isinstance(rows, Tensor) and unknown(rows):
        return None
    return next(iter(np.flatnonzero(np.asarray(rows)).tolist()), None)
