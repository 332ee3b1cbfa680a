"""The lengths of the sequences of a batch: which steps of which rows lie within them."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.mode import mode
from tinygrad_seq.nn.indices import Indices, integers
from tinygrad_seq.nn.module import Input
from tinygrad_seq.ops.comparison import logical_and
from tinygrad_seq.ops.creation import ones_like
from tinygrad_seq.ops.cumulative import cumsum
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor

Lengths = Indices | None  # of every row of a batch, (B,); None: all rows have all steps


def within(lengths: Indices, xs: Tensor, name: str = "lengths") -> tuple[Tensor, Tensor | None]:
    """Whether step t of row i is within its length, (T, B); and whether each length is within 0 ... T, (B,).

    The second is None if the lengths were checked. Errors call the lengths `name`.
    """
    given = checked_lengths(lengths, xs, name)
    steps = len(xs)
    if isinstance(given, Tensor) and unknown(given):
        ends = cumsum(ones_like(given, shape=(steps, 1)), axis=0)  # t + 1, on the device of the lengths
        return ends <= given, logical_and(given >= 0, given <= steps)
    host, device = (given.numpy(), "cpu") if isinstance(given, Tensor) else (given, xs.device)
    return tensor(np.arange(steps)[:, None] < host, device=device), None


def checked_lengths(lengths: Indices, xs: Input, name: str = "lengths") -> Tensor | np.ndarray:
    """`lengths` as int64 (B,), for xs (T, B, ...); lengths that the host knows are checked to be in 0 ... T."""
    if xs.ndim < 2:
        raise ValueError(f"{name} need a batch of sequences (T, B, ...), got {describe(xs)}; pass xs[:, None]")
    steps, batch = xs.shape[:2]
    given: Tensor | np.ndarray
    if isinstance(lengths, Tensor):
        given = lengths
    else:
        given = np.asarray(lengths) if backend.on_host(lengths) else tensor(lengths)
    given = integers(given, name).astype(np.int64)  # differences of unsigned lengths would wrap
    if given.shape != (batch,):
        raise ValueError(
            f"{name} must have shape ({batch},), one for every row of the batch, got {given.shape}: xs is "
            f"(T, B, ...) with T = {steps} and B = {batch}"
        )
    if batch and not (isinstance(given, Tensor) and unknown(given)):
        host = np.asarray(given)
        if host.min() < 0 or host.max() > steps:
            raise ValueError(
                f"{name} must lie within 0 ... {steps}, the number of steps; the smallest is {host.min()}, "
                f"the largest {host.max()}"
            )
    return given


def unknown(lengths: Tensor) -> bool:
    """Whether the host does not know the values: they are on a device, or those of a step that is recorded."""
    return lengths.device != "cpu" or (mode.trace is not None and mode.trace.varies(lengths))
