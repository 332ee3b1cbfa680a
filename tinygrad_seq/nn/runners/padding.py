"""Sequences of unequal length in one array: filled up to the longest, with their lengths beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq.nn.indices import found, rows
from tinygrad_seq.nn.losses import reduced
from tinygrad_seq.nn.runners.recurrent import Lengths, within
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.tensor.tensor import Tensor


def padded(sequences: Sequence[ArrayLike], fill: float = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sequences (n_i, ...) as an array (T, B, ...), time first, and their lengths n_i, (B,).

    Past its end a row holds `fill`. ValueError without a sequence, and for sequences whose steps have different
    shapes.

    >>> from tinygrad_seq import nn
    >>> xs, lengths = nn.padded([[1, 2, 3], [4]])
    >>> xs.T, lengths
    (array([[1, 2, 3],
           [4, 0, 0]]), array([3, 1]))
    """
    arrays = [np.asarray(sequence) for sequence in sequences]
    shapes = {array.shape[1:] for array in arrays}
    if len(shapes) != 1 or any(not array.ndim for array in arrays):
        raise ValueError(f"sequences are (n, ...), one or more, with steps of one shape; not {sorted(shapes)}")
    lengths = np.array([len(array) for array in arrays])
    together = np.full((lengths.max(), len(arrays), *shapes.pop()), fill, np.result_type(*arrays))
    for i, array in enumerate(arrays):
        together[: len(array), i] = array
    return together, lengths


def cut(ys: Tensor, lengths: Lengths) -> Tensor:
    """`ys` (T, B, ...), but 0 past the length of each row; all of it without lengths."""
    if lengths is None:
        return ys
    inside, lawful = within(lengths, ys)
    zeroed = rows(inside, ys, 0)
    return zeroed if lawful is None else found(zeroed, lawful[None])


def mean_within(losses: Tensor, lengths: Lengths) -> Tensor:
    """The mean of `losses` (T, B) over the steps that lie within `lengths`, (B,); of nothing, 0.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> nn.mean_within(ts.tensor([[1.0, 5.0], [3.0, 70.0]]), [2, 1]).item()
    3.0
    """
    if lengths is None:
        return reduced(losses, "mean", losses.size)
    inside, _ = within(lengths, losses)
    return reduced(cut(losses, lengths), "mean", total(inside))
