"""Derivatives of derivatives, and their uses: Newton, curvature, learning to learn, Taylor.

    .venv/bin/python examples/higher_order.py                    # or --device cuda

No special code is needed: a gradient is a function of tensors like any other, so forward mode and reverse mode
apply to it too. All numbers are float64, because second differences magnify rounding errors.
"""

import argparse

import numpy as np

import tinygrad_seq as ts


def newton(device: str) -> None:
    """x <- x - H^-1 grad f: near a minimum, every step doubles the number of correct digits."""

    def rosenbrock(x):
        return (1.0 - x[0]) ** 2 + 100.0 * (x[1] - x[0] ** 2) ** 2

    print("Newton's method on Rosenbrock's valley, whose minimum is at (1, 1):")
    x = ts.tensor(np.array([-1.2, 1.0]), device=device)
    for i in range(8):
        value, pullback = ts.vjp(rosenbrock, x)
        (gradient,) = pullback(1.0)
        print(f"  step {i}: x = ({x[0].item():+.6f}, {x[1].item():+.6f}), f = {value.item():.1e}")
        x = x - ts.solve(ts.hessian(rosenbrock, x), gradient)


def curvature(device: str) -> None:
    """The sharpest direction of a loss, by products with its Hessian, without computing the Hessian."""
    rng = np.random.default_rng(0)
    inputs, targets = (ts.tensor(rng.standard_normal(shape), device=device) for shape in ((20, 4), 20))

    def loss(w):
        return ts.mean((ts.tanh(inputs @ w) - targets) ** 2)

    w, v = (ts.tensor(x, device=device) for x in (rng.standard_normal(4), np.ones(4)))
    for _ in range(300):
        hv = ts.hvp(loss, [w], [v])
        v = hv / ts.norm(hv)
    found = (v * ts.hvp(loss, [w], [v])).sum().item()
    eigenvalues = np.linalg.eigvalsh(ts.hessian(loss, w).numpy())
    exact = max(eigenvalues, key=abs)
    print("\nThe largest eigenvalue of a Hessian, in absolute value:")
    print(f"  300 Hessian-vector products {found:+.10f}\n  the whole Hessian           {exact:+.10f}")


def learning_to_learn(device: str) -> None:
    """A learning rate, learned by the gradient through the whole training (Maclaurin et al. 2015)."""
    target, steepness = (ts.tensor(np.array(x), device=device) for x in ([1.0, -2.0], [1.0, 3.0]))

    def loss(w):
        return ((w - target) ** 2 * steepness).sum()

    def after_training(lr):
        w = ts.zeros(2, dtype=np.float64, device=device, requires_grad=True)
        for _ in range(5):
            w = w - lr * ts.grad(loss(w), w, create_graph=True)
        return loss(w)

    print("\nThe loss after five training steps, while its gradient improves the learning rate:")
    lr = ts.tensor(np.array(0.02), device=device)
    for i in range(31):
        final, pullback = ts.vjp(after_training, lr)
        (slope,) = pullback(1.0)
        if i % 10 == 0:
            print(f"  lr = {lr.item():.4f}: loss {final.item():.6f}, dloss/dlr {slope.item():+.4f}")
        if i < 30:
            lr = lr - 0.0005 * slope
    h = 1e-6
    sides = [after_training(lr + s * h).item() for s in (1, -1)]
    difference = (sides[0] - sides[1]) / (2 * h)
    print(f"  the last slope by the tape {slope.item():+.6f}, by differences {difference:+.6f}")


def taylor(device: str) -> None:
    """The series of tanh at 0, x - x^3/3 + 2 x^5/15 - ..., by differentiating up to five times."""

    def derivative(f):
        return lambda x: ts.jvp(f, [x], [1.0])[1]

    print("\nThe Taylor series of tanh at 0:")
    f, factorial = ts.tanh, 1
    for n, exact in enumerate([0, 1, 0, -1 / 3, 0, 2 / 15]):
        factorial *= max(n, 1)
        coefficient = f(ts.zeros((), dtype=np.float64, device=device)).item() / factorial
        print(f"  x^{n}: {coefficient:+.10f}, exactly {exact:+.10f}")
        f = derivative(f)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1")
    device = parser.parse_args().device
    for show in (newton, curvature, learning_to_learn, taylor):
        show(device)
