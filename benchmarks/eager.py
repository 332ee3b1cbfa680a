"""The eager tape compared with PyTorch, autograd and MyGrad: microseconds per record, and an unrolled LSTM.

    .venv/bin/python -m pip install -e ".[bench]"
    taskset -c 0 .venv/bin/python benchmarks/eager.py

All contenders run in one process with one thread each, in shuffled order in every round. The tables show
medians over the rounds, and medians of the ratios to ours within a round, which do not depend on a drift of the
machine's speed. First the gradient of every contender is compared with ours: a fast wrong answer does not
count.
"""

from limits import allow

allow(threads=1)

import argparse
import gc
import random
import statistics
import time
from collections.abc import Callable

import autograd
import autograd.numpy as anp
import mygrad
import numpy as np
import torch

import tinygrad_seq as ts

torch.set_num_threads(1)
Timed = Callable[[], tuple[float, float, list[np.ndarray]]]  # seconds forward, seconds backward, gradients
LINKS = 300  # of the chain y <- tanh(y) w + y: three records each
SHAPES = {"scalar": (), "64-vector": (64,), "32x128": (32, 128)}
SIZES = {"S1": (50, 32, 64, 128), "S2": (100, 16, 8, 100), "S3": (35, 20, 200, 200), "S4": (20, 1, 16, 32)}


def timed(forward: Callable, backward: Callable) -> tuple[float, float, list[np.ndarray]]:
    """The times of y = forward() and of backward(y), and the result of backward(y)."""
    start = time.perf_counter()
    y = forward()
    middle = time.perf_counter()
    gradients = backward(y)
    return middle - start, time.perf_counter() - middle, gradients


# --- a chain of small ops -----------------------------------------------------------------------------


def chains(shape: tuple[int, ...]) -> dict[str, Timed]:
    """The contenders on a chain of 3 LINKS records; the final sum is not counted."""
    rng = np.random.default_rng(0)
    x0, w0 = (rng.uniform(0.1, 0.5, shape).astype(np.float32) for _ in range(2))

    def chain(x, w, tanh):
        y = x
        for _ in range(LINKS):
            y = tanh(y) * w + y
        return y

    def ours():
        x, w = ts.tensor(x0, requires_grad=True), ts.tensor(w0, requires_grad=True)
        return timed(
            lambda: chain(x, w, ts.tanh),
            lambda y: (y.backward(np.ones_like(x0)), [x.grad.numpy(), w.grad.numpy()])[1],
        )

    def pytorch():
        x, w = torch.tensor(x0, requires_grad=True), torch.tensor(w0, requires_grad=True)
        ones = torch.ones(shape)
        return timed(
            lambda: chain(x, w, torch.tanh), lambda y: (y.backward(ones), [x.grad.numpy(), w.grad.numpy()])[1]
        )

    def by_autograd():
        def both(arguments):
            return chain(arguments[0], arguments[1], anp.tanh)

        return timed(
            lambda: autograd.core.make_vjp(both, (x0, w0)),
            lambda made: [*map(np.asarray, made[0](np.ones_like(x0)))],
        )

    def by_mygrad():
        x, w = mygrad.tensor(x0), mygrad.tensor(w0)
        return timed(
            lambda: chain(x, w, mygrad.tanh), lambda y: (y.backward(np.ones_like(x0)), [x.grad, w.grad])[1]
        )

    return {"ours": ours, "PyTorch": pytorch, "autograd": by_autograd, "MyGrad": by_mygrad}


# --- an unrolled LSTM ---------------------------------------------------------------------------------


def lstms(t: int, b: int, i: int, h: int) -> dict[str, Timed]:
    """The contenders on a plain loop over an LSTM step, backward from the sum of all h."""
    rng = np.random.default_rng(0)
    xs = rng.standard_normal((t, b, i), dtype=np.float32)
    weights = [
        rng.standard_normal(shape).astype(np.float32) * 0.1 for shape in ((i, 4 * h), (h, 4 * h), (4 * h,))
    ]
    zeros = np.zeros((b, h), np.float32)

    def unrolled(steps, wx, wh, bias, state, tanh, sigmoid, parts):
        hidden, cell = state
        ys = []
        for x in steps:
            gates = x @ wx + bias + hidden @ wh
            inp, forget, new, out = parts(gates)
            cell = sigmoid(forget) * cell + sigmoid(inp) * tanh(new)
            hidden = sigmoid(out) * tanh(cell)
            ys.append(hidden)
        return ys

    def slices(gates):
        return [gates[:, k * h : (k + 1) * h] for k in range(4)]

    def ours():
        ws = [ts.tensor(w, requires_grad=True) for w in weights]
        steps, zero = ts.tensor(xs), ts.tensor(zeros)

        def forward():
            ys = unrolled(steps, *ws, (zero, zero), ts.tanh, ts.sigmoid, lambda g: ts.split(g, 4, axis=-1))
            return ts.stack(ys).sum()

        return timed(forward, lambda y: (y.backward(), [w.grad.numpy() for w in ws])[1])

    def pytorch():
        ws = [torch.tensor(w, requires_grad=True) for w in weights]
        steps, zero = torch.tensor(xs), torch.tensor(zeros)

        def forward():
            ys = unrolled(steps, *ws, (zero, zero), torch.tanh, torch.sigmoid, lambda g: g.chunk(4, dim=-1))
            return torch.stack(ys).sum()

        return timed(forward, lambda y: (y.backward(), [w.grad.numpy() for w in ws])[1])

    def by_autograd():
        def sigmoid(x):
            return 0.5 * anp.tanh(0.5 * x) + 0.5

        def loss(ws):
            return anp.sum(anp.stack(unrolled(xs, *ws, (zeros, zeros), anp.tanh, sigmoid, slices)))

        return timed(
            lambda: autograd.core.make_vjp(loss, tuple(weights)), lambda made: list(made[0](np.float32(1)))
        )

    def by_mygrad():
        ws = [mygrad.tensor(w) for w in weights]

        def forward():
            ys = unrolled(xs, *ws, (zeros, zeros), mygrad.tanh, mygrad.nnet.sigmoid, slices)
            return mygrad.stack(ys).sum()

        return timed(forward, lambda y: (y.backward(), [w.grad for w in ws])[1])

    return {"ours": ours, "PyTorch": pytorch, "autograd": by_autograd, "MyGrad": by_mygrad}


# --- the tables ---------------------------------------------------------------------------------------


def compare(contenders: dict[str, Timed], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """The times of all contenders in `rounds` rounds, in shuffled order."""
    expected = contenders["ours"]()[2]
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for name, contender in contenders.items():
        for found, right in zip(contender()[2], expected, strict=True):
            np.testing.assert_allclose(found, right, rtol=2e-3, atol=2e-4, err_msg=name)
    order = list(contenders)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            gc.collect()
            forward, backward, _ = contenders[name]()
            times[name].append((forward, backward))
    return times


def report(title: str, times: dict[str, list[tuple[float, float]]], scale: float, unit: str) -> None:
    """Print a line per contender: medians of forward, backward, both, and the median ratio of ours to it."""
    print(f"\n{title}")
    print(f"{'':12}{'forward':>10}{'backward':>10}{'both':>10}   ours / theirs, likewise")
    for name, rows in times.items():
        columns = [[f for f, _ in rows], [b for _, b in rows], [f + b for f, b in rows]]
        mine = [[f for f, _ in times["ours"]], [b for _, b in times["ours"]], [f + b for f, b in times["ours"]]]
        medians = "".join(f"{statistics.median(column) * scale:>10.2f}" for column in columns)
        ratios = "".join(
            f"{statistics.median(o / t for o, t in zip(own, column, strict=True)):>8.2f}"
            for own, column in zip(mine, columns, strict=True)
        )
        print(f"{name:12}{medians} {unit}{ratios}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=31, help="of the chains; a third of them for the LSTM")
    rounds = parser.parse_args().rounds
    random.seed(0)
    print(f"NumPy {np.__version__}, PyTorch {torch.__version__}, one thread each, {rounds} rounds")
    for name, shape in SHAPES.items():
        report(f"a record on a {name}", compare(chains(shape), rounds), 1e6 / (3 * LINKS), "us")
    for name, size in SIZES.items():
        report(f"LSTM {name}, (T, B, I, H) = {size}", compare(lstms(*size), max(rounds // 3, 3)), 1e3, "ms")


if __name__ == "__main__":
    main()
