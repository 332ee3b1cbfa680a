"""Mutants of reductions, statistics and differences: code around their rules, which no law tests."""

from planted import mutants

STATISTICS = "ops/test_conventions_of_statistics.py ops/test_forms.py project/test_public.py"

MUTANTS = [
    *mutants(
        "ops/reduction.py",
        STATISTICS,
        ("first", 'dtype.kind != "f"', 'dtype.kind == "f"'),
        ("first", "if np.ndim(initial):", "if False:"),
        ("reduced", "x.size:", "x.ndim:"),
        ("reduced", "refuse_out(name, out)", "pass"),
        ("reduced", "if initial is None else combine(z, first(name, initial, z.dtype))", ""),
        ("masked", "np.ndim(where) > x.ndim", "False"),
        ("masked", "choice.where(where, x, neutral)", "choice.where(where, neutral, x)"),
        ("last_order", "(*rest, *sorted(axes))", "(*sorted(axes), *rest)"),
        ("from_last_axis", "transpose(z, inverse(order))", "transpose(z, order)"),
    ),
    *mutants(
        "ops/element_products.py",
        STATISTICS,
        ("before", "z[..., :-1]", "z[..., 1:]"),
        ("recurrence", "step *= 2", "step += 1"),
        ("others", "safe_product(before(_cumprod(y, -1)), after)", "_cumprod(y, -1) * after"),
    ),
    *mutants(
        "ops/cumulative.py",
        STATISTICS,
        ("from_start", "if axis is None and np.ndim(x) > 1:", "if False:"),
        ("from_start", "concatenate([one(z, shape=(*shape[:axis], 1, *shape[axis + 1 :])), z], axis)", "z"),
    ),
    *mutants(
        "ops/statistics.py",
        STATISTICS,
        ("variance", "builtins.max(n - ddof, 0)", "n - ddof + 1"),
        ("variance", "choice.maximum(n - ddof, 0)", "n"),
        (
            "variance",
            "square(x - mean), axis, keepdims=keepdims, where=where",
            "square(x - mean), axis, keepdims=keepdims",
        ),
        ("spread", "ddof = correction", "pass"),
        ("as_shape_of", "sorted(range(len(axes)), key=axes.__getitem__)", "range(len(axes))"),
        ("average", "ones_like(z) * float(count(x, axis, keepdims, True))", "ones_like(z)"),
        ("cov", "int(not bias)", "int(bias)"),
        ("cov", "weighted_rows = deviations * w", "weighted_rows = deviations"),
        ("cov", "(1.0 if a is None else total(w * a) / mass)", "1.0"),
        ("cov", "rowvar or np.shape(y)[:1] == (1,)", "rowvar"),
        ("corrcoef", "/ reshape(deviations, (-1, 1)) / deviations", "/ deviations / deviations"),
    ),
    *mutants(
        "ops/quantiles.py",
        STATISTICS,
        ("median", "(n // 2 - 1, n // 2)", "(n // 2, n // 2)"),
        ("place", "over = share > 0.5", "over = share < 0.5"),
        ("place", "np.where(over, 1 - share, share)", "share"),
        ("place", "(low, low + 1)", "(low, low)"),
        ("fractions", "q <= scale", "q < scale"),
        ("dtype_of", 'method == "linear" and', "False and"),
        (
            "of_all",
            "as_dtype(_ranked(y, (*ranks, *far.tolist())), dtype)",
            "_ranked(y, (*ranks, *far.tolist()))",
        ),
    ),
    *mutants(
        "ops/missing.py",
        STATISTICS,
        ("present", "logical_and(mask, where)", "mask"),
        ("nanspread", "n <= (", "n < ("),
        (
            "extremum",
            "reduction.min(missing, axis, keepdims=keepdims)",
            "reduction.max(missing, axis, keepdims=keepdims)",
        ),
        ("of_present", "return unless(n == 0, z)", "return z"),
        ("nanmedian", "np.maximum(n - 1, 0)", "n"),
    ),
    *mutants(
        "ops/differences.py",
        STATISTICS,
        ("steps_vjp", "-_steps", "_steps", "ops/test_laws.py"),
        ("diff", "(prepend, x, append)", "(append, x, prepend)"),
        ("ediff1d", "[to_begin, _steps(x, 0), to_end]", "[to_end, _steps(x, 0), to_begin]"),
        ("slope", "after * part(slopes, axis, None, -1)", "before * part(slopes, axis, None, -1)"),
        ("slope", "first / (first + second)", "second / (first + second)"),
        ("slope", "/ (2.0 * h)", "/ h"),
        ("trapezoid", "axis if x.ndim > 1 else 0", "axis"),
    ),
    *mutants(
        "ops/counting.py",
        STATISTICS,
        (
            "bincount",
            "builtins.max(minlength, int(values.max()) + 1 if x.size else 0)",
            "int(values.max()) + 1 if x.size else 0",
        ),
        ("bincount", "int(values.min()) < 0", "False"),
    ),
]
