"""Mutants of vmap, of the matrices of derivatives, and of loops over batches."""

from planted import mutants

VMAP = "batching/test_vmap.py derive/test_derive.py"

MUTANTS = [
    *mutants(
        "batching/vmap.py",
        VMAP,
        ("Mapped.__call__", "if named:", "if not arguments:"),
        ("Mapped.rows", "x if axis is None else next(given)", "next(given)"),
        ("Mapped.rows", "if len(sizes) != 1:", "if not sizes:"),
        ("first", "if not -x.ndim <= axis < x.ndim:", "if not axis < x.ndim:"),
        ("first", "moveaxis(x, axis, 0)", "moveaxis(x, 0, axis)"),
        ("placed", "moveaxis(y, 0, axis)", "moveaxis(y, axis, 0)"),
        ("placed", "axis is None or", "axis is not None and"),
        ("spread", " and not isinstance(axes, bool)", ""),
        ("spread", "axes.keys() == whole.keys()", "True"),
        ("spread", "[(axes[key], whole[key]) for key in whole]", "list(zip(axes.values(), whole.values()))"),
        ("spread", "and len(axes) == len(whole)", ""),
    ),
    *mutants(
        "batching/rows.py",
        VMAP,
        ("as_step", "tree.each(as_tensor, f(rows))", "f(rows)"),
        ("over_rows", "if n == 0:", "if n < 0:"),
        ("over_rows", "slice(0, 0)", "slice(0, 1)"),
        ("over_rows", "concatenate([x, zeros_like(x, shape=(1, *x.shape[1:]))])",
         "zeros_like(x, shape=(1, *x.shape[1:]))"),
        ("over_rows", "if mode.watchers:", "if False:"),
        ("over_rows", "if draws and n > 1:", "if draws and n > 10:"),
    ),
    *mutants(
        "batching/matrices.py",
        VMAP,
        ("partials", "y.shape + dy.shape[1:]", "dy.shape[1:] + y.shape"),
        ("partials", "walking(call.live(()))", "walking(False)"),
        ("partials", "return tree.each(call.public, made)", "return made"),
    ),
    *mutants(
        "scan/batched.py",
        VMAP,
        ("batched", "own = [True] * i + list(stacked[i:])", "own = list(stacked)"),
        ("batched", "recording(True)", "recording(mode.recording)"),
        ("time_first", "swapaxes(x, 0, 1) if on else x", "swapaxes(x, 0, 1)"),
        ("with_examples", "x if on else broadcast_to", "broadcast_to"),
        ("remembered", "while len(known) > CAPACITY:", "while len(known) > 0:"),
        ("run_batched", "what.loop.kept if call.call.nested else program.outputs", "program.outputs"),
        ("run_batched", "(call.stacked, call.size, call.call.nested)", "(call.stacked, call.call.nested)"),
        ("run_batched", "(call.stacked, call.size, call.call.nested)", "(call.size, call.call.nested)"),
        ("run_batched", "call.call.reverse", "False"),
        ("BatchedPullback.compute", "not call.reverse", "call.reverse"),
        ("BatchedPullback.compute", "np.zeros_like(sources[source]), on[source]",
         "np.zeros_like(sources[source]), True"),
        ("BatchedPullback.compute", "sum_of([results[k] for k in share])", "results[share[0]]"),
        ("BatchedPullback.compute", "strict=True) if on]", "strict=True)]"),
        ("BatchedPullback.meaning", "unstack(x) if on else [x] * self.size", "[x] * self.size"),
        ("of_pullback", "if isinstance(function, Pullback) else NotImplemented", ""),
    ),
    *mutants(
        "derive/flat.py",
        "derive/test_flat.py",
        ("flatten", 'if x.dtype.kind != "f":', "if False:"),
        ("flatten", "astype(reshape(piece, shape), dtype)", "reshape(piece, shape)"),
        ("flatten", "np.result_type(*[dtype for _, dtype in specs])", "specs[0][1]"),
        ("flatten", "if np.shape(vector) != (total,):", "if np.size(vector) != total:"),
    ),
]  # fmt: skip
