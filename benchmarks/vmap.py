"""What vmap gains: the gradients of each example by itself, and whole Jacobians.

    .venv/bin/python -m pip install -e ".[bench]"
    taskset -c 0 .venv/bin/python benchmarks/vmap.py

The gradients are those of all weights of an LSTM, for each of 32 sequences: by vmap, by a Python loop over the
sequences, and by JAX's jitted vmap of grad and PyTorch's vmap of grad, which have the same equations. The
Jacobian is that of two layers of tanh, from 64 numbers to 64: by vmap, and by a reverse pass for each row.

All contenders run in one process with one thread each, in shuffled order in every round; every row compares the
results of the first and of the last call with those of a Python loop in float64. The column "/ C" divides by
our vmap with loops as C, "/ NumPy" by that with loops as NumPy.
"""

from limits import allow, pin

if __name__ == "__main__":
    allow(threads=1)

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
from contenders import Problem, functions, unrolled
from measure import HEAD, OURS, ROOMY, Here, Run, interleaved, lines, versions

import tinygrad_seq as ts

SIZES = {  # T, B, I, H
    "short": (20, 32, 8, 16),
    "middle": (50, 32, 16, 64),
}
COLUMNS = dict(zip(("c", "numpy"), OURS.values(), strict=True))


# --- gradients of each example ------------------------------------------------------------------------


def of_one(problem: Problem) -> Callable:
    """The gradients of one sequence (T, I) with weights (T, H), by our scan."""
    cell = problem.cell
    state = cell.initial_state(1, like=ts.tensor(problem.xs))
    parameters = list(cell.parameters())

    def gradients(x, weight):
        _, ys = ts.scan(cell, state, ts.expand_dims(x, 1))
        return ts.grad((ts.squeeze(ys, 1) * weight).sum(), parameters)

    return gradients


def tensors(problem: Problem) -> tuple[ts.Tensor, ts.Tensor]:
    """The sequences and their weights, with the batch first."""
    return ts.tensor(problem.xs.swapaxes(0, 1)), ts.tensor(problem.weights.swapaxes(0, 1))


def by_vmap(problem: Problem, emitter: str) -> Run:
    f, (xs, weights) = ts.vmap(of_one(problem)), tensors(problem)
    return with_emitter(lambda: [g.numpy() for g in f(xs, weights)], emitter)


def by_loop(problem: Problem, emitter: str) -> Run:
    f, (xs, weights) = of_one(problem), tensors(problem)
    examples = range(len(xs))
    return with_emitter(
        lambda: [np.stack(gs) for gs in zip(*(arrays(f(xs[i], weights[i])) for i in examples), strict=True)],
        emitter,
    )


def arrays(tensors) -> list[np.ndarray]:
    return [t.numpy() for t in tensors]


def with_emitter(run: Run, emitter: str) -> Run:
    def called():
        with ts.emitter(emitter):
            return run()

    return called


def by_jax(problem: Problem) -> Run:
    import jax
    import jax.numpy as jnp

    m = functions(jnp, sigmoid=jax.nn.sigmoid, split=jnp.split)
    zeros = jnp.zeros(problem.size[3], problem.xs.dtype)

    def loss(parameters, x, weight):
        _, ys = jax.lax.scan(problem.step(m, parameters), (zeros, zeros), x)
        return (ys * weight).sum()

    f = jax.jit(jax.vmap(jax.grad(loss), (None, 1, 1)))
    arguments = jax.tree.map(jnp.asarray, (list(problem.parameters.values()), problem.xs, problem.weights))
    return lambda: jax.block_until_ready(f(*arguments))


def by_torch(problem: Problem) -> Run:
    import torch

    torch.set_num_threads(1)
    m = functions(torch, sigmoid=torch.sigmoid, split=lambda x, n, axis: x.chunk(n, axis))
    zeros = torch.zeros(problem.size[3])

    def loss(parameters, x, weight):
        return (torch.stack(unrolled(problem.step(m, parameters), (zeros, zeros), x)) * weight).sum()

    f = torch.func.vmap(torch.func.grad(loss), (None, 1, 1))
    parameters = [torch.from_numpy(p.copy()) for p in problem.parameters.values()]
    xs, weights = torch.from_numpy(problem.xs), torch.from_numpy(problem.weights)
    return lambda: f(parameters, xs, weights)


CONTENDERS = {
    COLUMNS["c"]: partial(by_vmap, emitter="c"),
    COLUMNS["numpy"]: partial(by_vmap, emitter="numpy"),
    "ours, loop, C": partial(by_loop, emitter="c"),
    "ours, loop, NumPy": partial(by_loop, emitter="numpy"),
    "JAX, jit of vmap(grad)": by_jax,
    "PyTorch, vmap(grad)": by_torch,
}


# --- Jacobians ----------------------------------------------------------------------------------------


def jacobians() -> dict[str, Callable[[], Run]]:
    rng = np.random.default_rng(0)
    a, b, x = (rng.normal(size=shape) / 8 for shape in ((64, 64), (64, 64), (64,)))

    def f(x):
        return ts.tanh(ts.tanh(x @ a) @ b)

    def by_rows():
        y, pullback = ts.vjp(f, ts.tensor(x))
        return [np.stack([pullback(e)[0].numpy() for e in np.eye(y.size)])]

    return {
        COLUMNS["numpy"]: lambda: lambda: [ts.jacobian(f, ts.tensor(x)).numpy()],
        "ours, a pass for each row": lambda: by_rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    where = pin(1)
    ts.workspace_limit(ROOMY)
    print(f"{versions()}; one thread, {where}")
    for name, size in SIZES.items():
        problem = Problem("lstm", size)
        right = list(by_loop(Problem("lstm", size, np.float64), "numpy")())
        print(f"\ngradients of each of B sequences, {name}: T, B, I, H = {size}\n{HEAD}")
        contenders = {title: partial(Here, partial(prepare, problem)) for title, prepare in CONTENDERS.items()}
        print("\n".join(lines(interleaved(contenders, options.rounds, right, name), size[0])))
    print(f"\nJacobian of 64 numbers by 64\n{HEAD}")
    made = jacobians()
    contenders = {title: partial(Here, prepare) for title, prepare in made.items()}
    right = made["ours, a pass for each row"]()()
    print("\n".join(lines(interleaved(contenders, options.rounds, right, "Jacobian"), 64)))


if __name__ == "__main__":
    main()
