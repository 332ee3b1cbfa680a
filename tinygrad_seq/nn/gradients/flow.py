"""How a gradient flows back through time, and a penalty that keeps it from vanishing on the way.

The derivative of a loss by a state, dL/dh_t, is a total one: by all that h_t leads to, the output of its own
step and every step after it. Here it is the gradient of a zero that is added to h_t, in a loop that is
otherwise the same (`gradient_flow`); how it shrinks or grows from one step to the step before is what the
lecture's regulariser measures (`vanishing_penalty`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from tinygrad_seq import tree
from tinygrad_seq.derive import grad
from tinygrad_seq.nn.cells import Cell, State
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.linalg import norm
from tinygrad_seq.ops.reduction import mean
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import concatenate, expand_dims, reshape
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor


@dataclass(frozen=True)
class Flow:
    """A loss, the states that led to it, and its derivatives by them.

    states     s_0 ... s_T, a tree of tensors (T + 1, B, ...): before the first step, and after every step
    gradients  dL/ds_1 ... dL/ds_T, a list of tensors (T, B, ...), for each float part of the state
    recorded   whether the gradients have derivatives in their turn

    >>> from tinygrad_seq import nn
    >>> flow = nn.gradient_flow(nn.RNNCell(3, 5, rng=0), ts.ones((7, 2, 3)), lambda ys: ys[-1].sum())
    >>> flow.norms().shape
    (7, 2)
    """

    cell: Cell
    xs: Tensor
    loss: Tensor
    states: State
    gradients: list[Tensor]
    recorded: bool

    def norms(self) -> Tensor:
        """|dL/ds_t| for t = 1 ... T, (T, B)."""
        return length(self.gradients)


def gradient_flow(
    cell: Cell,
    xs: Tensor,
    loss: Callable[[Tensor], Tensor],
    *,
    state: State | None = None,
    create_graph: bool = False,
) -> Flow:
    """Run `cell` over xs (T, B, I); `loss(ys)`, and its total derivatives by the state after every step.

        s_t, y_t = cell(s_{t-1}, x_t) + n_t,   n_t = 0,   dL/ds_t = dL/dn_t

    loss          a function of the outputs ys (T, B, H); its value is one number
    state         s_0, the cell's initial state if None
    create_graph  record how the derivatives came about, so that they have derivatives

    The output must be a part of the state, as h is; else a TypeError: the zero would not reach the loss by it.
    A state counts as the next step takes it: that h_t of an LSTM was made of c_t belongs to the step, and not
    to dL/dc_t.

    >>> from tinygrad_seq import nn
    >>> cell = nn.RNNCell(3, 5, rng=0)
    >>> flow = nn.gradient_flow(cell, ts.ones((7, 2, 3)), lambda ys: ys[-1].sum())
    >>> flow.states.shape, flow.gradients[0].shape
    ((8, 2, 5), (7, 2, 5))
    >>> bool((flow.gradients[0].numpy()[-1] == 1).all())
    True
    """
    xs = xs if isinstance(xs, Tensor) else tensor(xs)
    state = cell.initial_state(xs.shape[1], like=xs) if state is None else state
    zeros = [zeros_like(part, shape=(len(xs), *part.shape)) for part in floats(state)]
    for n in zeros:
        n.requires_grad = True

    def step(s, given):
        x, noise = given
        after, y = cell(s, x)
        added = iter(noise)
        moved = tree.each(lambda part: part + next(added) if part.dtype.kind == "f" else part, after)
        outputs = [m for part, m in zip(tree.leaves(after), tree.leaves(moved), strict=True) if part is y]
        if not outputs:
            raise TypeError(f"the output of a {type(cell).__name__} is not a part of its state")
        return moved, (outputs[0], moved)

    _, (ys, after) = scan(step, state, (xs, zeros))
    value = loss(ys)
    gradients = by(value, zeros, create_graph=create_graph)
    pairs = zip(tree.leaves(state), tree.leaves(after), strict=True)
    states = tree.like(after, [concatenate([expand_dims(first, 0), rest]) for first, rest in pairs])
    return Flow(cell, xs, value, states, gradients, create_graph)


def vanishing_penalty(flow: Flow, *, exact: bool) -> Tensor:
    """How far the gradient is from keeping its length on the way back through time.

        sum_t (|dL/dh_{t+1} dh_{t+1}/dh_t| / |dL/dh_{t+1}| - 1)^2,   t = 1 ... T - 1

    for every row of the batch, of which the mean is taken (Pascanu, Mikolov & Bengio 2013, On the difficulty
    of training recurrent neural networks). Steps whose dL/dh_{t+1} is 0 count for nothing.

    exact  True: its derivative goes through dL/dh_{t+1} and h_t too, for which `flow` was made with
           create_graph=True. False: the published approximation, which holds both fixed: parameters matter
           by the one step from h_t to h_{t+1} alone (their "immediate" derivative).

    ValueError for the exact one of a flow that was made without a graph.

    >>> from tinygrad_seq import nn
    >>> cell = nn.RNNCell(3, 5, rng=0)
    >>> flow = nn.gradient_flow(cell, ts.ones((7, 2, 3)), lambda ys: ys[-1].sum(), create_graph=True)
    >>> (flow.loss + 2.0 * nn.vanishing_penalty(flow, exact=True)).backward()
    >>> cell.Wh.grad.shape
    (5, 5)
    """
    if exact and not flow.recorded:
        raise ValueError("the exact penalty derives dL/dh_t: make the flow with create_graph=True")
    gradients, states = [d[1:] for d in flow.gradients], tree.each(lambda s: s[1:-1], flow.states)
    if not exact:
        gradients, states = [d.detach() for d in gradients], tree.each(leaf, states)
    after, _ = flow.cell(tree.each(as_rows, states), as_rows(flow.xs[1:]))  # all steps as one batch
    products = by(floats(after), floats(states), [as_rows(d) for d in gradients], create_graph=True)
    here, there = length(products), length(gradients)
    ratio = here / where(there == 0, 1, there)
    return total(mean(where(there == 0, 0, (ratio - 1) ** 2), 1))


def by(
    outputs: Tensor | list[Tensor],
    inputs: list[Tensor],
    cotangents: list[Tensor] | None = None,
    *,
    create_graph: bool,
) -> list[Tensor]:
    """The gradients by `inputs`, of a graph that is kept."""
    found = grad(outputs, inputs, cotangents, create_graph=create_graph, retain_graph=True, zeros=True)
    return cast("list[Tensor]", found)


def as_rows(x: Tensor) -> Tensor:
    """Time and batch, (T, B, ...), as one axis (T B, ...)."""
    return reshape(x, (-1, *x.shape[2:]))


def floats(state: State) -> list[Tensor]:
    """The parts of a state that have a derivative."""
    return [part for part in tree.leaves(state) if part.dtype.kind == "f"]


def leaf(x: Tensor) -> Tensor:
    """The value of `x`, a leaf that has a gradient if it can have one."""
    x = x.detach()
    x.requires_grad = x.dtype.kind == "f"
    return x


def length(parts: list[Tensor]) -> Tensor:
    """The Euclidean length of all parts (..., B, H) together, (..., B)."""
    flat = [reshape(p, (*p.shape[:2], math.prod(p.shape[2:]))) for p in parts]
    return norm(concatenate(flat, axis=-1), axis=-1)
