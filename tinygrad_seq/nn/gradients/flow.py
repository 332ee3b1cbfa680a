"""How a gradient flows back through time, and a penalty that keeps it from vanishing.

The derivative of a loss with respect to a state, dL/dh_t, is a total derivative: it includes the output of step
t and all later steps. It is computed as the gradient with respect to a zero that is added to h_t, in a loop
that is otherwise the same (`gradient_flow`). The lecture's regulariser measures how much it shrinks or grows
from one step to the step before (`vanishing_penalty`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from tinygrad_seq import tree
from tinygrad_seq.derive.gradient import grad
from tinygrad_seq.nn.cells import Cell, State
from tinygrad_seq.nn.cells.cell import over_time
from tinygrad_seq.nn.module import Input
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.ops.linalg import norm
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import expand_dims, reshape
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.tensor import Tensor


@dataclass(frozen=True)
class Flow:
    """A loss, the states from which it was computed, and its derivatives with respect to them.

    states     s_0 ... s_T, a tree of tensors (T + 1, B, ...): before the first step, and after every step
    gradients  dL/ds_1 ... dL/ds_T, a list with a tensor (T, B, ...) for each float part of the state
    recorded   whether the gradients are on the tape, so that they can be differentiated

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
    xs: Input,
    loss: Callable[[Tensor], Tensor],
    *,
    state: State | None = None,
    create_graph: bool = False,
) -> Flow:
    """Run `cell` over xs (T, B, I); return `loss(ys)` and its total derivatives dL/ds_t for every state s_t.

        s_t, y_t = cell(s_{t-1}, x_t) + n_t,   n_t = 0,   dL/ds_t = dL/dn_t

    loss          a function of the outputs ys (T, B, H) whose value is one number
    state         s_0; None means the cell's initial state
    create_graph  record the derivatives on the tape, so that they can be differentiated

    Raises TypeError unless the output of the cell is a part of its state, such as h: otherwise the zero would
    not reach the loss through the output. The derivative is with respect to the state that the next step
    receives: for an LSTM, the dependence of h_t on c_t within step t is not part of dL/dc_t.

    >>> from tinygrad_seq import nn
    >>> cell = nn.RNNCell(3, 5, rng=0)
    >>> flow = nn.gradient_flow(cell, ts.ones((7, 2, 3)), lambda ys: ys[-1].sum())
    >>> flow.states.shape, flow.gradients[0].shape
    ((8, 2, 5), (7, 2, 5))
    >>> bool((flow.gradients[0].numpy()[-1] == 1).all())
    True
    """
    xs, state = over_time(cell, xs, state)
    zeros = [zeros_like(part, shape=(len(xs), *part.shape)) for part in floats(state)]
    for n in zeros:
        n.requires_grad = True

    def step(s: State, given: tuple[Tensor, list[Tensor]]) -> tuple[State, tuple[Tensor, State]]:
        x, noise = given
        after, y = cell(s, x)
        added = iter(noise)
        moved = tree.each(lambda part: part + next(added) if part.dtype.kind == "f" else part, after)
        outputs = [m for part, m in zip(tree.leaves(after), tree.leaves(moved), strict=True) if part is y]
        if not outputs:
            raise TypeError(
                f"gradient_flow needs a cell whose output is a part of its state, got a {type(cell).__name__}"
            )
        return moved, (outputs[0], moved)

    _, (ys, after) = scan(step, state, (xs, zeros))
    value = loss(ys)
    gradients = gradients_by(value, zeros, create_graph=create_graph)
    pairs = zip(tree.leaves(state), tree.leaves(after), strict=True)
    states = tree.like(after, [concatenate([expand_dims(first, 0), rest]) for first, rest in pairs])
    return Flow(cell, xs, value, states, gradients, create_graph)


def vanishing_penalty(flow: Flow, *, exact: bool) -> Tensor:
    """A penalty on changes of the gradient's length from step to step on its way back through time.

        sum_t (|dL/dh_{t+1} dh_{t+1}/dh_t| / |dL/dh_{t+1}| - 1)^2,   t = 1 ... T - 1

    averaged over the rows of the batch, 0 without rows (Pascanu, Mikolov & Bengio 2013, On the difficulty of
    training recurrent neural networks). Steps whose dL/dh_{t+1} is 0 contribute 0.

    exact  True: the derivative of the penalty also goes through dL/dh_{t+1} and h_t; `flow` must be computed
           with create_graph=True. False: the published approximation, which holds both fixed: the parameters
           enter only through the one step from h_t to h_{t+1} (the paper's "immediate" derivative).

    Raises ValueError if exact is True and the flow was computed without create_graph=True.

    >>> from tinygrad_seq import nn
    >>> cell = nn.RNNCell(3, 5, rng=0)
    >>> flow = nn.gradient_flow(cell, ts.ones((7, 2, 3)), lambda ys: ys[-1].sum(), create_graph=True)
    >>> (flow.loss + 2.0 * nn.vanishing_penalty(flow, exact=True)).backward()
    >>> cell.Wh.grad.shape
    (5, 5)
    """
    if exact and not flow.recorded:
        raise ValueError(
            "vanishing_penalty(exact=True) needs the derivative of dL/dh_t, got a flow without a graph; call "
            "gradient_flow with create_graph=True"
        )
    gradients, states = [d[1:] for d in flow.gradients], tree.each(lambda s: s[1:-1], flow.states)
    if not exact:
        gradients, states = [d.detach() for d in gradients], tree.each(leaf, states)
    after, _ = flow.cell(tree.each(as_rows, states), as_rows(flow.xs[1:]))  # all steps as one batch
    products = gradients_by(floats(after), floats(states), [as_rows(d) for d in gradients], create_graph=True)
    here, there = length(products), length(gradients)
    ratio = here / where(there == 0, 1, there)
    return total(where(there == 0, 0, (ratio - 1) ** 2)) / max(there.shape[1], 1)


def gradients_by(
    outputs: Tensor | list[Tensor],
    inputs: list[Tensor],
    cotangents: list[Tensor] | None = None,
    *,
    create_graph: bool,
) -> list[Tensor]:
    """The gradients of `outputs` with respect to `inputs`; the graph is kept."""
    return grad(outputs, inputs, cotangents, create_graph=create_graph, retain_graph=True, zeros=True)


def as_rows(x: Tensor) -> Tensor:
    """x (T, B, ...) with time and batch as one axis, (T B, ...)."""
    return reshape(x, (-1, *x.shape[2:]))


def floats(state: State) -> list[Tensor]:
    """The float parts of a state, which can have a derivative."""
    return [part for part in tree.leaves(state) if part.dtype.kind == "f"]


def leaf(x: Tensor) -> Tensor:
    """The value of `x` as a leaf, which requires a gradient if it is a float."""
    x = x.detach()
    x.requires_grad = x.dtype.kind == "f"
    return x


def length(parts: list[Tensor]) -> Tensor:
    """The Euclidean norm over all parts (T, B, ...), (T, B)."""
    flat = [reshape(p, (*p.shape[:2], math.prod(p.shape[2:]))) for p in parts]
    return norm(concatenate(flat, axis=-1), axis=-1)
