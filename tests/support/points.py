"""Values and gradients at a point, for tests of conventions."""

import numpy as np

import tinygrad_seq as ts

INF, NAN = np.inf, np.nan


def leaf(data):
    return ts.tensor(np.asarray(data, dtype=np.float64), requires_grad=True)


def gradient(f, *data):
    """f(*data), and the gradient of its sum with respect to every argument."""
    xs = [leaf(a) for a in data]
    with np.errstate(all="ignore"):
        z = f(*xs)
        grads = ts.grad(z.sum(), xs, zeros=True)
    return z.numpy(), *(g.numpy() for g in grads)


def nth(f, x, order):
    """The derivative of order `order` of f, a function of one variable, at x."""
    x = leaf(x)
    with np.errstate(all="ignore"):
        y = f(x)
        for _ in range(order):
            y = ts.grad(y.sum(), x, create_graph=True)
    return y.numpy()
