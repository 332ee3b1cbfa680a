"""Sequences of unequal length in one array: each is padded to the longest, and the lengths are kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.numbers import integer, number
from tinygrad_seq.engine.precision import wide
from tinygrad_seq.nn.indices import found, rows
from tinygrad_seq.nn.losses import reduced
from tinygrad_seq.nn.module import Input
from tinygrad_seq.nn.runners.lengths import Lengths, within
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import swapaxes
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor


def padded(sequences: Sequence[ArrayLike], fill: float = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sequences (n_i, ...) as an array (T, B, ...), time first, and their lengths n_i, (B,).

    Past its end a row holds `fill`, a number that may be NaN; for sequences of integers it is an integer.
    Raises ValueError if there is no sequence, or if the steps of the sequences have different shapes.

    >>> from tinygrad_seq import nn
    >>> xs, lengths = nn.padded([[1, 2, 3], [4]])
    >>> xs.T, lengths
    (array([[1, 2, 3],
           [4, 0, 0]]), array([3, 1]))
    """
    if not isinstance(sequences, Iterable):
        raise TypeError(f"padded needs one or more sequences (n, ...), got {describe(sequences)}")
    arrays = [np.asarray(sequence) for sequence in sequences]
    shapes = {array.shape[1:] for array in arrays}
    if len(shapes) != 1 or any(not array.ndim for array in arrays):
        raise ValueError(
            "padded needs one or more sequences (n, ...) whose steps have one shape, got steps of shapes "
            f"{sorted(shapes)}"
        )
    lengths, dtype = np.array([len(array) for array in arrays]), np.result_type(*arrays)
    if dtype.kind in "iu":
        fill = integer("padded", "fill", fill, "(-inf, inf)")
    elif not (isinstance(fill, (float, np.floating)) and np.isnan(fill)):
        fill = number("padded", "fill", fill, "[-inf, inf]")
    together = np.full((lengths.max(), len(arrays), *shapes.pop()), fill, dtype)
    for i, array in enumerate(arrays):
        together[: len(array), i] = array
    return together, lengths


def cut(ys: Tensor, lengths: Lengths) -> Tensor:
    """`ys` (T, B, ...) with 0 past the length of each row; unchanged if `lengths` is None."""
    if lengths is None:
        return ys
    inside, valid = within(lengths, ys)
    zeroed = rows(inside, ys, 0)
    return zeroed if valid is None else found(zeroed, valid[None])


def visible(xs: Input, lengths: Lengths, *, batch_first: bool = False) -> Input:
    """`xs` (T, B, ...), or (B, T, ...) if batch_first, with 0 in place of floats past the lengths.

    What is applied to the steps of a sequence before a runner would spread a NaN from there: it reads the
    values, and 0 times NaN is NaN in a gradient. So what receives lengths first calls this. Ids are unchanged.
    """
    if lengths is None or not hasattr(xs, "dtype") or xs.dtype.kind != "f":
        return xs
    xs = xs if isinstance(xs, Tensor) else tensor(xs)
    return swapaxes(cut(swapaxes(xs, 0, 1), lengths), 0, 1) if batch_first else cut(xs, lengths)


def mean_within(losses: Tensor, lengths: Lengths) -> Tensor:
    """The mean of `losses` (T, B) over the steps within `lengths`, (B,); 0 if all lengths are 0.

    Losses past the lengths, NaN included, do not count. But the gradient of a loss of NaN is NaN: if targets
    are NaN there, the outputs must be constants there, as those of `ManyToMany` are. Raises ValueError if the
    losses are not (T, B).

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> nn.mean_within(ts.tensor([[1.0, 5.0], [3.0, 70.0]]), [2, 1]).item()
    3.0
    """
    if losses.ndim != 2:
        raise ValueError(
            f"mean_within needs losses (T, B), one for every step, got {describe(losses)}; sum or average the "
            f"other axes first"
        )
    if lengths is None:
        return reduced("mean_within", wide(losses), "mean", losses.size, losses)
    inside, _ = within(lengths, losses)
    return reduced("mean_within", wide(cut(losses, lengths)), "mean", total(inside), losses)
