"""The contenders of benchmarks/scan.py: one problem, and for each contender a function that prepares it.

The problem is a cell over a sequence with loss = sum(ys * weights). The weights are fixed and random, so that
every output has a different cotangent. The result is the gradients of all parameters, without that of xs. A
contender receives the problem and returns a function that computes these gradients at every call, in the order
of `cell.named_parameters()`.

The equations of each cell are written once, over a namespace `m` of functions, so that PyTorch, JAX, autograd
and MyGrad compute the same function. Each contender imports the library that it needs: a contender whose
library is missing is left out, and a process that runs one contender starts one thread pool.
"""

from collections.abc import Callable, Iterable
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from measure import AbsentError, Run

import tinygrad_seq as ts
from tinygrad_seq import nn, tree

Size = tuple[int, int, int, int]  # T, B, I, H

# --- the cells, as equations --------------------------------------------------------------------------


def rnn(m, p, h, x):
    h = m.tanh(x @ p.Wx + p.b + h @ p.Wh)
    return h, h


def gru(m, p, h, x):
    x_r, x_z, x_n = m.split(x @ p.Wx + p.b, 3, axis=-1)
    h_r, h_z, h_n = m.split(h @ p.Wh + p.bh, 3, axis=-1)
    r, z = m.sigmoid(x_r + h_r), m.sigmoid(x_z + h_z)
    n = m.tanh(x_n + r * h_n)
    h = (1 - z) * n + z * h
    return h, h


def lstm(m, p, state, x):
    h, c = state
    i, f, g, o = m.split(x @ p.Wx + p.b + h @ p.Wh, 4, axis=-1)
    c = m.sigmoid(f) * c + m.sigmoid(i) * m.tanh(g)
    h = m.sigmoid(o) * m.tanh(c)
    return (h, c), h


def layer_norm_lstm(m, p, state, x):
    """Ba, Kiros & Hinton (2016), equations 20 to 22; b is the sum of all terms added to the gates."""

    def normalised(z):
        d = z - m.mean(z, axis=-1, keepdims=True)
        return d / m.sqrt(m.mean(m.square(d), axis=-1, keepdims=True) + 1e-5)

    h, c = state
    gates = p.gain_x * normalised(x @ p.Wx) + p.gain_h * normalised(h @ p.Wh) + p.b
    i, f, g, o = m.split(gates, 4, axis=-1)
    c = m.sigmoid(f) * c + m.sigmoid(i) * m.tanh(g)
    h = m.sigmoid(o) * m.tanh(p.gain_c * normalised(c) + p.bias_c)
    return (h, c), h


@ts.pure  # so that its recording is kept, as those of the cells of nn and of jax.jit are
class LayerNormLSTMCell(nn.LSTMCell):
    """A cell that no library has, as a researcher would write it, on our ops."""

    def __init__(self, input_size: int, hidden_size: int, *, rng: np.random.Generator) -> None:
        super().__init__(input_size, hidden_size, rng=rng)
        for name, width in (("gain_x", 4), ("gain_h", 4), ("gain_c", 1), ("bias_c", 1)):
            drawn = rng.uniform(0.5, 1.5, width * hidden_size).astype(np.float32)
            setattr(self, name, nn.Parameter(drawn))

    def __call__(self, state, x):
        return layer_norm_lstm(ts, self, state, x)


class Kind(NamedTuple):
    title: str
    cell: Callable[..., nn.Cell]  # ours
    equations: Callable  # of the other libraries
    layer: str | None  # PyTorch's class, from torch.nn


KINDS = {
    "lstm": Kind("LSTM", nn.LSTMCell, lstm, "LSTM"),
    "gru": Kind("GRU, reset after the product", nn.ResetAfterGRUCell, gru, "GRU"),
    "rnn": Kind("RNN", nn.RNNCell, rnn, "RNN"),
    "ln-lstm": Kind("layer-normalised LSTM", LayerNormLSTMCell, layer_norm_lstm, None),
}

# --- the problem --------------------------------------------------------------------------------------


class Problem:
    """A cell of `kind`, its input xs (T, B, I), the loss's weights (T, B, H); the same in every process."""

    def __init__(self, kind: str, size: Size, dtype: type = np.float32) -> None:
        steps, batch, width, hidden = self.size = size
        rng = np.random.default_rng(0)
        self.kind = KINDS[kind]
        self.cell = self.kind.cell(width, hidden, rng=rng).to(dtype=dtype)
        self.parameters = {name: p.numpy() for name, p in self.cell.named_parameters()}
        self.xs = rng.standard_normal((steps, batch, width), np.float32).astype(dtype)
        self.weights = rng.standard_normal((steps, batch, hidden), np.float32).astype(dtype)

    def start(self, convert: Callable = np.array):
        """The state before the first step, its arrays converted to those of a library."""
        state = self.cell.initial_state(self.size[1], like=ts.tensor(self.xs))
        return tree.each(lambda zeros: convert(zeros.numpy()), state)

    def step(self, m, values: Iterable) -> Callable:
        """step(state, x) -> (state, y): the equations over the functions of m, with a library's parameters."""
        p = SimpleNamespace(**dict(zip(self.parameters, values, strict=True)))
        return partial(self.kind.equations, m, p)


def functions(library, **others: Callable) -> SimpleNamespace:
    """The `m` of the equations, from a library whose function names are mostly NumPy's."""
    alike = {name: getattr(library, name) for name in ("tanh", "mean", "square", "sqrt")}
    return SimpleNamespace(**alike, **others)


def unrolled(step: Callable, state, xs: Iterable) -> list:
    """The outputs of a plain loop."""
    ys = []
    for x in xs:
        state, y = step(state, x)
        ys.append(y)
    return ys


# --- ours ---------------------------------------------------------------------------------------------


def ours(problem: Problem, runner: Callable[[nn.Cell, ts.Tensor], ts.Tensor]) -> Run:
    cell, xs, weights = problem.cell, ts.tensor(problem.xs), ts.tensor(problem.weights)
    return lambda: ts.grad(ts.sum(runner(cell, xs) * weights), cell.parameters())


def looped(cell: nn.Cell, xs: ts.Tensor, start=None) -> ts.Tensor:
    start = cell.initial_state(xs.shape[1], like=xs) if start is None else start
    return ts.stack(unrolled(cell, start, ts.unstack(xs)))


def scanned(cell: nn.Cell, xs: ts.Tensor, start=None, remat: int | None = None) -> ts.Tensor:
    start = cell.initial_state(xs.shape[1], like=xs) if start is None else start
    _, ys = ts.scan(cell, start, xs, remat=remat)
    return ys


def recorded(cell: nn.Cell, xs: ts.Tensor, start=None) -> ts.Tensor:
    """The same for a step that is not known to be pure, and so is recorded at every call."""
    start = cell.initial_state(xs.shape[1], like=xs) if start is None else start
    _, ys = ts.scan(lambda state, x: cell(state, x), start, xs)
    return ys


def emitted(emitter: str, contender: Callable) -> Callable:
    """A contender of ours whose loops are written by an emitter."""

    def prepare(problem) -> Run:
        try:
            on = ts.emitter(emitter)
        except RuntimeError as error:
            raise AbsentError(str(error)) from error
        run = contender(problem)

        def inside():
            with on:
                return run()

        return inside

    return prepare


def reference(kind: str, size: Size) -> list[np.ndarray]:
    """The gradients that all others are compared with: those of our plain loop, in float64."""
    return [g.numpy() for g in ours(Problem(kind, size, np.float64), looped)()]


# --- PyTorch ------------------------------------------------------------------------------------------


def pytorch_cell(problem: Problem) -> Run:
    """A cell written from primitives in a Python loop, as for a cell that PyTorch does not have."""
    import torch

    m = functions(torch, sigmoid=torch.sigmoid, split=lambda z, count, axis: z.chunk(count, dim=axis))
    xs, weights = torch.from_numpy(problem.xs), torch.from_numpy(problem.weights)
    parameters = [torch.tensor(p, requires_grad=True) for p in problem.parameters.values()]
    step, start = problem.step(m, parameters), problem.start(torch.tensor)

    def run():
        ys = torch.stack(unrolled(step, start, xs.unbind()))
        return torch.autograd.grad((ys * weights).sum(), parameters)

    return run


def pytorch_layer(problem: Problem) -> Run:
    """torch.nn.LSTM, GRU or RNN: written by hand in C++, and for the LSTM one fused operation of oneDNN."""
    import torch

    if problem.kind.layer is None:
        raise AbsentError("PyTorch has no such layer")
    layer = getattr(torch.nn, problem.kind.layer)(*problem.size[2:])
    state = nn.to_torch(nn.Recurrent(problem.cell))
    layer.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    parameters = list(layer.parameters())
    xs, weights = torch.from_numpy(problem.xs), torch.from_numpy(problem.weights)

    def run():
        ys, _ = layer(xs)
        wx, wh, b, bh = torch.autograd.grad((ys * weights).sum(), parameters)
        return (wx.T, wh.T, b, bh)[: len(problem.parameters)]  # bh has the gradient of b, except in the GRU

    return run


# --- JAX, autograd, MyGrad ----------------------------------------------------------------------------


def jax_scan(problem: Problem) -> Run:
    import jax
    import jax.numpy as jnp

    m = functions(jnp, sigmoid=jax.nn.sigmoid, split=jnp.split)
    start = problem.start(jnp.asarray)

    @jax.jit
    @jax.grad
    def gradients(parameters, xs, weights):
        _, ys = jax.lax.scan(problem.step(m, parameters), start, xs)
        return (ys * weights).sum()

    arguments = jax.tree.map(jnp.asarray, (list(problem.parameters.values()), problem.xs, problem.weights))
    return lambda: jax.block_until_ready(gradients(*arguments))


def by_autograd(problem: Problem) -> Run:
    import autograd
    import autograd.numpy as anp

    refuse_the_large(problem)
    m = functions(anp, sigmoid=lambda z: 0.5 * anp.tanh(0.5 * z) + 0.5, split=slices)
    start, parameters = problem.start(), tuple(problem.parameters.values())

    @autograd.grad
    def gradients(parameters):
        ys = anp.stack(unrolled(problem.step(m, parameters), start, problem.xs))
        return anp.sum(ys * problem.weights)

    return lambda: gradients(parameters)


def by_mygrad(problem: Problem) -> Run:
    import mygrad

    refuse_the_large(problem)
    m = functions(mygrad, sigmoid=mygrad.nnet.sigmoid, split=slices)
    start, parameters = problem.start(), [mygrad.tensor(p) for p in problem.parameters.values()]

    def run():
        ys = mygrad.stack(unrolled(problem.step(m, parameters), start, problem.xs))
        (ys * problem.weights).sum().backward()
        return [p.grad for p in parameters]

    return run


def slices(z, count: int, axis: int) -> list:
    """`split` along the last axis, for the libraries whose `split` has no derivative."""
    width = z.shape[-1] // count
    return [z[:, k * width : (k + 1) * width] for k in range(count)]


def refuse_the_large(problem: Problem) -> None:
    steps, batch, _, hidden = problem.size
    if steps * batch * hidden > 1_000_000:
        raise AbsentError("takes seconds at this size")


# --- the floor ----------------------------------------------------------------------------------------


def products(problem: Problem) -> Run:
    """Only the matrix products, which every program on NumPy must compute, each as one call.

    Outputs are allocated before; the projection of the input is one product, as is the gradient of each weight;
    Wh' is contiguous. Computes no gradient: the numbers are arbitrary.
    """
    steps, batch, width, hidden = problem.size
    wx, wh = (problem.parameters[name] for name in ("Wx", "Wh"))
    wide = wx.shape[1]
    x, wh_t = problem.xs.reshape(steps * batch, width), np.ascontiguousarray(wh.T)
    hs = np.ones((steps, batch, hidden), np.float32)
    deltas = np.ones((steps, batch, wide), np.float32)
    projected, gates = np.empty((steps * batch, wide), np.float32), np.empty((batch, wide), np.float32)
    dh, dwx, dwh = np.empty((batch, hidden), np.float32), np.empty_like(wx), np.empty_like(wh)
    h_rows, d_rows = hs.reshape(-1, hidden), deltas.reshape(-1, wide)

    def run():
        np.matmul(x, wx, out=projected)
        for h in hs:
            np.matmul(h, wh, out=gates)
        for delta in deltas:
            np.matmul(delta, wh_t, out=dh)
        np.matmul(x.T, d_rows, out=dwx)
        np.matmul(h_rows.T, d_rows, out=dwh)
        return ()

    return run


CONTENDERS: dict[str, Callable[[Problem], Run]] = {
    "products alone": products,
    "ours, scan as C": emitted("c", partial(ours, runner=scanned)),
    "ours, C, recorded anew": emitted("c", partial(ours, runner=recorded)),
    "ours, scan as NumPy": emitted("numpy", partial(ours, runner=scanned)),
    "ours, plain loop": partial(ours, runner=looped),
    "PyTorch, nn layer": pytorch_layer,
    "PyTorch, own cell": pytorch_cell,
    "JAX, jit of scan": jax_scan,
    "autograd": by_autograd,
    "MyGrad": by_mygrad,
}
