"""Why gradients vanish or explode: the Jacobians of the steps, their singular values, and powers of a matrix.

On its way back through time a gradient is multiplied by a Jacobian at every step,

    dL/dh_t = dL/dh_T J_T ... J_{t+1},   J_k = dh_k/dh_{k-1},   if the loss is of the last state alone

so that its length is at most |dL/dh_T| times their largest singular values: where these stay below 1 it
vanishes, and it explodes only where they are above. Without inputs and without tanh all J_k are one matrix,
and what decides are the powers of its eigenvalues.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq import tree
from tinygrad_seq.derive import vjp
from tinygrad_seq.engine.mode import no_grad
from tinygrad_seq.nn.cells import Cell, RNNCell, State
from tinygrad_seq.nn.gradients.flow import as_rows, floats
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.shape import concatenate, reshape, split, stack
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor, on_device_of


def step_jacobians(cell: Cell, xs: Tensor | ArrayLike, *, state: State | None = None) -> Tensor:
    """J_t = ds_t/ds_{t-1} for the steps t = 1 ... T of `cell` over xs (T, B, I): (T, B, S, S).

    An element is d(s_t)_i / d(s_{t-1})_j, and a gradient, a row, goes back as dL/ds_{t-1} = dL/ds_t J_t. S is
    the size of the whole state, all its float parts side by side in their order: 2H for the (h, c) of an LSTM.
    For the vanilla network J_t = diag(1 - h_t^2) Wh'.

    state  s_0, the cell's initial state if None

    All steps and rows are one batch, with a pass back for each element of the state. (One pass for all
    elements, of a batch that holds every row S times, took two to five times as long, in forward mode too.) The
    result is not on the tape. ValueError for no steps at all.

    >>> from tinygrad_seq import nn
    >>> nn.step_jacobians(nn.LSTMCell(3, 5, rng=0), ts.ones((7, 2, 3))).shape
    (7, 2, 10, 10)
    """
    xs = xs if isinstance(xs, Tensor) else tensor(xs)
    state = cell.initial_state(xs.shape[1], like=xs) if state is None else state
    with no_grad():
        _, before = scan(lambda s, x: (cell(s, x)[0], s), state, xs)
        states, inputs = tree.each(as_rows, before), as_rows(xs)
        after, pullback = vjp(lambda s: flat(cell(parted(s, states), inputs)[0]), flat(states))
        identity = on_device_of(after, np.eye(after.shape[-1], dtype=after.dtype), "identity")
        rows = [pullback(zeros_like(after) + e)[0] for e in identity]
        return reshape(stack(rows, axis=1), (*xs.shape[:2], len(rows), len(rows)))


def flat(state: State) -> Tensor:
    """The float parts of a state (N, ...) side by side, (N, S)."""
    return concatenate([reshape(part, (len(part), width(part))) for part in floats(state)], axis=-1)


def parted(s: Tensor, state: State) -> State:
    """`state` with its float parts from s (N, S)."""
    ends = list(itertools.accumulate(width(part) for part in floats(state)))
    found = iter(split(s, ends[:-1], axis=-1))
    return tree.each(lambda part: reshape(next(found), part.shape) if part.dtype.kind == "f" else part, state)


def width(part: Tensor) -> int:
    """How many numbers a row of a part (N, ...) holds."""
    return math.prod(part.shape[1:])


# --- how long a gradient can be -------------------------------------------------------------------------


def singular_values(matrices: Tensor | ArrayLike) -> np.ndarray:
    """The singular values of matrices (..., S, S), the largest first, (..., S), on the host, in float64.

    NaN for a matrix that is not finite.

    >>> singular_values([[0.0, 2.0], [-0.5, 0.0]])
    array([2. , 0.5])
    """
    matrices = on_host(matrices)
    finite = np.isfinite(matrices).all((-2, -1))
    values = np.linalg.svd(np.where(finite[..., None, None], matrices, 0), compute_uv=False)
    return np.where(finite[..., None], values, np.nan)


def product_bound(norms: Tensor | ArrayLike, factors: ArrayLike) -> np.ndarray:
    """|dL/dh_T| times the factors of the steps t + 1 ... T, a bound of |dL/dh_t|, (T, B), on the host.

        |dL/dh_t| <= |dL/dh_T| sigma_max(J_T) ... sigma_max(J_{t+1})

    norms    |dL/dh_t|, (T, B); the last of them counts alone
    factors  sigma_max(J_t), (T, B), or what else bounds it; the first does not count

    It bounds what comes through h_T, which is all of dL/dh_t if L is a loss on the last state; with a loss on
    earlier ones dL/dh_t can be longer. (Pascanu, Mikolov & Bengio 2013.) ValueError for shapes that differ.

    >>> product_bound([[0.3], [0.8], [1.0]], [[5.0], [0.5], [2.0]]).T
    array([[1., 2., 1.]])
    """
    norms, factors = on_host(norms), on_host(factors)
    if norms.shape != factors.shape:
        raise ValueError(f"one factor for each step and row: {factors.shape} beside norms {norms.shape}")
    with np.errstate(over="ignore"):  # a bound may be infinite
        return np.cumprod(np.concatenate([norms[-1:], factors[:0:-1]]), axis=0)[::-1]


def separate_factors(cell: RNNCell, hs: Tensor | ArrayLike) -> np.ndarray:
    """sigma_max(D_t) sigma_max(Wh), which is no less than sigma_max(D_t Wh') = sigma_max(J_t), (T, B).

    (The lecture's looser bound, for the vanilla network alone.) hs (T, B, H) are its outputs, and D_t the
    diagonal matrix of slopes, 1 - h_t^2 of tanh, or 0 and 1 of relu. TypeError for another cell.

    >>> from tinygrad_seq import nn
    >>> cell, xs = nn.RNNCell(3, 5, rng=0), ts.ones((7, 2, 3))
    >>> tight = singular_values(step_jacobians(cell, xs))[..., 0]
    >>> bool((separate_factors(cell, nn.Recurrent(cell)(xs)[0]) >= tight).all())
    True
    """
    if not isinstance(cell, RNNCell):
        raise TypeError(f"the step of a {type(cell).__name__} is no product of slopes and one matrix")
    hs = on_host(hs)
    slopes = 1 - hs**2 if cell.activation == "tanh" else hs > 0
    return slopes.max(-1) * singular_values(cell.Wh)[0]


# --- powers of a matrix ---------------------------------------------------------------------------------


def eigenvalue_powers(matrix: Tensor | ArrayLike, steps: int) -> np.ndarray:
    """The eigenvalues of W (n, n) to the powers t = 0 ... steps, (steps + 1, n); ascending if W = W'.

    They are the eigenvalues of W^t, and vanish or explode: the lecture's example, the matrix of Fibonacci's
    numbers.

    >>> eigenvalue_powers([[0.0, 1.0], [1.0, 1.0]], 10)[[1, 10]].round(4).tolist()
    [[-0.618, 1.618], [0.0081, 122.9919]]
    """
    matrix = on_host(matrix)
    symmetric = np.array_equal(matrix, matrix.T)
    values = np.linalg.eigvalsh(matrix) if symmetric else np.linalg.eigvals(matrix)
    return values ** np.arange(steps + 1)[:, None]


def linear_recurrence(matrix: Tensor | ArrayLike, start: Tensor | ArrayLike, steps: int) -> np.ndarray:
    """h_t = h_{t-1} W for t = 0 ... steps, by the eigenvectors of W = Q L Q', as h_0 Q L^t Q'; (steps + 1, n).

    ValueError unless W (n, n) is symmetric, for only then is Q orthogonal.

    >>> linear_recurrence([[0.0, 1.0], [1.0, 1.0]], [1.0, 1.0], 5)[:, 0].round(9)
    array([1., 1., 2., 3., 5., 8.])
    """
    matrix, start = on_host(matrix), on_host(start)
    if not np.array_equal(matrix, matrix.T):
        raise ValueError(f"W = Q L Q' with orthogonal Q is symmetric, and {matrix.tolist()} is not")
    _, eigenvectors = np.linalg.eigh(matrix)
    return start @ eigenvectors * eigenvalue_powers(matrix, steps) @ eigenvectors.T


def on_host(x: Tensor | ArrayLike) -> np.ndarray:
    """The values of `x` in float64."""
    return np.asarray(x.numpy() if isinstance(x, Tensor) else x, np.float64)
