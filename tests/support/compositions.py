"""Calls of the compositions: functions of the registry that are not primitives.

Calls of a primitive are drawn from its declaration; a composition has no declaration, so its calls are listed
here. Each is a function of Tensors, with the arrays for its arguments. `test_public.py` compares their
gradients with finite differences, and fails for a registered composition without an entry.
"""

import math

import doors
import numpy as np

import tinygrad_seq as ts

rng = np.random.default_rng(0)
V, W, M, S = (rng.uniform(0.5, 1.5, shape) for shape in ((3,), (4,), (3, 4), (2, 3, 4)))
Q = rng.uniform(0.5, 1.5, (3, 3))
Z = M * [[1, 0, 1, 1], [1, 1, 1, 1], [0, 1, 0, 1]]  # a row with one zero, one with none, one with two
R, N = M * [[1, -1, -1, 1], [1, 1, -1, -1], [-1, 1, -1, 1]], np.array([0.25, 0.5, 1.0, 2.0])
APART = (np.arange(24.0).reshape(2, 3, 4) * 7 % 24 - 11.5) / 8  # shuffled, 1/8 apart: no ties, no kinks

MODES = ("full", "same", "valid")

SIGNS = doors.placed(np.array([1, 0, -0.25, 1]))
MASK = np.array([[1, 1, 1, 0], [1, 1, 0, 1], [0, 1, 1, 1]]) > 0
GAPS = np.where((APART > 0) & (APART < 0.9), np.nan, APART)  # each row of the last axis keeps two or more
EYE = 4 * doors.placed(np.eye(3))
FAR = doors.placed(np.diag([1.0, 4.0, 8.0]))  # the eigenvalues of Q + FAR differ

COMPOSITIONS = {  # name: calls, each a function of Tensors and the arrays for its arguments
    "all": [(lambda x: x * ts.all(x > 0.7, 1, keepdims=True), S), (lambda x: x * ts.all(x, where=x > 1), M)],
    "any": [
        (lambda x: x * ts.any(x > 1.2, (0, 2), keepdims=True), S),
        (lambda x: x * ts.any(x, where=x > 9), M),
    ],
    "angle": [(lambda x: x * ts.angle(x), APART), (lambda x: x * ts.angle(x, deg=True), APART)],
    "argsort": [
        (lambda x: x * ts.argsort(x), APART),
        (lambda x: x * ts.argsort(x, None).reshape(2, 3, 4), APART),
    ],
    "astype": [(lambda x: ts.astype(x, "float64"), M)],
    "average": [
        (lambda x: ts.average(x, 1), M),
        (lambda x, w: ts.average(x, weights=w), M, Q[:, :1] * W),
        (lambda x, w: ts.average(x, (2, 0), w, keepdims=True), S, M.T[:, :2] + 0.1),
        (lambda x, w: ts.average(x, 1, w, returned=True)[1], M, W),
    ],
    "bincount": [
        (lambda x: x * ts.bincount(np.array([3, 0, 3])), W),
        (lambda w: ts.bincount(np.array([3, 0, 3]), w, minlength=6), V),
    ],
    "clip": [
        (lambda x: ts.clip(x, -1.0, 0.5), APART),
        (lambda x, low: ts.clip(x, low), APART, np.array([[-1.05], [0.05], [0.3]])),
        (lambda x, high: ts.clip(x, max=high), APART, np.array(0.3)),
        (lambda x, low, high: ts.clip(x, low, high), APART, np.array(-0.7), np.full(4, 0.7)),
    ],
    "concatenate": [
        (lambda x, y: ts.concatenate([x, y], axis=1), M, M),
        (lambda x, y: ts.concatenate([x, y], axis=None), M, V),
    ],
    "corrcoef": [
        (ts.corrcoef, Q),
        (lambda x, y: ts.corrcoef(x, y, rowvar=False), M, Z[:, :2] + W[:2]),
        (lambda x: x.sum() * ts.corrcoef(x), V),
    ],
    "cov": [
        (ts.cov, M),
        (lambda x, y: ts.cov(x, y, ddof=0), V, W[:3] + 1),
        (lambda x, w: ts.cov(x, rowvar=False, fweights=[1, 3, 2], aweights=w), M, V),
        (lambda x, w: ts.cov(x, aweights=w, bias=True), M, W),
    ],
    "cumprod": [(ts.cumprod, Z), (lambda x: ts.cumprod(x, -2), S), (lambda x: ts.cumprod(x, axis=1), Z)],
    "cumsum": [(ts.cumsum, M), (lambda x: ts.cumsum(x, -2), S), (lambda x: ts.cumsum(x, axis=2), S)],
    "cumulative_prod": [
        (ts.cumulative_prod, V),
        (lambda x: ts.cumulative_prod(x, axis=1, include_initial=True), Z),
    ],
    "cumulative_sum": [
        (ts.cumulative_sum, V),
        (lambda x: ts.cumulative_sum(x, axis=-2, include_initial=True), S),
    ],
    "diff": [
        (ts.diff, M),
        (lambda x: ts.diff(x, 2, axis=0), Q),
        (lambda x, y, z: ts.diff(x, 2, 1, y, z), M, V[:, None], np.array(0.5)),
        (lambda x: ts.diff(x, 5), M[:, :3]),
    ],
    "divmod": [(lambda x, y: sum(ts.divmod(x, y)), APART, np.array(0.3))],
    "ediff1d": [(ts.ediff1d, M), (lambda x, y, z: ts.ediff1d(x, y, z), V, W, np.array(0.5))],
    "einsum": [
        (lambda x, y: ts.einsum("ij,jk", x, y), Q, M),  # implicit: ik
        (lambda x, y: ts.einsum("ba,b", x, y), M, V),  # implicit: a
        (lambda x: ts.einsum("ba", x), M),  # implicit: transposed
        (lambda x, y: ts.einsum("ij,jk->ki", x, y), Q, M),
        (lambda x, y: ts.einsum("ij,kj->", x, y), M, Q[:, :1] * W),
        (lambda x: ts.einsum("ii", x), Q),  # a trace
        (lambda x: ts.einsum("ii->i", x), Q),  # a diagonal
        (lambda x, y: ts.einsum("iij,j->i", x, y), Q[:, :, None] * W, W),
        (lambda x: ts.einsum("iii->i", x), Q[:, :, None] * V),
        (lambda x, y: ts.einsum("...ij,...jk->...ik", x, y), S, M.T),
        (lambda x, y: ts.einsum("i...,i...", x, y), S, S),
        (lambda x: ts.einsum("...ij->...", x), S),
        (lambda x, y, z: ts.einsum("bi,ij,bj->b", x, y, z), M.T[:2], Q, M.T[2:]),
        (lambda x, y, z: ts.einsum("i,j,k->kji", x, y, z), V, W, V),
        (lambda x, y: ts.einsum("i,i->i", x, y), V, V[:1]),  # a size of 1 is repeated
        (lambda x, y: ts.einsum("ij,->ji", x, y), M, np.array(1.5)),
    ],
    "expand_dims": [(lambda x: ts.expand_dims(x, (0, -1)), M), (lambda x: ts.expand_dims(x, 1), V)],
    "fft.fftshift": [(ts.fft.fftshift, S), (lambda x: ts.fft.fftshift(x, 1), S)],
    "fft.ifftshift": [(ts.fft.ifftshift, S), (lambda x: ts.fft.ifftshift(x, (0, -1)), S)],
    "flip": [(ts.flip, S), (lambda x: ts.flip(x, -1), S), (lambda x: ts.flip(x, (0, 2)), S)],
    "float_power": [(ts.float_power, M, W), (lambda x: ts.float_power(x, 2), APART)],
    "getitem": [
        (lambda x: ts.getitem(x, (0, ..., slice(None, None, -1))), S),
        (lambda x: ts.getitem(x, (slice(None), [2, 0, 2], None)), S),
        (lambda x: ts.getitem(x, M > 1.0), M),
        (lambda x: ts.getitem(x, np.array([[1, 1], [0, 1]])), S),
        (lambda x: ts.getitem(x, (slice(1, None), M > 1.0)), S),  # a mask over the last two axes
        (lambda x: ts.getitem(x, (1, slice(None), [0, 0, 3])), S),  # an int, a slice and an array
        (lambda x: ts.getitem(x, ([0, 1, 1], ..., [3, 0, 0])), S),  # apart, so their axis comes first
        (lambda x: ts.getitem(x, (slice(None), [[2], [2]], [[0, 1]])), S),
    ],
    "imag": [(lambda x: x + ts.imag(x), M)],
    "isclose": [(lambda x, y: x * ts.isclose(x, y, 0.1), M, W)],
    "iscomplex": [(lambda x: x * ts.iscomplex(x), M)],
    "isneginf": [(lambda x: x * ts.isneginf(x), M)],
    "isposinf": [(lambda x: x * ts.isposinf(x), M)],
    "isreal": [(lambda x: x * ts.isreal(x), M)],
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
    "max": [
        (ts.max, APART),
        (lambda x: ts.max(x, (0, -1), keepdims=True, initial=-0.2, where=x < 1.0), APART),
        (lambda x, y: ts.max(x, 1, initial=y), APART, np.array(0.25)),
        (lambda x, y: ts.max(x[:, :0], 1, initial=y), APART, np.array(0.25)),
    ],
    "mean": [
        (ts.mean, S),
        (lambda x: ts.mean(x, 1, where=x > -1.0), APART),
        (lambda x: ts.mean(x, (0, -1)), S),
        (lambda x: ts.mean(x, 1, keepdims=True), S),
        (lambda x: ts.mean(x, ()), V),
    ],
    "median": [(ts.median, APART), (lambda x: ts.median(x, (0, 1), keepdims=True), APART), (ts.median, V)],
    "min": [
        (ts.min, APART),
        (lambda x: ts.min(x, (0, -1), keepdims=True, initial=0.2, where=x > -1.0), APART),
        (lambda x, y: ts.min(x, 1, initial=y), APART, np.array(0.25)),
        (lambda x, y: ts.min(x[:, :0], 1, initial=y), APART, np.array(0.25)),
    ],
    "modf": [(lambda x: ts.modf(x)[0], APART), (lambda x: x * ts.modf(x)[1], APART)],
    "moveaxis": [(lambda x: ts.moveaxis(x, 0, -1), S), (lambda x: ts.moveaxis(x, (2, 0), (0, 1)), S)],
    "nan_to_num": [
        (lambda x: ts.nan_to_num(x), APART),
        (lambda x: ts.nan_to_num(ts.where(x > 0, x, math.nan), nan=2.0), APART),
        (lambda x: ts.nan_to_num(ts.where(x > 0, x, math.inf), posinf=2.0), APART),
    ],
    "linalg.cholesky": [
        (lambda a: ts.cholesky(a @ a.T + EYE), M),
        (lambda a: ts.cholesky(a @ a.T + EYE, upper=True), M),
    ],
    "linalg.cond": [
        (lambda a: ts.linalg.cond(a + EYE), Q),
        (lambda a: ts.linalg.cond(a + EYE, 1), Q[None]),
        (lambda a: ts.linalg.cond(a + EYE, -2), Q),
    ],
    "linalg.cross": [(ts.linalg.cross, V, Q), (lambda x, y: ts.linalg.cross(x, y, axis=0), M, M[::-1])],
    "linalg.diagonal": [(ts.linalg.diagonal, S), (lambda x: ts.linalg.diagonal(x, offset=-1), S)],
    "linalg.eigh": [
        (lambda a: ts.linalg.eigh(a + FAR)[0], Q),
        (lambda a: ts.square(ts.linalg.eigh(a + FAR, "U").eigenvectors), Q[None]),
    ],
    "linalg.eigvalsh": [
        (lambda a: ts.linalg.eigvalsh(a + FAR), Q),
        (lambda a: ts.linalg.eigvalsh(a + FAR, "U"), Q[None]),
    ],
    "linalg.lstsq": [
        (lambda a, b: ts.linalg.lstsq(a, b)[0], M[:, :2], V),
        (lambda a, b: ts.linalg.lstsq(a, b).residuals, M[:, :2], M),
        (lambda a, b: ts.linalg.lstsq(a, b, 0.01).x, M[:2], V[:2]),
    ],
    "linalg.matrix_norm": [(ts.linalg.matrix_norm, S), (lambda x: ts.linalg.matrix_norm(x, ord="nuc"), M)],
    "linalg.matrix_power": [
        (lambda a: ts.linalg.matrix_power(a, 5), Q),
        (lambda a: ts.linalg.matrix_power(a + EYE, -2), Q[None]),
        (lambda a: a * ts.linalg.matrix_power(a, 0), Q),
    ],
    "linalg.matrix_rank": [(lambda a: a * ts.linalg.matrix_rank(a), M)],
    "linalg.multi_dot": [
        (lambda x, y, z: ts.linalg.multi_dot([x, y, z]), Q, M, W),
        (lambda x, y: ts.linalg.multi_dot([x, y, y.T, y]), V, M),
    ],
    "nancumprod": [(lambda x: ts.nancumprod(x, 1), GAPS)],
    "nancumsum": [(lambda x: ts.nancumsum(x, -1), GAPS)],
    "nanmax": [(lambda x: ts.nanmax(x, -1), GAPS), (lambda x: ts.nanmax(x, initial=0.2, where=x > -1.0), GAPS)],
    "nanmean": [(ts.nanmean, GAPS), (lambda x: ts.nanmean(x, -1, keepdims=True, where=x < 1.3), GAPS)],
    "nanmedian": [(ts.nanmedian, GAPS), (lambda x: ts.nanmedian(x, (0, -1)), GAPS)],
    "nanmin": [(lambda x: ts.nanmin(x, -1), GAPS), (lambda x: ts.nanmin(x, initial=0.2, where=x > -1.0), GAPS)],
    "nanpercentile": [(lambda x: ts.nanpercentile(x, [30, 60], -1), GAPS)],
    "nanprod": [(lambda x: ts.nanprod(x, 1), GAPS)],
    "nanquantile": [
        (lambda x: ts.nanquantile(x, [0.3, 0.6], axis=0), GAPS),
        (lambda x: ts.nanquantile(x, 0.4, -1, method="nearest", keepdims=True), GAPS),
        (lambda x: ts.nanquantile(x, 0.4, (0, 1), method="hazen"), GAPS),
    ],
    "nanstd": [(lambda x: ts.nanstd(x, (0, -1), ddof=1), GAPS)],
    "nansum": [
        (ts.nansum, GAPS),
        (lambda x, y: ts.nansum(x, 0, initial=y, keepdims=True), GAPS, np.array(0.4)),
    ],
    "nanvar": [(lambda x: ts.nanvar(x, (0, -1), ddof=1), GAPS), (lambda x: ts.nanvar(x, 1), GAPS)],
    "gradient": [
        (lambda x: sum(ts.gradient(x)), M),
        (lambda x: ts.gradient(x, axis=0, edge_order=2), M),
        (lambda x, h: ts.gradient(x, h, axis=-1, edge_order=2), S, np.array(0.7)),
        (lambda x, h: ts.gradient(x, ts.cumsum(h), axis=1), S, V),
        (lambda x, h: ts.gradient(x, ts.cumsum(h), axis=-1, edge_order=2), M, W),
    ],
    "histogram": [(lambda x: x * ts.histogram(x, 3, (-2, 2))[0].sum(), APART)],
    "linalg.norm": [
        (ts.norm, V),
        (ts.norm, M),
        (lambda x: ts.norm(x, axis=-1, keepdims=True), S),
        (lambda x: ts.norm(x, axis=(0, 2)), S),
        (lambda x: ts.norm(x, 1, axis=1), APART),
        (lambda x: ts.norm(x, math.inf, axis=1), APART),
        (lambda x: ts.norm(x, 2, 0), S),
        (lambda x: ts.norm(x, 3, 1, keepdims=True), APART),
        (lambda x: ts.norm(x, 0.5), V),
        (lambda x: x * ts.norm(x, 0), V),
        (lambda x: ts.norm(x, 2, (2, 0)), APART),
        (lambda x: ts.norm(x, -2, (0, 1)), Q[:, :2]),
        (lambda x: ts.norm(x, 1, (2, 0), keepdims=True), S),
        (lambda x: ts.norm(x, -math.inf, (0, 1)), S),
    ],
    "linalg.outer": [(ts.linalg.outer, V, W)],
    "linalg.pinv": [
        (ts.linalg.pinv, M),
        (lambda a, b: ts.linalg.pinv(a @ b), M[:, :2], M[:2]),  # of rank 2
        (lambda a: ts.linalg.pinv(a, rtol=0.2), M),  # which cuts off singular values that are not 0
        (lambda a: ts.linalg.pinv(a + FAR, hermitian=True), Q),
        (lambda a: ts.linalg.pinv(a, rtol=np.array([0.0, 1e-9])), S[..., :2]),
    ],
    "linalg.qr": [
        (lambda a: ts.linalg.qr(a)[0], M.T),
        (lambda a: ts.linalg.qr(a).R, M),
        (lambda a: ts.linalg.qr(a, "complete").Q, M.T),
        (lambda a: ts.linalg.qr(a, "r"), M.T[None]),
    ],
    "linalg.slogdet": [(lambda a: ts.linalg.slogdet(a + EYE)[1], Q)],
    "linalg.solve": [
        (lambda a, b: ts.solve(a + EYE, b), Q, V),
        (lambda a, b: ts.solve(a + EYE, b), Q, M),
        (lambda a, b: ts.solve(a[:, None] + EYE, b), Q, S[:1]),
    ],
    "linalg.svd": [
        (lambda a: ts.linalg.svd(a, False).U, M.T),
        (lambda a: ts.linalg.svd(a).Vh, M),
        (lambda a: ts.linalg.svd(a)[1], S[..., :2]),
        (lambda a: ts.linalg.svd(a, compute_uv=False), M),
    ],
    "linalg.tensorinv": [(lambda a: ts.linalg.tensorinv(a[:, None] + EYE[:, None]), Q)],
    "linalg.tensorsolve": [
        (lambda a, b: ts.linalg.tensorsolve(a + EYE, b), Q, V),
        (lambda a, b: ts.linalg.tensorsolve((a + EYE)[..., None], b, (0,)), Q, V),
    ],
    "linalg.trace": [(ts.linalg.trace, S), (lambda x: ts.linalg.trace(x, offset=2), S)],
    "linalg.vector_norm": [
        (ts.linalg.vector_norm, S),
        (lambda x: ts.linalg.vector_norm(x, axis=(0, 2), ord=3), S),
    ],
    "outer": [(ts.outer, V, W), (ts.outer, M, V)],
    "pad": [
        (lambda x: ts.pad(x, 1), M),
        (lambda x: ts.pad(x, (0, 2)), M),
        (lambda x: ts.pad(x, ((1, 0), (0, 2)), constant_values=-1.5), M),
    ],
    "percentile": [(lambda x: ts.percentile(x, [10, 45], 0), APART)],
    "prod": [
        (ts.prod, V),
        (ts.prod, Z[:, :2]),
        (lambda x: ts.prod(x, 1), Z),
        (lambda x: ts.prod(x, 0, keepdims=True), Z),
        (lambda x: ts.prod(x, (0, -1)), S),
        (lambda x: ts.prod(x, ()), V),
        (lambda x: x.sum() * ts.prod(x[:0]), V),
        (lambda x, y: ts.prod(x, 1, initial=y, where=x > 0.6), Z, np.array(1.5)),
    ],
    "real": [(ts.real, M)],
    "real_if_close": [(ts.real_if_close, M)],
    "ptp": [(ts.ptp, APART), (lambda x: ts.ptp(x, (0, 2), keepdims=True), APART)],
    "quantile": [
        (lambda x: ts.quantile(x, 0.3), APART),
        (lambda x: ts.quantile(x, [[0.0, 0.2], [0.71, 1.0]], 1), APART),
        (lambda x: ts.quantile(x, [0.3, 0.9], (0, 2), keepdims=True, method="midpoint"), APART),
        (lambda x: ts.quantile(x, 0.3, 2, method="higher"), APART),
        (lambda x: ts.quantile(x, 0.3, 2, method="median_unbiased"), APART),
    ],
    "repeat": [
        (lambda x: ts.repeat(x, 2), M),
        (lambda x: ts.repeat(x, 3, axis=1), M),
        (lambda x: ts.repeat(x, [2, 0, 1], axis=-2), M),
    ],
    "roll": [
        (lambda x: ts.roll(x, 2), M),
        (lambda x: ts.roll(x, -1, axis=1), S),
        (lambda x: ts.roll(x, (1, 2), axis=(0, -1)), S),
    ],
    "round": [(lambda x: x * ts.round(x, 1), APART), (lambda x: x + ts.round(x), APART)],
    "scatter_add": [
        (lambda x, y: ts.scatter_add(x, [0, 2, 0], y), V, W[:3]),
        (lambda x, y: ts.scatter_add(x, (slice(None), [3, 3]), y), M, V[:, None]),
        (lambda x, y: ts.scatter_add(x, 1, y), M, W),
        (lambda x, y: ts.scatter_add(x, M > 1.0, y), M, np.array(2.0)),
    ],
    "sort": [(ts.sort, APART), (lambda x: ts.sort(x, 0), APART), (lambda x: ts.sort(x, axis=None), APART)],
    "special.expit": [(ts.special.expit, APART)],
    "special.iv": [(lambda x: ts.special.iv(2, x), APART), (lambda x: ts.special.iv(0.5, x), M)],
    "special.ive": [(lambda x: ts.special.ive(2, x), APART), (lambda x: ts.special.ive(0.5, x), M)],
    "special.jv": [(lambda x: ts.special.jv(2, x), APART), (lambda x: ts.special.jv([[0], [1], [5]], x), M)],
    "special.log_softmax": [(ts.special.log_softmax, M), (lambda x: ts.special.log_softmax(x, (0, 1)), S)],
    "special.logsumexp": [
        (ts.special.logsumexp, M),
        (lambda x: ts.special.logsumexp(x, 1, keepdims=True), M),
        (lambda x, b: ts.special.logsumexp(x, (0, 2), b), S, S),
        (lambda x, b: ts.special.logsumexp(x, -1, b, keepdims=True), V[:, None], M),
        (lambda x, b: ts.special.logsumexp(x, 1, b * SIGNS), M, M),
    ],
    "special.multigammaln": [(lambda x: ts.special.multigammaln(x + 1, 3), M)],
    "special.polygamma": [(lambda x: ts.special.polygamma([0, 1, 2, 3], x), M)],
    "special.softmax": [(ts.special.softmax, M), (lambda x: ts.special.softmax(x, 1), S)],
    "special.yn": [(lambda x: ts.special.yn(2, x), M)],
    "special.yv": [(lambda x: ts.special.yv(1.5, x), M)],
    "squeeze": [(ts.squeeze, M[None, :, None]), (lambda x: ts.squeeze(x, -1), M[..., None])],
    "stack": [(lambda x, y: ts.stack([x, y], axis=-1), M, M), (ts.stack, M)],
    "std": [
        (ts.std, M),
        (lambda x: ts.std(x, 1, ddof=1), S),
        (lambda x: ts.std(x, (0, 1), keepdims=True), S),
        (lambda x, m: ts.std(x, 0, mean=m, where=MASK), M, M[:1] + 0.3),
    ],
    "sum": [
        (ts.sum, S),
        (lambda x: ts.sum(x, (0, -1), keepdims=True, where=x > 0.8), S),
        (lambda x, y: ts.sum(x, 1, initial=y), S, np.array(1.5)),
    ],
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
    "tensordot": [
        (lambda x, y: ts.tensordot(x, y), M, M),
        (lambda x, y: ts.tensordot(x, y, 1), S, W),
        (lambda x, y: ts.tensordot(x, y, ([0, 2], [1, 0])), S, S.T[:, 0]),
        (lambda x, y: ts.tensordot(x, y, (-1, -1)), S, M),
        (lambda x, y: ts.tensordot(x, y, 0), V, W),
    ],
    "tile": [
        (lambda x: ts.tile(x, 2), M),
        (lambda x: ts.tile(x, (2, 1, 3)), M),
        (lambda x: ts.tile(x, (1, 2)), S),
    ],
    # --- shape, joining, editing, rearranging -----------------------------------------------------------------
    "ravel": [(ts.ravel, S), (lambda x: ts.ravel(x, "F"), S)],
    "broadcast_arrays": [(lambda x, y: x * ts.broadcast_arrays(y, x)[0], M, M[:, :1])],
    "meshgrid": [
        (lambda x, y: ts.stack(ts.meshgrid(x, y)), V, W),
        (lambda x, y: ts.stack(ts.meshgrid(x, y, indexing="ij")), V, W),
        (lambda x, y: ts.concatenate(ts.meshgrid(x, y, sparse=True), None), V, W),
    ],
    "matrix_transpose": [(ts.matrix_transpose, S)],
    "atleast_1d": [(ts.atleast_1d, np.array(1.5)), (lambda x, y: ts.atleast_1d(x, y)[0] * y, np.array(1.5), V)],
    "atleast_2d": [(ts.atleast_2d, V), (ts.atleast_2d, M)],
    "atleast_3d": [(ts.atleast_3d, np.array(1.5)), (ts.atleast_3d, V), (ts.atleast_3d, M), (ts.atleast_3d, S)],
    "vstack": [(lambda x, y: ts.vstack([x, y]), M, W), (ts.vstack, M)],
    "hstack": [(lambda x, y: ts.hstack([x, y]), M, M[:, :1]), (lambda x, y: ts.hstack([x, y]), V, W)],
    "dstack": [(lambda x, y: ts.dstack([x, y]), M, M), (lambda x, y: ts.dstack([x, y]), V, V)],
    "column_stack": [(lambda x, y: ts.column_stack([x, y]), M, V)],
    "append": [(ts.append, M, V), (lambda x, y: ts.append(x, y, axis=1), M, V[:, None])],
    "block": [
        (lambda x, y: ts.block([[x, y], [ts.transpose(x)[:3], ts.zeros_like(x)]]), M, Q),
        (lambda x, y: ts.block([x, y]), V, W),
        (ts.block, V),
    ],
    "array_split": [(lambda x: ts.array_split(x, 3, axis=1)[0] * ts.array_split(x, [1], 1)[0], M)],
    "hsplit": [(lambda x: ts.hsplit(x, 2)[1], M), (lambda x: ts.hsplit(x, [1])[1], V)],
    "vsplit": [(lambda x: ts.vsplit(x, [1, 2])[1], M)],
    "dsplit": [(lambda x: ts.dsplit(x, 2)[1], S)],
    "delete": [
        (lambda x: ts.delete(x, 1, axis=0), M),
        (lambda x: ts.delete(x, [0, -1], axis=1), S),
        (lambda x: ts.delete(x, slice(None, None, 2)), M),
    ],
    "insert": [
        (lambda x, y: ts.insert(x, 1, y, axis=0), M, W),
        (lambda x, y: ts.insert(x, [1], y, axis=1), M, M),
        (lambda x, y: ts.insert(x, [0, -1, 2], y), V, V),
    ],
    "resize": [(lambda x: ts.resize(x, (2, 4)), V), (lambda x: ts.resize(x, 2), V)],
    "fliplr": [(ts.fliplr, S)],
    "flipud": [(ts.flipud, V)],
    "rot90": [
        (ts.rot90, M),
        (lambda x: ts.rot90(x, 2, axes=(-1, 0)), S),
        (lambda x: ts.rot90(x, -1), M),
        (lambda x: x * ts.rot90(x, 4), M),
    ],
    "rollaxis": [(lambda x: ts.rollaxis(x, 2), S), (lambda x: ts.rollaxis(x, 0, 3), S)],
    # --- diagonals, products ----------------------------------------------------------------------------------
    "diagonal": [
        (ts.diagonal, M),
        (lambda x: ts.diagonal(x, 1, axis1=2, axis2=0), S),
        (lambda x: ts.diagonal(x, -2), M),
    ],
    "trace": [(ts.trace, Q), (lambda x: ts.trace(x, -1, 1, -1), S)],
    "diag": [
        (ts.diag, V),
        (lambda x: ts.diag(x, 2), V),
        (lambda x: ts.diag(x, -1), V),
        (lambda x: ts.diag(x, 1), M),
    ],
    "diagflat": [(ts.diagflat, M[:2, :2]), (lambda x: ts.diagflat(x, -1), V)],
    "dot": [(ts.dot, V, V), (ts.dot, M, W), (ts.dot, M, S.swapaxes(1, 2)), (ts.dot, M, np.array(1.5))],
    "inner": [(ts.inner, V, M.T), (ts.inner, M, S), (ts.inner, V, V), (ts.inner, np.array(1.5), M)],
    "vdot": [(ts.vdot, M, M.T)],
    "vecdot": [(ts.vecdot, S, M), (ts.vecdot, V, V), (lambda x, y: ts.vecdot(x, y, axis=1), S, S[:1])],
    "matvec": [(ts.matvec, S, W), (ts.matvec, M, M), (ts.matvec, S, S[:, :1])],
    "vecmat": [(ts.vecmat, V, S), (ts.vecmat, M, M.T)],
    "kron": [(ts.kron, M, V), (ts.kron, V, S), (ts.kron, M, np.array(1.5))],
    "cross": [
        (ts.cross, V, V[::-1] * [1, 2, 3]),
        (ts.cross, M.T, V),
        (lambda x, y: ts.cross(x, y, axis=0), M, R),
        (lambda x, y: ts.cross(x, y, 0, 1, 0), M, Q[:1]),
    ],
    "convolve": [(lambda x, y, m=m: ts.convolve(x, y, m), *a) for m in MODES for a in ((W, V), (V[:2], W))],
    "correlate": [(lambda x, y, m=m: ts.correlate(x, y, m), *a) for m in MODES for a in ((W, V), (V[:2], W))],
    # --- creation, spacing ------------------------------------------------------------------------------------
    "empty_like": [(lambda x: x + 0.0 * ts.empty_like(x), M)],
    "full_like": [(lambda x, y: ts.full_like(x, y) * x, M, W), (lambda x: ts.full_like(x, 2.0) * x, M)],
    "linspace": [
        (lambda x, y: ts.linspace(x, y, 5), np.array(0.5), np.array(1.5)),
        (lambda x, y: ts.linspace(x, y, 4, endpoint=False, axis=-1), M, V[:, None]),
        (lambda x: ts.linspace(x, 2.0, 3, retstep=True)[1], V),
        (lambda x: ts.linspace(x, 2.0, 1), V),
    ],
    "logspace": [
        (lambda x, y: ts.logspace(x, y, 3), V, V[::-1]),
        (lambda x, y: ts.logspace(x, 2.0, 3, base=y, axis=1), V, V + 1),
    ],
    "geomspace": [
        (lambda x, y: ts.geomspace(x, y, 4), V, V[::-1] + 1),
        (lambda x: ts.geomspace(x, -3.0, 4, endpoint=False), -V),
    ],
    # --- selecting, searching, ordering, interpolation --------------------------------------------------------
    "select": [
        (lambda x, y: ts.select([x < 0, x < 1], [x * x, y], 3.0), APART, V[:, None]),
        (lambda x, y: ts.select([M < 1], [x], y), M, R),
    ],
    "choose": [
        (lambda x, y: ts.choose([1, 0, 0, 1], [x, y]), W, W[::-1]),
        (lambda x: ts.choose([[2], [-1]], x, mode="clip"), M),
    ],
    "compress": [
        (lambda x: ts.compress([True, False, True], x, axis=1), M),
        (lambda x: ts.compress([0, 1], x), M),
    ],
    "extract": [(lambda x: ts.extract(M > 1.0, x), M)],
    "nonzero": [(lambda x: x[ts.nonzero(x > 1.0)], M)],
    "flatnonzero": [(lambda x: ts.take(x, ts.flatnonzero(x > 1.0)), M)],
    "argwhere": [
        (lambda x: ts.argwhere(x > 1.0) * ts.max(x), M),
        (lambda x: x * ts.argwhere(x).size, np.array(1.5)),
    ],
    "ix_": [
        (lambda x: x[ts.ix_([2, 0], [True, False, True, True])], M),
        (lambda x: x[(slice(None), *ts.ix_([1], [], [])[:1])], M),
    ],
    "count_nonzero": [
        (lambda x: x * ts.count_nonzero(x > 1.0), M),
        (lambda x: x * ts.count_nonzero(x > 1.0, axis=0, keepdims=True), M),
    ],
    "searchsorted": [
        (lambda x: x * ts.searchsorted(x, [0.75, 2.0], "right")[0], N),
        (lambda x: x * ts.searchsorted(ts.flip(x), 0.75, sorter=[3, 2, 1, 0]), N),
    ],
    "digitize": [
        (lambda x: x * ts.digitize(x, [0.5, 0.75, 1.25]), M),
        (lambda x: x * ts.digitize(x, N[::-1], True), W),
    ],
    "unique": [
        (lambda x: ts.unique(x.astype(np.float64)), np.array([0.5, 0.25, 2.0])),
        (lambda x: x * ts.unique([2, 1, 2], return_counts=True, return_inverse=True)[2][0], V),
        (lambda x: ts.unique(x, axis=0), M),
    ],
    "argpartition": [
        (lambda x: x * ts.argpartition(x, 1), APART),
        (lambda x: x * ts.argpartition(x, 1, None)[1], M),
    ],
    "partition": [
        (lambda x: ts.partition(x, (1, 2), axis=0), M),
        (lambda x: ts.partition(x, 3, axis=None)[3], M),
    ],
    "lexsort": [(lambda x: x * ts.lexsort([x, np.array([[1], [0], [1]]) + 0 * M.astype(int)]), M)],
    "interp": [
        (lambda x, xp, fp: ts.interp(x, xp, fp), np.array([[0.1, 0.3], [0.6, 1.9], [3.0, 1.5]]), N, W),
        (lambda x, fp: ts.interp(x, N, fp, left=-1.0, right=fp[0]), np.array([0.1, 0.3, 4.0]), W),
        (lambda x: ts.interp(x, N[:1], [2.0]) * x, V),
        (lambda x, xp, fp: ts.interp(x, xp, fp, period=1.1), M, N[[3, 1, 2]] + 0.01, V),
    ],
    "trapezoid": [
        (ts.trapezoid, M),
        (lambda y, x: ts.trapezoid(y, x, axis=0), M, V),
        (lambda y, x: ts.trapezoid(y, x), S, M),
        (lambda y, h: ts.trapezoid(y, dx=h, axis=1), S, np.array(0.7)),
    ],
    "var": [
        (ts.var, M),
        (lambda x: ts.var(x, 1, ddof=1), S),
        (lambda x: ts.var(x, (0, 1), keepdims=True), S),
        (lambda x, m: ts.var(x, 0, correction=1, mean=m, where=MASK), M, M[:1] + 0.3),
    ],
}
