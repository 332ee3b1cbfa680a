"""NumPy's functions that tensors do not answer: the reason, and what to write instead.

They are looked up by NumPy's name, with its module, when NumPy passes a call on to a tensor. Names that
are no function of NumPy, or that users try as `ts.name` and `t.name`, are in `habits.py`.
"""

MUTATES = "it writes into its argument, and tensors are values: write "
COUNTS = "the shape of its result depends on values, and its elements have no derivative: write "

REFUSED = {
    "linalg.eig": "its result is complex, which no tensor is; of a symmetric matrix ts.linalg.eigh",
    # they write into an array
    "copyto": MUTATES + "ts.where(mask, values, t), or ts.broadcast_to(values, shape) for np.full",
    "fill_diagonal": MUTATES + "ts.where(np.eye(n, dtype=bool), values, t)",
    "place": MUTATES + "ts.where(mask, value, t)",
    "put": MUTATES + "ts.scatter_add(ts.zeros_like(t), key, values) and ts.where(mask, that, t)",
    "put_along_axis": MUTATES + "ts.where(mask, values, t)",
    "putmask": MUTATES + "ts.where(mask, values, t)",
    # their shape depends on values, or they are sets
    "in1d": "write (t[..., None] == ts.ravel(u)).sum(-1) > 0",
    "intersect1d": COUNTS + "np.intersect1d(t.numpy(), u.numpy())",
    "isin": "write (t[..., None] == ts.ravel(u)).sum(-1) > 0",
    "setdiff1d": COUNTS + "np.setdiff1d(t.numpy(), u.numpy())",
    "setxor1d": COUNTS + "np.setxor1d(t.numpy(), u.numpy())",
    "trim_zeros": COUNTS + "t[first:last] with bounds from np.flatnonzero(t.numpy())",
    "union1d": "write np.unique(np.concatenate([t, u], axis=None))",
    "unique_all": "write ts.unique(t, return_index=True, return_inverse=True, return_counts=True)",
    "unique_counts": "write ts.unique(t, return_counts=True)",
    "unique_inverse": "write ts.unique(t, return_inverse=True)",
    "unique_values": "write ts.unique(t)",
    # functions of Python, texts and complex numbers
    "apply_along_axis": "write f for a stack of vectors, or ts.stack([f(row) for row in t])",
    "apply_over_axes": "write the calls, as in t.sum(0, keepdims=True).sum(1, keepdims=True)",
    "piecewise": "write ts.select([t < 0, t < 1], [f(t), g(t)], h(t))",
    "sort_complex": "its result is complex, which no tensor is: write ts.sort(t)",
}
