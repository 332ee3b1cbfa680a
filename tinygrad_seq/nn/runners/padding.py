"""Sequences of unequal length in one array: each is padded to the longest, and the lengths are kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq.engine.precision import wide
from tinygrad_seq.nn.indices import found, rows
from tinygrad_seq.nn.losses import reduced
from tinygrad_seq.nn.runners.lengths import Lengths, within
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.tensor.tensor import Tensor


def padded(sequences: Sequence[ArrayLike], fill: float = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sequences (n_i, ...) as an array (T, B, ...), time first, and their lengths n_i, (B,).

    Past its end a row holds `fill`. Raises ValueError if there is no sequence, or if the steps of the sequences
    have different shapes.

    >>> from tinygrad_seq import nn
    >>> xs, lengths = nn.padded([[1, 2, 3], [4]])
    >>> xs.T, lengths
    (array([[1, 2, 3],
           [4, 0, 0]]), array([3, 1]))
    """
    arrays = [np.asarray(sequence) for sequence in sequences]
    shapes = {array.shape[1:] for array in arrays}
    if len(shapes) != 1 or any(not array.ndim for array in arrays):
        raise ValueError(
            "padded needs one or more sequences (n, ...) whose steps have one shape, got steps of shapes "
            f"{sorted(shapes)}"
        )
    lengths = np.array([len(array) for array in arrays])
    together = np.full((lengths.max(), len(arrays), *shapes.pop()), fill, np.result_type(*arrays))
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


def mean_within(losses: Tensor, lengths: Lengths) -> Tensor:
    """The mean of `losses` (T, B) over the steps within `lengths`, (B,); 0 if all lengths are 0.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> nn.mean_within(ts.tensor([[1.0, 5.0], [3.0, 70.0]]), [2, 1]).item()
    3.0
    """
    if lengths is None:
        return reduced("mean_within", wide(losses), "mean", losses.size, losses)
    inside, _ = within(lengths, losses)
    return reduced("mean_within", wide(cut(losses, lengths)), "mean", total(inside), losses)
