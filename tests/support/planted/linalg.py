"""Mutants of the functions of matrices and of Fourier transforms, beyond those of their rules."""

from planted import mutants

MUTANTS = [
    *mutants(
        "ops/linalg/determinants.py",
        "ops/test_linalg.py",
        ("decomposed", "zero[..., None, None] == 0, a, identity(a))", "zero[..., None, None] == 0, a, a)"),
        ("decomposed", "* np.linalg.det(v)) + zero)", "* np.linalg.det(v)))"),
        ("decomposed", "np.sign(np.linalg.det(u) * np.linalg.det(v))", "np.sign(np.linalg.det(u))"),
        ("others", "== 1, 1, rows)", "== 1, 0, rows)"),
        ("inverse", "np.where(singular, np.nan, ", "np.where(singular, 0, "),
    ),
    *mutants(
        "ops/linalg/eigen.py",
        "ops/test_linalg.py",
        ("vanishes", "np.finfo(w.dtype).eps", "0"),
        ("reciprocal", "np.where(zero, 0, 1 /", "np.where(zero, 1, 1 /"),
        ("triangle", "UPLO.upper() not in", "UPLO not in", "ops/test_forms.py"),
    ),
    *mutants(
        "ops/linalg/triangles.py",
        "ops/test_linalg.py",
        ("folded", "np.tril(s) + np.tril(s, -1)", "np.tril(s)"),
        ("folded", "np.triu(s) + np.triu(s, 1)", "np.tril(s) + np.tril(s, -1)"),
    ),
    *mutants(
        "ops/linalg/singular.py",
        "ops/test_linalg.py",
        ("svdvals_vjp", "np.where(vanishes(s, s), 0, g)", "g"),
        ("svd_vjp", "inverse_sums(s) * skew(mu - mv)", "inverse_gaps(s) * skew(mu - mv)"),
        ("within", " - rest @ (gu[..., k:].mT @ first)", ""),
    ),
    *mutants(
        "ops/linalg/systems.py",
        "ops/test_linalg.py",
        ("cut_off", "s <= ", "s < "),
        ("pinv_vjp", " + mixed(h, a, rtol)", ""),
        ("mixed", "(c / b * p + p.mT)", "(c / b * p)"),
        ("pinv", "mirrored(squares(a)) if hermitian", "squares(a) if hermitian", "ops/test_forms.py"),
        ("lstsq", "if n <= m or data_of", "if n < m or data_of", "ops/test_forms.py"),
        ("lstsq", " or data_of(rank) < m", ""),
        ("lstsq", "smallest(a) if rcond is None", "0.0 if rcond is None"),
        ("tensorsolve", "*axes)", "*axes[::-1])", "ops/test_forms.py"),
    ),
    *mutants(
        "ops/linalg/factors.py",
        "ops/test_linalg.py project/test_public.py",
        ("qr_vjp", "gq = gq - rest @ (grest.mT @ q)", "gq = gq + rest @ (grest.mT @ q)"),
        ("qr", "if n < m:", "if n < m - 1:", "ops/test_forms.py"),
        (
            "cholesky",
            "swapaxes(_cholesky(swapaxes(a, -1, -2)), -1, -2) if upper",
            "swapaxes(_cholesky(a), -1, -2) if upper",
            "ops/test_forms.py",
        ),
    ),
    *mutants(
        "ops/linalg/powers.py",
        "ops/test_linalg.py",
        ("best", "return min(parts)", "return max(parts)"),
        (
            "matrix_power",
            "square, n = (inv(a), -n) if n < 0",
            "square, n = (a, -n) if n < 0",
            "ops/test_forms.py",
        ),
        ("matrix_rank", "not_equal(A, 0)", "A > 0"),
        ("cond", "isnan(z) > unknown", "isnan(z)", "ops/test_fuzz.py"),
    ),
    *mutants(
        "ops/linalg/norms.py",
        "ops/test_linalg.py",
        ("_power_norm", "elementwise.power(where(z == 0, 1.0, z), 1 / p)", "elementwise.power(z, 1 / p)"),
        ("largest", "reduction.sum if empty else reduction.max", "reduction.max"),
        (
            "of_matrices",
            "axes[0] if abs(ord) == 1 else axes[1]",
            "axes[1] if abs(ord) == 1 else axes[0]",
            "ops/test_forms.py",
        ),
    ),
    *mutants(
        "ops/linalg/arguments.py",
        "ops/test_linalg.py",
        ("finite", "if backend.on_host(a) and not np.all(np.isfinite(a)):", "if np.any(np.isnan(a)):"),
    ),
    *mutants(
        "ops/fft.py",
        "ops/test_fft.py",
        ("weighted", "m = (n + 1) // 2", "m = n // 2 + 1"),
        ("scaled", "(sign * powers[norm])", "(-sign * powers[norm])"),
        ("of_length", "(0, n - size)", "(n - size, 0)"),
        ("rfft", "n, norm, -1), -2, axis)", "n, norm, -1), -2, -2)"),
        ("irfft", "2 * (np.shape(x)[-2] - 1)", "2 * np.shape(x)[-2] - 1"),
    ),
]
