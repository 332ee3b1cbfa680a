"""A function applied to every row of its inputs: recorded once, and run on all rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_seq import tree
from tinygrad_seq.engine.mode import mode
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.indexing import getitem
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.scan.emitters import NUMPY
from tinygrad_seq.scan.over_time import Compiled, refuse_draws, unrolled
from tinygrad_seq.scan.recording.step import Step
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor


def as_step(f: Callable[[list[Tensor]], object]) -> Callable[[None, list[Tensor]], tuple[None, object]]:
    """The step of a scan without a carry that applies `f` to a row."""
    return lambda carry, rows: (carry, tree.each(as_tensor, f(rows)))


def over_rows(f: Callable[[list[Tensor]], object], xs: list[Tensor], *, draws: bool = False) -> Any:
    """The values of `f` for each row of `xs`, stacked along a new first axis.

    f      a function of a list of tensors, one row of each of `xs`; its value is a tree of tensors
    draws  whether f may draw at random; then it is recorded twice, and refused if it does

    In anomaly mode f is called for every row.
    """
    step, n = as_step(f), xs[0].shape[0]
    if n == 0:  # a function has to be recorded with a row, even if there is none
        made = over_rows(f, [concatenate([x, zeros_like(x, shape=(1, *x.shape[1:]))]) for x in xs])
        return tree.each(lambda y: getitem(y, slice(0, 0)), made)
    if mode.watchers:
        return unrolled(step, None, xs)[1]
    recorded = Step(step, None, xs)
    compiled = Compiled.of(recorded, NUMPY)
    if draws and n > 1:
        refuse_draws(recorded, compiled, lambda: Step(step, None, xs))
    _, ys = compiled(recorded.arguments(compiled.used), n, False)
    return tree.like(recorded.tree_of_ys, ys)
