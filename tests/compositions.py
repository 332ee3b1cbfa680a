"""Calls of the functions that are no primitives but compositions of them.

A primitive is drawn for from its declaration; a composition has none, so its calls stand here. Each is a
function of Tensors and the arrays to differentiate it by. `test_public.py` holds all of them against finite
differences, and fails for a registered composition without an entry.
"""

import numpy as np

import tinygrad_seq as ts

rng = np.random.default_rng(0)
V, W, M, S = (rng.uniform(0.5, 1.5, shape) for shape in ((3,), (4,), (3, 4), (2, 3, 4)))

COMPOSITIONS = {  # name: calls, each a function of Tensors and the arrays to differentiate it by
    "astype": [(lambda x: ts.astype(x, "float64"), M)],
    "concatenate": [
        (lambda x, y: ts.concatenate([x, y], axis=1), M, M),
        (lambda x, y: ts.concatenate([x, y], axis=None), M, V),
    ],
    "expand_dims": [(lambda x: ts.expand_dims(x, (0, -1)), M), (lambda x: ts.expand_dims(x, 1), V)],
    "getitem": [
        (lambda x: ts.getitem(x, (0, ..., slice(None, None, -1))), S),
        (lambda x: ts.getitem(x, (slice(None), [2, 0, 2], None)), S),
        (lambda x: ts.getitem(x, M > 1.0), M),
        (lambda x: ts.getitem(x, np.array([[1, 1], [0, 1]])), S),
    ],
    "matmul": [
        (ts.matmul, V, V),
        (ts.matmul, V, M),
        (ts.matmul, M, W),
        (ts.matmul, M.T, M),
        (ts.matmul, S, W),
        (ts.matmul, S, M.T),
        (ts.matmul, V, S),
        (ts.matmul, M, S.swapaxes(1, 2)),
        (ts.matmul, S, S[:1].swapaxes(1, 2)),
        (ts.matmul, S[:, None], S.swapaxes(1, 2)),
    ],
    "mean": [
        (ts.mean, S),
        (lambda x: ts.mean(x, (0, -1)), S),
        (lambda x: ts.mean(x, 1, keepdims=True), S),
        (lambda x: ts.mean(x, ()), V),
    ],
    "squeeze": [(ts.squeeze, M[None, :, None]), (lambda x: ts.squeeze(x, -1), M[..., None])],
    "stack": [(lambda x, y: ts.stack([x, y], axis=-1), M, M), (ts.stack, M)],
    "swapaxes": [(lambda x: ts.swapaxes(x, -1, 0), S)],
    "take": [
        (lambda x: ts.take(x, [1, 1, 0], axis=1), M),
        (lambda x: ts.take(x, [[5, 5], [0, -1]]), M),
        (lambda x: ts.take(x, -1, axis=-1), S),
    ],
    "take_along_axis": [
        (lambda x: ts.take_along_axis(x, np.array([[0, 0], [3, 1], [2, 2]]), axis=1), M),
        (lambda x: ts.take_along_axis(x, [5, 5, 0], axis=None), M),
    ],
}
