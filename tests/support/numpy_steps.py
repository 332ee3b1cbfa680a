"""The random programs of `random_steps.py`, computed by NumPy: an oracle that shares no code with us."""

from __future__ import annotations

import contextlib

import numpy as np
from random_calls import helpers

from tinygrad_seq import tree


class Functions:
    """The public functions of `tinygrad_seq` on arrays: NumPy's, and those below."""

    def __getattr__(self, name: str):
        return getattr(np, name)

    no_grad = contextlib.nullcontext
    solve = staticmethod(np.linalg.solve)
    cholesky = staticmethod(np.linalg.cholesky)
    norm = staticmethod(np.linalg.norm)

    def tensor(self, x):
        return np.asarray(x, np.float32 if type(x) is float else None)

    def astype(self, x, dtype):
        return np.asarray(x).astype(dtype)

    def relu(self, x):
        return np.maximum(x, 0)

    def sigmoid(self, x):
        return 0.5 * np.tanh(0.5 * real(x)) + 0.5

    def softplus(self, x):
        return np.logaddexp(x, 0)

    def clip(self, x, a_min=None, a_max=None, *, min=None, max=None):
        return np.clip(x, min if a_min is None else a_min, max if a_max is None else a_max)

    def stop_gradient(self, x):
        return x

    def safe_product(self, a, p):
        return np.where(np.equal(a, 0), 0, np.multiply(a, p))

    def logsumexp(self, x, axis=None, keepdims=False):
        m = np.max(x, axis=axis, keepdims=True)
        z = np.log(np.sum(np.exp(real(x) - m), axis=axis, keepdims=True)) + m
        return z if keepdims else z.reshape(np.max(x, axis=axis).shape)

    def log_softmax(self, x, axis=-1):
        return real(x) - self.logsumexp(x, axis, True)

    def softmax(self, x, axis=-1):
        return np.exp(self.log_softmax(x, axis))

    def getitem(self, x, key):
        return x[key]

    def unstack(self, x, axis=0):
        return tuple(np.moveaxis(x, axis, 0))

    def split(self, x, indices_or_sections, axis=0):
        return tuple(np.split(x, indices_or_sections, axis))

    def scatter_add(self, x, key, values):
        z = np.array(x + np.zeros((), np.result_type(x, values)))
        np.add.at(z, key, np.broadcast_to(values, z[key].shape))
        return z


def real(x) -> np.ndarray:
    """x as an array of floats; integers and booleans become float64."""
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(float)


def numpy_loop(step, init, xs=None, *, length=None, reverse=False, remat=None):
    """The loop, on arrays."""
    array = Functions().tensor
    carry, rows = tree.each(array, init), [array(x) for x in tree.leaves(xs)]
    n = length if length is not None else len(rows[0])
    outputs: list = [None] * n
    for t in reversed(range(n)) if reverse else range(n):
        carry, outputs[t] = step(carry, None if xs is None else tree.like(xs, [row[t] for row in rows]))
    parts = zip(*map(tree.leaves, outputs), strict=True)
    return carry, tree.like(outputs[0], [np.stack(part) for part in parts])


NUMPY = {**helpers(Functions()), "leaves": tree.leaves}
