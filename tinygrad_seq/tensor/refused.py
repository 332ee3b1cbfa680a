"""NumPy's functions that tensors do not answer: the reason, and what to write instead.

They are looked up by NumPy's name, with its module, when NumPy passes a call on to a tensor. Names that
are no function of NumPy, or that users try as `ts.name` and `t.name`, are in `habits.py`.
"""

MUTATES = "it writes into its argument, and tensors are values: write "
COUNTS = "the shape of its result depends on values, and its elements have no derivative: write "
DATES = "tensors hold no dates: write the call with an array of dates"

COMPLEX = "its result is complex, which no tensor is"
TRANSFORM = "complex numbers are no tensors; of real numbers write ts.fft.rfft(t), and ts.fft.irfft back"
TRANSFORMS = ("fft", "ifft", "rfft", "irfft")

REFUSED = {
    "linalg.eig": f"{COMPLEX}; of a symmetric matrix write ts.linalg.eigh(t)",
    "linalg.eigvals": f"{COMPLEX}; of a symmetric matrix write ts.linalg.eigvalsh(t)",
    "fft.rfft": f"{COMPLEX}; ts.fft.rfft(t) returns pairs of real and imaginary parts",
    "fft.irfft": "its argument is complex, which no tensor is; write ts.fft.irfft(t) for pairs of ts.fft.rfft",
    **{f"fft.{name}": TRANSFORM for name in ("fft", "ifft", "hfft", "ihfft")},
    **{f"fft.{name}{d}": f"{TRANSFORM}, one axis at a time" for name in TRANSFORMS for d in ("2", "n")},
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
    # bits, counts and indices
    "packbits": "its elements have no derivative: write np.packbits(t.numpy())",
    "ravel_multi_index": "write i * n + j for the indices i and j of a matrix with n columns",
    "unpackbits": "its elements have no derivative: write np.unpackbits(t.numpy())",
    "unravel_index": "write t // n and t % n for the indices of a matrix with n columns",
    # dates, and polynomials as vectors of their coefficients
    **dict.fromkeys(("busday_count", "busday_offset", "is_busday", "isnat"), DATES),
    "datetime_as_string": DATES,
    "poly": "write the product of x - r over the roots r, by np.convolve",
    "polyadd": "write np.pad(t, (n - len(t), 0)) + np.pad(u, (n - len(u), 0))",
    "polyder": "write t[:-1] * np.arange(len(t) - 1, 0, -1)",
    "polydiv": "write np.polydiv(t.numpy(), u.numpy()), which has no derivative",
    "polyfit": "write np.linalg.lstsq(x[:, None] ** np.arange(n)[::-1], y)[0]",
    "polyint": "write np.append(t / np.arange(len(t), 0, -1), 0.0)",
    "polymul": "write np.convolve(t, u)",
    "polysub": "write np.pad(t, (n - len(t), 0)) - np.pad(u, (n - len(u), 0))",
    "polyval": "write sum(c * x**k for k, c in enumerate(t[::-1]))",
    "roots": "its result is complex, which no tensor is: write np.roots(t.numpy())",
    "bitwise_count": "its elements have no derivative: write np.bitwise_count(t.numpy())",
    "gcd": "its elements have no derivative: write np.gcd(t.numpy(), u.numpy())",
    "lcm": "its elements have no derivative: write np.lcm(t.numpy(), u.numpy())",
    "histogram2d": "its elements have no derivative: write np.histogram2d(t.numpy(), u.numpy())",
    "histogram_bin_edges": "write ts.histogram(t)[1]",
    "histogramdd": "its elements have no derivative: write np.histogramdd(t.numpy())",
    # the bits of floats, and dtypes
    "common_type": "write np.result_type(t, u)",
    "frexp": "it takes numbers apart: write t / 2 ** e for e = np.floor(np.log2(abs(t))) + 1",
    "min_scalar_type": "write t.dtype",
    "nextafter": "its elements have no derivative: write np.nextafter(t.numpy(), u.numpy())",
    "spacing": "its elements have no derivative: write np.spacing(t.numpy())",
    "unwrap": "write t + 2 * np.pi * np.round((np.unwrap(t.numpy()) - t.numpy()) / (2 * np.pi))",
    # incomplete gamma and beta functions: SciPy has no derivative with respect to their parameters
    **{
        f"special.{name}": "a parameter has no derivative of closed form: write a primitive with a rule for x"
        for name in ("gammainc", "gammaincc", "gammaincinv", "betainc", "betaincc", "betaincinv")
    },
    # memory and files
    "copy": "tensors are values: write t, or ts.tensor(t) for a new leaf",
    "may_share_memory": "write np.may_share_memory(t.data, u.data)",
    "save": "write np.save(file, t.numpy()), or ts.save for a model",
    "savetxt": "write np.savetxt(file, t.numpy())",
    "savez": "write np.savez(file, t=t.numpy()), or ts.save for a model",
    "savez_compressed": "write np.savez_compressed(file, t=t.numpy())",
    "shares_memory": "write np.shares_memory(t.data, u.data)",
    # functions of Python, texts and complex numbers
    "apply_along_axis": "write f for a stack of vectors, or ts.stack([f(row) for row in t])",
    "apply_over_axes": "write the calls, as in t.sum(0, keepdims=True).sum(1, keepdims=True)",
    "piecewise": "write ts.select([t < 0, t < 1], [f(t), g(t)], h(t))",
    "array2string": "write np.array2string(t.numpy())",
    "einsum_path": "write np.einsum_path(subscripts, t.numpy(), u.numpy())",
    "vander": "write t[..., None] ** np.arange(n)[::-1]",
    "sort_complex": f"{COMPLEX}; write ts.sort(t)",
}
