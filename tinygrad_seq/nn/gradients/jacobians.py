"""Why gradients vanish or explode: the Jacobians of the steps, their singular values, and powers of a matrix.

On its way back through time a gradient is multiplied by a Jacobian at every step,

    dL/dh_t = dL/dh_T J_T ... J_{t+1},   J_k = dh_k/dh_{k-1},   for a loss that depends only on the last state

so its length is at most |dL/dh_T| times the product of their largest singular values. If these stay below 1,
the gradient vanishes; it can explode only if they are above 1. Without inputs and without tanh, all J_k are one
matrix, and the powers of its eigenvalues decide.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq import tree
from tinygrad_seq.derive.functions import vjp
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.mode import no_grad
from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.nn.cells import Cell, RNNCell, State
from tinygrad_seq.nn.cells.cell import over_time
from tinygrad_seq.nn.gradients.flow import as_rows, floats
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.joining import concatenate, split, stack
from tinygrad_seq.ops.shape import reshape
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.tensor import Tensor, on_device_of


def step_jacobians(cell: Cell, xs: Tensor | ArrayLike, *, state: State | None = None) -> Tensor:
    """J_t = ds_t/ds_{t-1} for the steps t = 1 ... T of `cell` over xs (T, B, I): (T, B, S, S).

    Element (i, j) is d(s_t)_i / d(s_{t-1})_j. Gradients are rows: dL/ds_{t-1} = dL/ds_t J_t. S is the size of
    the whole state, its float parts concatenated in order: 2H for the (h, c) of an LSTM. For the vanilla
    network J_t = diag(1 - h_t^2) Wh'.

    state  s_0; None means the cell's initial state

    All steps and rows form one batch, with one backward pass for each element of the state. (A single pass,
    over a batch that holds every row S times, took two to five times as long; so did forward mode.) The result
    is not on the tape. Raises ValueError if there is no time step.

    >>> from tinygrad_seq import nn
    >>> nn.step_jacobians(nn.LSTMCell(3, 5, rng=0), ts.ones((7, 2, 3))).shape
    (7, 2, 10, 10)
    """
    xs, state = over_time(cell, xs, state)
    with no_grad():
        _, before = scan(lambda s, x: (cell(s, x)[0], s), state, xs)
        states, inputs = tree.each(as_rows, before), as_rows(xs)
        after, pullback = vjp(lambda s: flat(cell(parted(s, states), inputs)[0]), flat(states))
        identity = on_device_of(after, np.eye(after.shape[-1], dtype=after.dtype), "identity")
        rows: list[Tensor] = [pullback(zeros_like(after) + e)[0] for e in identity]
        return reshape(stack(rows, axis=1), (*xs.shape[:2], len(rows), len(rows)))


def flat(state: State) -> Tensor:
    """The float parts of a state (N, ...), concatenated, (N, S)."""
    return concatenate([reshape(part, (len(part), width(part))) for part in floats(state)], axis=-1)


def parted(s: Tensor, state: State) -> State:
    """`state` with its float parts replaced by those of s (N, S)."""
    ends = list(itertools.accumulate(width(part) for part in floats(state)))
    found = iter(split(s, ends[:-1], axis=-1))
    return tree.each(lambda part: reshape(next(found), part.shape) if part.dtype.kind == "f" else part, state)


def width(part: Tensor) -> int:
    """The number of elements in a row of `part` (N, ...)."""
    return math.prod(part.shape[1:])


# --- bounds on the length of a gradient -----------------------------------------------------------------


def singular_values(matrices: Tensor | ArrayLike) -> np.ndarray:
    """The singular values (..., S) of matrices (..., S, S), the largest first, on the host, in float64.

    They are NaN for a matrix that is not finite.

    >>> singular_values([[0.0, 2.0], [-0.5, 0.0]])
    array([2. , 0.5])
    """
    matrices = on_host("singular_values", matrices)
    if matrices.ndim < 2:
        raise ValueError(f"singular_values needs matrices (..., S, S), got {describe(matrices)}")
    finite = np.isfinite(matrices).all((-2, -1))
    values = np.linalg.svd(np.where(finite[..., None, None], matrices, 0), compute_uv=False)
    return np.where(finite[..., None], values, np.nan)


def product_bound(norms: Tensor | ArrayLike, factors: ArrayLike) -> np.ndarray:
    """|dL/dh_T| times the factors of the steps t + 1 ... T, a bound of |dL/dh_t|, (T, B), on the host.

        |dL/dh_t| <= |dL/dh_T| sigma_max(J_T) ... sigma_max(J_{t+1})

    norms    |dL/dh_t|, (T, B); only the last is used
    factors  sigma_max(J_t) or an upper bound of it, (T, B); the first is not used

    It bounds the gradient that flows back through h_T. This is all of dL/dh_t if the loss depends only on the
    last state; if it also depends on earlier states, dL/dh_t can be longer. (Pascanu, Mikolov & Bengio 2013.)
    Raises ValueError if the shapes differ.

    >>> product_bound([[0.3], [0.8], [1.0]], [[5.0], [0.5], [2.0]]).T
    array([[1., 2., 1.]])
    """
    norms, factors = on_host("product_bound", norms), on_host("product_bound", factors)
    if norms.shape != factors.shape:
        raise ValueError(
            f"product_bound needs norms and factors of one shape (T, B), got {norms.shape} and {factors.shape}"
        )
    with np.errstate(over="ignore"):  # a bound may be infinite
        return np.cumprod(np.concatenate([norms[-1:], factors[:0:-1]]), axis=0)[::-1]


def separate_factors(cell: RNNCell, hs: Tensor | ArrayLike) -> np.ndarray:
    """sigma_max(D_t) sigma_max(Wh), an upper bound of sigma_max(D_t Wh') = sigma_max(J_t), (T, B).

    (The lecture's looser bound, only for the vanilla network.) hs (T, B, H) are the outputs of the cell. D_t is
    the diagonal matrix of slopes: 1 - h_t^2 for tanh, 0 or 1 for relu. Raises TypeError for another cell.

    >>> from tinygrad_seq import nn
    >>> cell, xs = nn.RNNCell(3, 5, rng=0), ts.ones((7, 2, 3))
    >>> tight = singular_values(step_jacobians(cell, xs))[..., 0]
    >>> bool((separate_factors(cell, nn.Recurrent(cell)(xs)[0]) >= tight).all())
    True
    """
    if not isinstance(cell, RNNCell):
        raise TypeError(
            "separate_factors needs an RNNCell, whose Jacobian is a product of slopes and one matrix, got a "
            f"{type(cell).__name__}"
        )
    hs = on_host("separate_factors", hs)
    slopes = 1 - hs**2 if cell.activation == "tanh" else hs > 0
    bound: np.ndarray = slopes.max(-1) * singular_values(cell.Wh)[0]
    return bound


# --- powers of a matrix ---------------------------------------------------------------------------------


def eigenvalue_powers(matrix: Tensor | ArrayLike, steps: int) -> np.ndarray:
    """The eigenvalues of W (n, n) to the powers t = 0 ... steps, (steps + 1, n); ascending at t = 1 if W = W'.

    They are the eigenvalues of W^t, and vanish or explode. The lecture's example is the matrix of the Fibonacci
    numbers.

    >>> eigenvalue_powers([[0.0, 1.0], [1.0, 1.0]], 10)[[1, 10]].round(4).tolist()
    [[-0.618, 1.618], [0.0081, 122.9919]]
    """
    matrix = on_host("eigenvalue_powers", matrix)
    steps = integer("eigenvalue_powers", "steps", steps, "[0, inf)")
    symmetric = np.array_equal(matrix, matrix.T)
    values = np.linalg.eigvalsh(matrix) if symmetric else np.linalg.eigvals(matrix)
    return values ** np.arange(steps + 1)[:, None]


def linear_recurrence(matrix: Tensor | ArrayLike, start: Tensor | ArrayLike, steps: int) -> np.ndarray:
    """h_t = h_{t-1} W for t = 0 ... steps, by the eigenvectors of W = Q L Q', as h_0 Q L^t Q'; (steps + 1, n).

    Raises ValueError unless W (n, n) is symmetric, since only then is Q orthogonal.

    >>> linear_recurrence([[0.0, 1.0], [1.0, 1.0]], [1.0, 1.0], 5)[:, 0].round(9)
    array([1., 1., 2., 3., 5., 8.])
    """
    matrix, start = on_host("linear_recurrence", matrix), on_host("linear_recurrence", start)
    steps = integer("linear_recurrence", "steps", steps, "[0, inf)")
    if not np.array_equal(matrix, matrix.T):
        raise ValueError(
            "linear_recurrence needs a symmetric W, so that W = Q L Q' with an orthogonal Q, got "
            f"{matrix.tolist()}"
        )
    _, eigenvectors = np.linalg.eigh(matrix)
    h: np.ndarray = start @ eigenvectors * eigenvalue_powers(matrix, steps) @ eigenvectors.T
    return h


def on_host(owner: str, x: Tensor | ArrayLike) -> np.ndarray:
    """The values of `x` on the host, in float64; TypeError if they are not numbers."""
    values = np.asarray(x.numpy() if isinstance(x, Tensor) else x)
    if values.dtype.kind not in "fiub":
        raise TypeError(f"{owner} needs tensors or arrays of numbers, got {describe(x)}")
    return values.astype(np.float64)
