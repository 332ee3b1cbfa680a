"""Argument forms: the ops accept every form of an argument that NumPy accepts.

Each line of code is evaluated three times: with NumPy's functions on arrays, with ours on arrays, and with ours
on Tensors. Shapes, dtypes and values must agree, and the gradient of a float Tensor must be right for every
form, because rules read metadata, too. The table REFUSED has the forms that NumPy accepts and we do not, with
our error.
"""

import math
import re
from types import SimpleNamespace

import doors
import numpy as np
import pytest
from naming import numpys
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq.engine.primitive import FUNCTIONS
from tinygrad_seq.tensor.protocols import EQUAL
from tinygrad_seq.testing import check_grad

rng = np.random.default_rng(0)
ARRAYS = {
    "S": 0.5 + rng.permutation(24).reshape(2, 3, 4) / 24,  # far enough apart for finite differences
    "M": rng.uniform(0.5, 1.5, (3, 4)),
    "Q": rng.uniform(0.5, 1.5, (3, 3)) + 4 * np.eye(3),
    "V": rng.uniform(0.5, 1.5, 4),
    "ROW": rng.uniform(0.5, 1.5, (1, 3, 1)),
    "ONE": np.array(1.5),
    "HALF": np.arange(1, 4, dtype=np.float16),
    "INTS": np.array([[3, 1, 2], [1, 2, 3]]),
    "BYTES": np.arange(1, 4, dtype=np.int8),
    "FLAGS": np.array([True, False, True]),
    "NONE": np.zeros((2, 0)),
    "GAPS": np.array([[1.5, np.nan, 0.5, 4.0], [np.nan, 2.5, 3.0, 1.0], [6.0, 3.5, np.nan, 2.0]]),
}
WORDS = {"np": np, "inf": math.inf, "i": np.int64, "a": np.array, "L": [2, 0, 1], "MASK": ARRAYS["M"] > 1.0}

LINES = """
{sum, prod, mean, var, std, max, min}(S, {, axis=}{0, -1, i(1), a(1), None, (0; 1), (0; -1), (i(0);), (),
    (2; 0; 1)})
{sum, prod, mean, var, std, max, min}(S, {0, -1, i(1), a(1), None, (0; 1), (0; -1), ()}, keepdims=True)
{all, any}(BYTES[None] - 1{, ; 0, ; (0; 1), ; 1; None; True, ; i(-1); where=FLAGS, ; ()})
{argmax, argmin, cumsum, sort, argsort}(S, {, axis=}{0, -1, i(1), a(1), None})
{sum, prod, mean}(S, {axis=1; dtype=np.float32, 0; "f4", 0; np.float64, (0; 1); None; None, dtype=float})
{sum, prod, mean, var, std}(M, where={MASK, M > 0.7, V > 0, True, [True; False; True; True], [1; 0; 1; 1]})
{sum(S; 0; None; None; True), sum(S; 1; None; None; False; 2.5; S > 0.7)}
{prod(M; 0; float; None; True; 3; MASK), sum(M; 0; float; None; True; 3; MASK)}
{max, min}({S; 0; None; True, S; 0; None; False; 0.9, M; 1; None; True; 0.9; MASK, BYTES; initial=2,
    INTS; initial=2, INTS; 0; initial=i(2), HALF; initial=1.5, M; initial=np.float32(0.5), NONE; 1; initial=3,
    NONE; initial=3, FLAGS; initial=False; where=FLAGS})
{sum, prod}({BYTES; dtype=np.int8, FLAGS; dtype=np.int8, FLAGS; dtype=bool, BYTES; initial=2,
    HALF; initial=2.5, INTS; dtype=float; initial=0.5, M; initial=np.float32(2), NONE; 1; initial=3,
    ONE; where=True, ONE; where=False})
{mean, var, std}({HALF; i(0), HALF; a(0), S; 0; float; None, INTS; dtype=float, HALF; dtype=np.float32,
    HALF; dtype=float,
    INTS; 1; where=INTS > 1})
{var, std}(S, {0; None; None; 1; True, correction=1, (0; 1); correction=1.5; keepdims=True})
{mean(S; 0; None; None; True), var(M; 0; mean=M[:1]; where=MASK), std(M; 0; mean=mean(M; 0; keepdims=True))}
{cumsum, cumprod}({M; 0; np.float32, M; dtype="f4", BYTES; 0; np.int8, INTS; None; float, ONE; 0, ONE, FLAGS})
cumprod(S, {, axis=}{0, -1, i(1), a(1), None})
{cumulative_sum, cumulative_prod}({V, BYTES, ONE, FLAGS, S; axis=1, S; axis=-1; include_initial=True,
    HALF; axis=i(0), V; include_initial=True, BYTES; dtype=np.int8; include_initial=True,
    NONE; axis=1; include_initial=True})
S.{sum(0; float; None; True), max(0; None; True; 0.9), mean(0; float), var(0; None; None; 1), cumprod(-1)}
{sum, prod, mean, std, max, cumsum, cumprod, flip, square, sqrt, exp, log1p, sin, abs, isnan}({INTS, BYTES,
    FLAGS, HALF, ONE})
{diff, trapezoid}({S, M, INTS, BYTES, FLAGS, HALF, V, [1; 4; 9]})
diff({S; 2, S; 0, S; 1; 0, S; 2; axis=1, S; 5, S; axis=i(0), M; prepend=0, M; append=[[1]; [2]; [3]],
    M; 2; 0; 1.5; M[:1], V; 0; -1; 0.0, BYTES; prepend=0, V; i(2)})
ediff1d({S, INTS, V; [1.0; 2.0], V; to_begin=0, M; 0; V, INTS; a([[1; 2]]), V[:1]})
gradient({S, V, INTS; axis=1, HALF, BYTES, M; 2, M; 2; 0.5, M; axis=0, M; axis=(1; 0), M; axis=-1})
gradient(S, {axis=1; edge_order=2, 0.5; axis=(2; 1); edge_order=2, axis=(0; 2), a([0.0; 1.0; 4.0]); axis=1,
    np.float64(0.5), [0; 1; 3; 7]; axis=2; edge_order=2, 1; a([0.0; 1.0; 4.0]); 2})
trapezoid(S, {dx=0.5, axis=0, [0; 1; 3; 7], a([0.0; 1.0; 4.0]); axis=1, None; 2.0; 1, S * S, M, V; 1.0; -1})
average(S, {, None, 0, (0; 2); keepdims=True, 1; returned=True, None; None; True, weights=S * S})
average({S; 1; [1; 2; 3], M; -1; V, M; 0; [1.0; 2.0; 3.0]; True, S; (2; 0); M.T[:; :2]; True,
    INTS; 1; [1; 2; 3]}, keepdims={True, False})
average({HALF; weights=HALF, HALF; weights=[1; 2; 3], INTS, FLAGS; weights=[1; 1; 2]})
cov({M, V, INTS, HALF, M; M, M; S[0; ::-1], V; V * V, M; M; False, M; None; False, M; bias=True, M; ddof=0,
    M; ddof=2})
cov(M, {fweights=[1; 2; 1; 3], aweights=V, fweights=a([1; 2; 1; 3]); aweights=V, aweights=V; ddof=0,
    fweights=[1; 2; 1; 3]; aweights=V; bias=True, dtype=np.float32})
corrcoef({M, V, INTS, M; M * M, M; rowvar=False, M; None; False, V; V * V})
bincount({INTS[0], BYTES, [1; 1; 4], INTS[0]; V[:3], INTS[0]; minlength=7, [1; 1; 4]; [0.5; 1; 2]; 9, [],
    []; []; 3, a([2; 2]; np.uint8)})
histogram({S, M; 4, INTS, HALF; 3, S; [0.5; 1.0; 1.5], V; 5; (0; 2), V; 3; (0; 2); True,
    S; a([0.5; 0.9]); None; True, S; i(3), NONE; 2, ONE, V; 3; (0; 2); None; [1; 2; 3; 4], V; "auto"})
{median, ptp}(S, {, axis=}{0, -1, i(1), None, (0; 1), (i(0);), (2; 0; 1)})
{median, ptp}({S; (0; 2); keepdims=True, S; 1; None; keepdims=True, INTS, BYTES, HALF, ONE, V, INTS; 0})
{median(FLAGS), median(S + 0; 0; None; True), median(FLAGS; 0), median(S; ())}
quantile(S, {0, 1, 0.3, 0.25, i(1), [0.1; 0.7], (0.5;), a([[0.0; 0.2]; [0.7; 1.0]]), a(0.3)}{, ; 0,
    ; axis=(0; -1)})
quantile({INTS, V, S, HALF}, {0.3, 0, [0.1; 0.55; 1.0]}, method={"linear", "lower", "higher", "nearest",
    "midpoint", "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf",
    "hazen", "weibull", "median_unbiased", "normal_unbiased"})
{quantile, percentile}({S + 0; 0.3; (0; 2); None; True; "hazen"; True, BYTES; 0.3})
percentile({S, INTS, HALF}, {30, 0, 25.0, [10; 100], a([[20.0; 50.0]])}, {axis=0, keepdims=True,
    method="lower"})
{nansum, nanprod, nanmean, nanvar, nanstd, nanmax, nanmin, nanmedian}({GAPS, INTS, HALF, V}{, ; None, ; 0, ; -1,
    ; keepdims=True})
{nansum, nanprod, nanmean, nanvar, nanstd, nanmax, nanmin, nanmedian}(GAPS, {i(1), a(0), (0; 1), (-1;)})
{nansum, nanprod, nanmean, nanvar, nanstd}(GAPS, 1, {np.float64, dtype=float, where=[True; True; True; False]})
{nansum, nanprod}({GAPS; 0; None; None; True; 2; MASK, BYTES; dtype=np.int8, FLAGS, NONE, NONE; 1,
    GAPS; initial=3})
{nanmax, nanmin}(GAPS, {0; None; True; 2.2, initial=1.7; where=MASK, axis=(0; 1); initial=2.2})
{nanvar, nanstd}(GAPS, 0, {None; None; 1; True, correction=1, mean=V; where=MASK})
{nancumsum, nancumprod}({GAPS, GAPS; 0, GAPS; axis=-1, GAPS; 0; float, INTS; 1, BYTES; 0; np.int8, FLAGS, ONE})
nanquantile(GAPS, {0, 0.3, [0.1; 0.7], 1.0}, {None, 0, axis=-1, (0; 1); keepdims=True})
nanquantile({GAPS; 0.4; 0, HALF; 0.4; 0, INTS; 0.4; 1}, method={"linear", "lower", "higher", "nearest",
    "midpoint", "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf",
    "hazen", "weibull", "median_unbiased", "normal_unbiased"})
nanpercentile(GAPS, {30, [10; 70]}, {None, 0, axis=1})
{sort, argsort, argmax, argmin, logical_not}({INTS, BYTES, FLAGS, HALF})
{sum(ONE; 0), sum(ONE; -1), prod(ONE; 0), max(ONE; -1; keepdims=True), argmax(INTS; 1; keepdims=True)}
{sum(NONE), prod(NONE; 1), cumsum(NONE; 1), sum(NONE; 0), tile(NONE; (2; 2))}
{var(S; 1; ddof=1), var(S; ddof=i(1)), std(S; (0; 2); ddof=1.5)}
S.{sum(-1), mean((0; 1)), max(axis=i(0)), cumsum(1), argsort(0), var(1; ddof=1), std(), prod(0),
    swapaxes(0; 1), T, mT}
reshape(S, {-1, 24, (2; -1), [4; 6], (i(4); 6), (a(4); a(6)), a([4; 6]), i(24), (2; 3; 4; 1), shape=(6; 4)})
{S.reshape(4; 6), S.reshape(i(4); -1), S.reshape([4; -1]), reshape(ONE; ()), ONE.T}
transpose(S, {None, (1; 0; 2), [1; 0; 2], (-1; 0; 1), a([2; 0; 1]), (i(1); 0; 2), axes=(2; 0; 1)})
{S.transpose(2; 0; -2), S.transpose([2; 0; 1]), swapaxes(S; -1; i(0)), swapaxes(S; a(2); 0)}
moveaxis(S, {0; -1, (0; 1); (1; 0), [0; 1]; [-1; -2], i(0); 1, a(0); a(1), 0; (1;)})
broadcast_to(V, {4, (3; 4), [3; 4], (i(3); 4), a([3; 4]), (0; 4), i(4), shape=(2; 4)})
broadcast_to(ONE, {3, ()})
expand_dims(M, {0, -1, i(1), a(1), (0; 1), [0; 1], (0; -1), ()})
squeeze(ROW{, ; 0, ; -1, ; i(0), ; a(0), ; None, ; (0; -1), ; ()})
{concatenate, stack}([S, S], {0, -1, i(1), a(1)})
{concatenate((S; S); axis=None), concatenate(S), stack(S; 1), stack((V; V); axis=-1), stack([ONE; 2.0])}
concatenate({[V; [1; 2]], [V; np.arange(2)], [HALF; np.ones(2; np.float32)], [ONE; ONE]; None})
split(S, {2, [1], (1; 2); 1, a([1; 3]); -1, i(2); i(2), []; 1, [-1]; 2, [1; 9]; 2})
{unstack(S), unstack(S; axis=-1), unstack(S; axis=i(1))}
flip(S, {0, -1, i(1), a(1), None, (0; 2), (-1; 0), ()})
roll(S, {1, 7, (1; 2), -1; 0, (1; 2); (0; 1), [1; 2]; [0; 1], i(1); i(0), a(1); a(0), 1; (0; 1), (1; 2); 0})
roll(S, {a([1; 2]); (0; -1), (1; 1); (0; 0)})
pad(S, {1, (1; 2), ((1; 2);), ((1; 2); (0; 1); (2; 0)), [[1; 2]; [0; 1]; [2; 0]], i(1), a(1), (2;), [1]})
pad(S, {((1;); (2;); (0;)), a([[1; 2]; [0; 1]; [2; 0]]), 1; mode="constant", 1; "constant"; constant_values=3})
pad(S, 1, constant_values={1, 1.5, i(2), a(2.5), (1; 2), ((1; 2); (3; 4); (5; 6))})
pad(INTS, 1, constant_values={1, 1.5, (1; 2)})
repeat(S, {2, 2; 0, [1; 2]; 0, a([1; 2]); 0, i(2); -1, a(2); 1, [2]; 1, 0; 0, [0; 1; 2]; axis=i(1)})
{S.repeat(2; axis=1), repeat(ONE; 3), repeat(ONE; 2; 0), repeat(INTS; [1; 2]; axis=0)}
tile(S, {2, (2;), (1; 2), [2; 1], (2; 1; 1; 2), i(2), a(2), a([1; 2]), (0;), ()})
tile(ONE, (2, 3))
clip({M, INTS, BYTES, HALF}, {0; 1, 1; None, None; 1, a(0); i(2)})
clip({BYTES; -1000; 2, BYTES; 2; 1000, INTS; 0.5; 2.5, FLAGS; 1; None, M; V - 0.2; 1.2,
    M; [0.7] * 4; np.float32(1.2)})
{clip(M; min=0.7; max=None), clip(M; a_min=None; a_max=1.2), M.clip(0.7; max=1.2)}
take(S, {0, -1, i(1), a(1), [0; 1], (0; 1), a([[0; 1]; [1; 0]]), [0; 1]; 0, [], a([0]; np.uint8); -1,
    0; a(1), []; 0})
{take(S; [0; 2]; axis=i(1)), M.take([0; 3]; axis=1)}
take_along_axis(M, {a([[0]; [3]; [1]]); -1, a([L]).T; i(1), a(L); None, a([[0; 2; 1; 0]]); 0})
S[{0, -1, i(1), a(1), None, ..., ::-1, i(0):i(1), 0; 1, 0; 1; 2, ...; 0, None; 0; None, (), 5:9, True,
    np.True_}]
S[{[0; 1], [1; 0; 1], 0; [1; 2], [0; 1]; [1; 2], [0; 1]; :; [1; 2], :; [0; 2]; [1; 1], 0; :; [1; 2], []}]
S[{a([[1]; [0]]), a([]; int), a([0; 1]; np.uint8), ((0; 1); (1; 2)), [[0; 1]; [1; 0]], range(2),
    ...; [3; 3]; None}]
S[{a([True; False]), [True; False], :; [True; False; True], 0; a([True; False; True]), :; MASK, 1; MASK}]
S[{a([True; False]); [1], i(0); a(1); np.uint8(2)}]
{tril, triu}(S, {0, -1, i(1), a(1), k=1})
linalg.norm(S, axis={None, 0, -1, i(1), a(1), (0; 1), (0; -1), 1; keepdims=True})
linalg.norm(M, {1; 0, inf; -1, -inf; 1, 2; i(0), None, "fro", "fro"; (1; 0), np.float64(1); 0})
linalg.norm({V; 1, V; inf, INTS[0]; 1, INTS[0]; inf, INTS, S; keepdims=True, ONE, HALF})
linalg.solve({Q; V[:3], Q; M, Q; [1.0; 2.0; 3.0], Q[None]; V[:3], Q; M[None], INTS[:; :2]; [1; 2]})
linalg.cholesky({a([[2.0; 1.0]; [1.0; 2.0]]), Q @ Q.T, a([[2.0; 1.0]; [0.0; 2.0]]); upper=True})
linalg.norm(M, {2, -2, 1, -1, inf, -inf, "nuc"; (1; 0), inf; (-1; 0), 2; keepdims=True})
linalg.norm(S, {2, "nuc", inf, -1}, axis={(0; 2), (2; 1)})
linalg.norm({V; 3, V; 0, V; -1, V; i(3), V; np.float64(1.5), S; 0; 1, HALF; 3, INTS; 2, BYTES; 3, INTS; "nuc"})
linalg.vector_norm(S{, ; ord=1, ; axis=(0; 2), ; axis=-1; ord=3; keepdims=True, ; axis=(1; 0); ord=inf})
linalg.vector_norm({S; axis=(), ONE, INTS; ord=0, INTS; axis=1})
linalg.matrix_norm(S{, ; ord=2, ; ord="nuc"; keepdims=True, ; ord=-1, ; ord="fro"; keepdims=True})
{linalg.inv, linalg.det, linalg.eigvalsh}({Q, Q[None], INTS[:; :2], np.zeros((0; 0)), np.zeros((2; 0; 0))})
linalg.{eigh, eigvalsh}({Q; "U", Q; UPLO="l", Q[None], INTS[:; :2]})
linalg.slogdet({Q, -Q, Q[None], INTS[:; :2], np.zeros((2; 2)), np.zeros((0; 0))})
linalg.svd({M, M.T, M; full_matrices=False, S; False, INTS; 0, M; compute_uv=False, S; False; False, NONE})
linalg.svdvals({M, S, INTS, NONE})
linalg.qr({M, M.T, S, INTS, M.T; "complete", M; mode="complete", M; "r", M.T; mode="r", NONE})
linalg.pinv({M, S, INTS, M; 1e-3, M; rtol=None, M; rtol=0.5, M; a(0.5), S; rtol=a([0.2; 0.5]), NONE})
linalg.pinv({Q; hermitian=True, INTS[:; :2]; None; True})
linalg.lstsq({M.T; V, M; V[:3], M; Q; rcond=0.5, Q; V[:3]; -1, INTS.T; [1; 2; 4]})
linalg.tensorsolve({Q; V[:3], Q[:; None]; V[:3], Q[None]; ROW[:; :; 0], Q[:; :; None]; V[:3]; (1;)})
linalg.tensorsolve(Q[:, :, None], V[:3], [0])
linalg.tensorinv({Q; 1, Q[:; None], Q[:; None]; ind=1})
linalg.matrix_power({Q, Q[None], INTS[:; :2]}, {0, 1, 2, 3, 5, -1, -2, i(3), a(2)})
linalg.multi_dot({[M.T; Q; M; V], (V[:3]; Q), [V[:3]; M; V], [M; M.T; Q; M], [INTS; Q; M]})
linalg.matrix_rank({M, S, INTS, M; 0.5, S; rtol=a([0.1; 0.5]), Q; hermitian=True, NONE})
linalg.cond({Q, M, S, Q; 2, Q; -2, Q; 1, Q; inf, Q; "fro", Q; "nuc", Q[None]; -1, INTS, np.zeros((2; 2))})
linalg.cond({0 * INTS[:; :2]; 1, 0 * INTS[:; :2] + 1; "fro"})
linalg.{diagonal, trace}({S, S; offset=1, S; offset=-2, S; offset=i(9), INTS, BYTES[None], NONE})
linalg.{matrix_transpose(S), matrix_transpose(INTS), outer(V; V[:3]), outer(V; [1; 2]), outer(BYTES; BYTES)}
linalg.{cross(V[:3]; V[1:]), cross(S; ROW; axis=1), cross(INTS; INTS[0]), cross(Q; [1.0; 2.0; 3.0])}
linalg.{vecdot(S; S), vecdot(V; M), vecdot(S; ROW; axis=1), vecdot(INTS; INTS), vecdot(HALF; HALF)}
fft.{fftshift, ifftshift}({S, INTS, NONE, S; 1, S; (0; -1), S; [1], S; i(0), S; axes=(1; 1)})
einsum("{ii, ii->i, ij->, ji, ..., ...j->..., ij->ji, i...->...,  i j -> j i}", Q)
einsum("{ij;jk, ij; jk -> ik, ij;kl->i l, ij...;jk...->ik..., iJ;Jk, ij;ik->kj}", Q, M)
einsum({"ij;j"; Q; [1; 2; 3], "i->"; a([100; 100; 100]; np.int8), "i;i"; BYTES; BYTES, "i;i"; FLAGS; FLAGS})
einsum({";i"; 2.0; V, "i;i"; INTS[0]; V[:3], "bi;ij;bj->b"; M.T; Q; M.T})
{outer(M; V), outer(M; [1; 2]), outer(M; 2.0), outer(M; M), outer(M; a(2)), outer(ONE; V)}
tensordot(M, M, {2, 0, (0; 0), ([0]; [0]), ([0; 1]; [0; 1]), ((1; 0); (1; 0)), (-1; -1),
    a([[0; 1]; [0; 1]]), [0; 0]})
tensordot(Q, {M; 1, M; i(1), M; axes=a(1), Q, M; [[0]; [0]]})
{zeros_like, ones_like}(M, shape={3, (2; 3), [2; 3], i(3), a([2; 3]), ()})
where({MASK, True, 1, a([1; 0; 1; 0]), [True; False; True; False]}, M, {0, 0.0, V, [1; 2; 3; 4]})
{add, subtract, multiply, divide, maximum, minimum}({M, BYTES[:1], HALF[:1]}, {2, 2.5, i(2), a(2),
    [1; 2; 3; 4], V})
{logaddexp, arctan2, power}({M, INTS[:1; :1], HALF[:1]}, {2, 2.5, i(2), np.float32(2.5), a(2), [1; 2; 3; 4], V})
{arctan, sinh, cosh, arcsinh, exp2, log2, log10, sinc, cbrt, fabs, deg2rad, rad2deg, signbit, isinf, isposinf,
    isneginf, isreal, iscomplex, imag, angle}({M, INTS, BYTES, FLAGS, HALF, ONE})
{tan, rint, floor, ceil, trunc}({M / 2, INTS, BYTES, FLAGS, HALF / 3})
{arcsin, arccos, arctanh}({M / 2, HALF / 4, ONE / 2, FLAGS[1:2]})
{arccosh(M + 1), arccosh(INTS), arccosh(BYTES), arccosh(HALF)}
{reciprocal, positive, conjugate, real, real_if_close, nan_to_num}({M, INTS, BYTES, HALF, ONE})
{angle(M - 1; True), angle(-INTS; deg=True), S.conj(), S.conjugate(), S.real, S.imag}
{hypot, copysign, fmax, fmin, heaviside, logaddexp2, float_power, fmod, remainder, floor_divide, isclose,
    logical_xor}({M, INTS[:1; :1], HALF[:1]}, {2, 2.5, i(2), a(2), [1; 2; 3; 4], V})
ldexp({M, INTS[:1; :1], HALF[:1]}, {2, i(2), a(2), [1; 2; 3; 4]})
{remainder(BYTES; 2), remainder(-INTS; 2), fmod(-INTS; 2), floor_divide(-INTS; 2), INTS // 2, 7 // INTS,
    INTS % 2, 7 % INTS, S // 0.29, 2.1 // S, S % 0.29, 2.1 % S, FLAGS % 2, HALF % 2.0}
{divmod(M; 0.29), divmod(INTS; 2), divmod(2.3; S), modf(M), modf(INTS), modf(BYTES), modf(FLAGS), modf(HALF)}
{bitwise_xor, left_shift, right_shift}({INTS, BYTES}, {2, i(1), a(2), [1; 2; 3]})
{FLAGS ^ True, INTS ^ 3, 3 ^ INTS, INTS << 1, 1 << INTS, INTS >> 1, 8 >> INTS}
round({M.astype("f4"), INTS, BYTES, HALF / 3}{, ; 1, ; -1, ; i(2), ; decimals=1, ; a(1)})
{round(FLAGS), round(M), M.round(), HALF.round(2), INTS.round(decimals=-1)}
nan_to_num(where(MASK, M, np.nan), {True, nan=1, nan=a(2), True; 1.0; 2.0; 3.0})
{nan_to_num(where(MASK; M; inf); posinf=i(2)), nan_to_num(where(MASK; M; -inf); neginf=2.5)}
nan_to_num(where(MASK, M.astype("f4"), {inf, -inf, np.nan}))
isclose(M, {M, M + 0.01, V; 0.1, V; rtol=0.2; atol=0.1, M; equal_nan=True})
{equal, less, greater_equal, not_equal, logical_and}({M, BYTES[:1], FLAGS[:1]}, {2, 2.5, a(2), [1; 2; 3; 4], V})
special.{erf, erfc, erfcx, ndtr, log_ndtr, gammaln, gamma, rgamma, digamma, gammasgn, j0, j1, y0, y1, i0, i1,
    i0e, i1e, entr, expit, log_expit}({M, INTS, ONE, V.astype("f4"), [1; 2]})
special.{erfinv, ndtri, logit}({M / 2, ONE / 2, V.astype("f4") / 2, [0.25; 0.5]})
{special.erfcinv(M), special.logit(a([0.5; 0.5 + 1e-9; 0.7500001; 1e-300]))}
special.{xlogy, xlog1py, rel_entr, beta, betaln}({M, INTS[:1; :1]}, {2, 2.5, i(2), a(2), [1; 2; 3; 4],
    V})
special.polygamma({0, 1, i(2), [0; 1; 2; 3]}, {M, INTS[:1; :1], ONE})
special.{jv, yv, iv, ive}({0, 2, i(1), 0.5, [0; 1; 2; 3]}, M)
{special.kl_div(M; 4 * V), special.kl_div(M; 2), special.kl_div(INTS; 2), special.kl_div(2; M)}
{special.yn(2; M), special.yn([0; 1; 2; 3]; M), special.multigammaln(M + 1; 3), special.multigammaln(INTS; 2)}
special.{softmax, log_softmax}({M, INTS, ONE, S; 0, S; axis=i(-1), S; (0; 2)})
special.logsumexp({M, INTS, ONE, S; 0, S; axis=i(-1), S; (0; 2), S; 1; keepdims=True, M; b=2, M; 0; V,
    M; 1; b=[1; 0; 2; 0.5]; keepdims=True})
M.astype({np.float32, "float64", "f2", float, int, bool, np.dtype("i4")})
ravel({S, M.T; "F", S; order="C", ONE, NONE})
{M.ravel(), S.flatten(), S.diagonal(1), Q.trace(), M.dot(V), V.dot(V)}
{atleast_1d, atleast_2d, atleast_3d}({ONE, V, M, S; ONE, S[None]})
{broadcast_arrays(M; V; ONE), broadcast_arrays(), matrix_transpose(S)}
meshgrid({V; INTS[0]; HALF, V, V; M[0]; indexing="ij", V; ONE; sparse=True, V; copy=False, S; V, })
{vstack, hstack, dstack, column_stack}({[V; [1; 2; 3; 4]], (M; M), [HALF; INTS[0]], M, [V], S})
{vstack([V; M]), hstack([ONE; 2.0]), dstack([M; S[0; :; :; None]]), column_stack([ONE]),
    column_stack([M; V[:3]])}
append({V; 2.5, M; V, M; M; axis=0, M; V[None]; 0, INTS; [1], ONE; ONE})
block({[[M; M]; [M; M]], [V; 1.0], V, 2.0, [[V]; [V]], [[[S; S]]], [[ONE; V]; [M; a([[2]; [2]; [2]])]][:1]})
array_split(S, {3, 2; 1, [1], [1]; 2, i(5); i(2), 7; 1, []; 0})
{hsplit(M; 2), hsplit(V; [1; 3]), hsplit(S; 3), vsplit(M; 3), vsplit(S; [1]), dsplit(S; 2), dsplit(S; [1; 2])}
delete(S, {0, -1, [0; 2]; 1, a([1; 1]); 2, i(3), slice(None; None; 2); 1, [True; False; True]; 1, [],
    slice(5; 2)})
insert(S, {0; 1.5, 1; 2; 1, [0; 2]; 7; 1, -1; [1; 2; 3; 4]; 1, [1]; [[1]; [2]; [3]]; 2,
    slice(0; 2); 9; axis=2, i(2); V; 1, a([0; 0; 1]); a([1; 2; 3]), []; 3})
{insert(S; 0; S[:; :1; :1]; 2), insert(INTS; 1; 2.7; 1), insert(V; [3; 0]; [8; 9]), insert(ONE; 0; 1)}
{insert(V; 4; 9), insert(V; -4; 9), resize(NONE; (2; 2)), block([M[:1]; V])}
resize(M, {3, (2; 2), (5; 4), i(30), (), (0; 3), [2; 3]})
{fliplr(S), flipud(S), flipud(V), rollaxis(S; 2), rollaxis(S; 0; 3), rollaxis(S; -1; 1), rollaxis(S; i(1); -1)}
rot90(S, {1, 2, 3, 4, -1; (1; 2), i(1); [0; -1], 1; (2; 0)})
diagonal(S, {0, 1, -1, 2; 0; 1, 0; 1; 2, offset=1; axis1=2; axis2=0, i(1); -1; -2, -5, 1; i(0); i(1)})
trace(S, {0, 1, -1, 0; 1; 2, 1; axis1=2; axis2=0, -5})
{trace(INTS), trace(BYTES[:; None]), trace(FLAGS[None]), trace(HALF[None])}
diag({V, V; 1, V; -2, M, M; 1, S[0]; k=-1, INTS, BYTES; i(1), FLAGS, NONE, M; 9, NONE[0], NONE[0]; 2})
diagflat({M, V; 1, ONE, INTS; -1, [[1; 2]; [3; 4]]})
{dot, inner}({V; V, Q; Q, M; V, 2; ONE, ONE; M, INTS[0]; BYTES, S; V, 2.0; V, V; 2, Q; Q[None]})
{dot(M; M.T), dot(S; M.T), dot(M[:; :3]; S), dot(S[:; :; :3]; S), dot(V[:3]; S), dot(V; [1; 2; 3; 4]),
    dot(FLAGS; FLAGS), dot(HALF; HALF)}
inner({V; S, M; M, S; S, Q; INTS, FLAGS; FLAGS, HALF; INTS, NONE; NONE})
{vdot(M; M), vdot(V; [1; 2; 3; 4]), vdot(INTS; INTS), vdot(ONE; 2.0), vdot(BYTES; BYTES)}
vecdot({V; V, M; V, S; M, S; S; axis=1, INTS; BYTES, FLAGS; FLAGS, HALF; HALF, NONE; NONE, S; ROW; axis=i(1)})
kron({V; M, M; V, S; V, ONE; M, INTS; [1; 2], HALF; HALF, 2.0; ONE, NONE; M})
cross(Q, {Q, Q[0], Q; 0; 1, Q; axisc=0, Q; axis=0, Q; 1; -1; 1, [1; 2; 3]})
{cross(M; Q[:1]; 0; 1; 0), cross(INTS; BYTES), cross(M.T; HALF)}
{convolve, correlate}({V; M[0; :3], M[0; :2]; V, V; M[0]; "same", V; [1; 2], V; V[:1]; "valid",
    M[0; :3]; V; "same", INTS[0]; BYTES; "full", HALF; HALF; mode="same", V; M[0; :3]; "full",
    V[:2]; V; "valid", V[:2]; V; "same"})
{convolve(ONE; V), convolve(FLAGS; FLAGS)}
full_like(M, {2, 2.5, V, i(3), a(3), [1; 2; 3; 4], 7; np.float32, 7.5; int, 1; dtype=bool, 3; shape=(2; 4),
    V; shape=(2; 4)})
{full_like(INTS; 2.7), full_like(FLAGS; 2), full_like(BYTES; HALF), full_like(ONE; ONE), full_like(M; -0.0)}
{linspace(V; 9; 4; dtype=int), logspace(V; 2; 3; dtype=np.float32)}
interp({S; [0.31; 2.1; 1.1]; [1.0; 5.0; 2.0]; period=3.0, V; [0.3; 2.1]; V[:2]; -1; 5; -0.9})
linspace({V; 2.0, 0; ONE; 5, V; M, HALF; 3; 4, INTS[0]; 9; 3, V; 2.0; i(3); False, V; 2; 4; endpoint=False,
    V; 3; 1, V; 3; 0, V; M; 3; axis=-1, V; 3; 5; dtype=np.float32, np.float32(0); np.float32(1); 4,
    V; 3; 2; retstep=True})
logspace({V; 2.0; 3, 0; ONE; 5, HALF; 2; 4, V; M; 3; axis=1, V; 2; 3; base=2.0, V; 2; 3; base=M,
    V; 1; 4; False; V; axis=1})
geomspace({V; 2.0; 3, 1; ONE; 5, HALF; 2; 4, V; M; 3; axis=1, -V; -2; 4, V; 3; 4; endpoint=False, V; 3; 1,
    V; 3; 0, V; 3; 3; dtype=np.float32})
select({[M > 1; M > 0.8]; [M; 2 * M], [V > 1]; [M]; 5, [M > 1]; [2.5]; V, [MASK; MASK]; [1; HALF[0]],
    [FLAGS]; [BYTES]; 1, [FLAGS]; [INTS]; default=0.5})
choose([1, 0, 1, 1], {[V; M[0]], (V; 2 * M), [V; [1; 2; 3; 4]], M, [INTS[0; :1]; [7; 8; 9; 10]]})
choose({2; [V; V; -V], [[5]; [-1]]; [V; M[0]]; mode="clip", [5; -1; 0; 2]; [V; M[0]]; mode="wrap",
    FLAGS; [HALF; INTS[0]]; mode="raise"})
compress({[True; False; True]; M; 0, [1; 0; 1; 1]; M; axis=1, [True; True]; M, [False]; S; -1, MASK[0]; V,
    a([0; 2]); M; 0})
extract({MASK; M, [True; False; True; True]; V, INTS > 1; INTS, ONE; ONE})
{nonzero, flatnonzero, argwhere}({INTS - 1, MASK, S > 1, FLAGS, NONE, HALF - 2, [0; 1; 2]})
{flatnonzero(ONE), argwhere(ONE), argwhere(0 * ONE), count_nonzero(MASK; 0),
    count_nonzero(INTS - 1; axis=(0; 1))}
{ix_(INTS[0]; FLAGS), ix_([1; 0]), ix_(a([True; False]); []; BYTES)}
count_nonzero(MASK, axis={-1, i(1), (0; 1)}, keepdims={True, False})
searchsorted({[0.6; 1.0; 1.4]; S, [0.6; 1.0; 1.4]; 1.0; "right", [1; 2; 3]; INTS; side="right", [1; 2]; HALF,
    V; V; sorter=[0; 1; 2; 3], [2; 1; 3]; 2; "left"; [1; 0; 2], [0.5]; ONE, [1; 2]; BYTES})
digitize({S; [0.6; 1.0; 1.4], V; [1.4; 1.0; 0.6], INTS; [1; 2; 3]; True, ONE; [0.0; 2.0],
    HALF; [1; 2]; right=True, INTS; [2; 2; 2], V; []})
unique({INTS, V, HALF; return_index=True, INTS; True; True; True, INTS; axis=0,
    a([[1; 2]; [1; 2]; [0; 2]]); axis=0; return_counts=True, FLAGS; return_inverse=True,
    INTS; return_inverse=True, a([np.nan; np.nan]), a([np.nan; np.nan]); equal_nan=False, NONE})
{nanargmax, nanargmin}({S, S; 1, S; axis=-1, INTS; 0; keepdims=True, a([[np.nan; 1.0]; [3.0; np.nan]]); 1,
    HALF, ONE})
{sort(argpartition(INTS; 1)), argpartition(S; 2)[...; 2], partition(S; 2)[...; 2],
    partition(S; (0; 2); 1)[:; [0; 2]]}
{partition(S; 5; None)[5], argpartition(S; 5; axis=None)[5], partition(S; [1; -1]; axis=i(0)),
    partition(HALF; 1)}
lexsort({(INTS[0]; INTS[1]), INTS, [FLAGS; HALF], (S; 1 - S), (M; MASK); axis=0, [V]})
interp({S; [0.52; 1.01; 1.51]; [1.0; 3.0; 2.0], V; [0.8; 1.0]; [1; 2], V; [0.8; 1.0]; [1; 2]; -1; 5,
    V; [0.8; 1.0]; [1; 2]; right=0.5, [0.5; 1; 1.5; 2]; [0.5; 1.0; 1.0; 2.0]; V, ONE; [1.0; 1.6]; [2.0; 4.0],
    1; [1.0; 2]; V[:2], V; [1.0]; [3.0], HALF; HALF; INTS[0], INTS; [1; 2]; [np.inf; 1.0],
    0.2; [0; 1]; [np.inf; np.inf], 3; [1; 2; 3; 3]; V})
einsum({"ij;j"; Q; V[:3]; optimize=True, "ij;j"; Q; V[:3]; optimize="greedy",
    "ij;jk;kl"; Q; Q; Q; optimize="optimal"})
"""


def expanded(line):
    """The lines that a line with {a, b} stands for; a semicolon within braces is a comma in a form."""
    choice = re.search(r"{([^{}]*)}", line)
    if choice is None:
        return [line]
    forms = (form.strip(" ").replace(";", ",") for form in choice[1].split(","))
    return [more for form in forms for more in expanded(line[: choice.start()] + form + line[choice.end() :])]


FORMS = [form for line in LINES.strip().replace("\n    ", " ").splitlines() for form in expanded(line)]
if np.lib.NumpyVersion(np.__version__) < "2.2.0":
    FORMS.remove("linalg.matrix_rank(NONE)")  # an error of NumPy's
    for method in ("averaged_inverted_cdf", "interpolated_inverted_cdf", "weibull"):
        FORMS.remove(f'quantile(INTS, 0, method="{method}")')  # an integer then, a float since


def of_module(module, ours):
    """The functions of the registry that belong to this module, ours or NumPy's, by the name there."""
    names = [name for name in [*FUNCTIONS, *EQUAL] if name.startswith(f"{module}.")]
    return {
        name.rpartition(".")[2]: FUNCTIONS[EQUAL.get(name, name)] if ours else numpys(name) for name in names
    }


def evaluate(line, ours, names):
    functions = {name: FUNCTIONS[name] if ours else numpys(name) for name in FUNCTIONS if "." not in name}
    functions |= {module: SimpleNamespace(**of_module(module, ours)) for module in ("linalg", "special", "fft")}
    with np.errstate(all="ignore"):
        return eval(line, {**functions, **WORDS, **names})


PLACED = {name: doors.placed(array) for name, array in ARRAYS.items()}  # on the device of the test run


def parts(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


HOST = {  # forms that NumPy accepts and CuPy does not, and why
    "reshape(S, (a(4), a(6)))": "a size is not an array",
    **dict.fromkeys(("sum(ONE, 0)", "sum(ONE, -1)", "max(ONE, -1, keepdims=True)"), "a number has no axis"),
    "S.max(0, None, True, 0.9)": "CuPy's method has no initial",
    "cov(M, fweights=a([1, 2, 1, 3]), aweights=V)": "an array on the host",
    "outer(M, 2.0)": "a number becomes an array on the host",
    "outer(M, [1, 2])": "a list becomes an array on the host",
    "kron(INTS, [1, 2])": "a list becomes an array on the host",
    "outer(M, a(2))": "an array on the host",
    "special.logsumexp(M, 1, b=[1, 0, 2, 0.5], keepdims=True)": "a list becomes an array on the host",
    "linalg.outer(V, [1, 2])": "a list becomes an array on the host",
    "linalg.lstsq(INTS.T, [1, 2, 4])": "a list becomes an array on the host",
    "linalg.matrix_rank(S, rtol=a([0.1, 0.5]))": "an array on the host",
}


NEWER = {  # forms whose dtype is another one in old NumPy, and why
    line: "below NumPy 2.3 the operator ** squares float16 and np.power promotes it"
    for line in ("power(HALF[:1], a(2))", "power(HALF[:1], i(2))")
    if np.lib.NumpyVersion(np.__version__) < "2.3.0"
}


def lines(forms):
    """The forms; those that only the host accepts are marked, those that need a newer NumPy are skipped."""
    marks = {x: pytest.mark.skip(reason=why) for x, why in NEWER.items()}
    marks |= {x: pytest.mark.host(why) for x, why in HOST.items()}
    absent = [f"special.{name}(" for name in doors.missing()]
    marks |= {x: pytest.mark.host("CuPy has no such function") for x in forms if any(f in x for f in absent)}
    return [pytest.param(x, marks=marks.get(x, ())) for x in forms]


@pytest.mark.parametrize("line", lines(sorted(set(FORMS))))
def test_a_form_that_numpy_accepts(line):
    expected = parts(evaluate(line, False, ARRAYS))
    tensors = {name: ts.tensor(array) for name, array in ARRAYS.items()}
    if "a([Q, Q])" in line or "a([M, M])" in line:
        tensors.update(Q=ARRAYS["Q"], M=ARRAYS["M"])
    for names in (PLACED, tensors):
        found = parts(evaluate(line, True, names))
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            one = one.numpy() if isinstance(one, ts.Tensor) else one
            assert (np.shape(one), one.dtype) == (np.shape(other), other.dtype)
            tolerance = 1e-3 if one.dtype == np.float16 else 1e-7 if one.dtype == np.float32 else 1e-12
            assert_allclose(one, other, rtol=tolerance, atol=0)


def used(line):
    """The names of the float64 arrays in the line."""
    return [name for name, array in ARRAYS.items() if array.dtype == float and re.search(rf"\b{name}\b", line)]


DIFFERENTIATED = [
    line
    for line in sorted(set(FORMS))
    if used(line) and "a([Q" not in line and "a([M" not in line
    and all(part.dtype == float for part in parts(evaluate(line, False, ARRAYS)))
]  # fmt: skip


@pytest.mark.parametrize("line", lines(DIFFERENTIATED))
def test_its_gradient(line):
    """The backward pass handles the form, too."""
    names = used(line)
    check_grad(
        lambda *xs: evaluate(line, True, {**ARRAYS, **dict(zip(names, xs, strict=True))}),
        *(ARRAYS[name] for name in names),
        order=1,
    )


REFUSED = {  # forms that NumPy accepts and we do not, with our error and its text
    "special.logsumexp(M, return_sign=True)": (ValueError, "return_sign"),
    "sum(M, out=np.zeros(()))": (TypeError, "sum has no argument out.*a result is a new tensor"),
    "max(M, 0, np.zeros(4))": (TypeError, "max has no argument out"),
    "std(M, 0, None, np.zeros(4))": (TypeError, "std has no argument out"),
    "cumsum(M, 0, None, np.zeros((3, 4)))": (TypeError, "cumsum has no argument out"),
    "median(M, 0, np.zeros(4))": (TypeError, "median has no argument out"),
    "quantile(M, 0.5, out=a(0.0))": (TypeError, "quantile has no argument out"),
    "nanmax(M, 0, np.zeros(4))": (TypeError, "max has no argument out"),
    'quantile(V, 0.5, method="inverted_cdf", weights=V)': (TypeError, "quantile has no argument weights"),
    "argmax(M, out=a(0))": (TypeError, "argmax has no argument out"),
    "mean(M, dtype=int)": (TypeError, "mean needs a float dtype, got int64.*astype"),
    "sum(INTS, initial=0.5)": (TypeError, "sum of int64 needs an integer as initial, got 0.5"),
    'sort(M, kind="stable")': (TypeError, "sort has no argument kind"),
    'reshape(M, -1, order="F")': (TypeError, "reshape has no argument order"),
    "concatenate([M, M], dtype=np.float32)": (TypeError, "concatenate has no argument dtype"),
    'take(M, [0], mode="clip")': (TypeError, "take has no argument mode"),
    "take(M, [True, False, True], 0)": (IndexError, "integer indices, got bool.*mask"),
    "take(M, 1.0)": (IndexError, "integer indices, got float64"),
    'pad(M, 1, mode="edge")': (ValueError, "constant.*got 'edge'"),
    "einsum(Q, [0, 1], [1])": (TypeError, "subscripts as a string"),
    'einsum("i->", INTS[0], dtype=float)': (TypeError, "einsum has no argument dtype.*astype"),
    'ravel(S, "K")': (ValueError, 'ravel accepts order="C" and order="F"'),
    "vstack([M, M], dtype=np.float32)": (TypeError, "vstack has no argument dtype"),
    "array_split(V, [3, 1])": (ValueError, "ascend"),
    "trace(M, dtype=np.float32)": (TypeError, "trace has no argument dtype"),
    "empty_like(M, dtype=int)": (TypeError, "empty_like has no argument dtype"),
    "partition(V, 1, kind='introselect')": (TypeError, "partition has no argument kind"),
    "split(S, [3, 1], 2)": (ValueError, "ascend"),
    "round(M, 1, None)": (TypeError, "positional"),
    "nan_to_num(a([1.0]), copy=False)": (ValueError, "in place"),
    "zeros_like(M, dtype=np.float32)": (TypeError, "zeros_like has no argument dtype"),
    "where(MASK)": (TypeError, "missing 2 required"),
    "M.astype(complex)": (TypeError, "floats, integers or booleans"),
    "add(M, 1j)": (TypeError, "numbers, not complex"),
    "linalg.svd(Q, hermitian=True)": (ValueError, "svd has no hermitian=True.*eigh"),
    'linalg.qr(M, "raw")': (ValueError, 'modes "reduced", "complete" and "r", got .raw'),
    "linalg.trace(M, dtype=np.float32)": (TypeError, "trace has no argument dtype.*astype"),
    "linalg.multi_dot([M, V], out=np.zeros(3))": (TypeError, "multi_dot has no argument out"),
    "linalg.multi_dot([S, V])": (ValueError, "matrices, and vectors only at its two ends"),
}


@pytest.mark.parametrize("line", REFUSED)
def test_a_form_that_we_refuse(line):
    evaluate(line, False, ARRAYS)  # NumPy accepts it
    error, text = REFUSED[line]
    with pytest.raises(error, match=text):
        evaluate(line, True, {name: ts.tensor(array) for name, array in ARRAYS.items()})


NONSENSE = """
sum(S, 5) | sum(S, (0, 0)) | sum(S, 1.0) | prod(S, 5) | sum(S, dim=0) | max(S, dim=0) | prod(S, (0, 0)) |
sum(M, where=S > 0) | max(M, where=MASK) | sum(M, 0, initial=V) | var(M, ddof=1, correction=1) |
cumulative_sum(S) | cumulative_prod(S) | cumprod(S, 3) | sum(S, where=a([True, False])) | mean(S, 3) |
var(S, -4) | median(S, 3) | ptp(NONE) | ptp(FLAGS) | quantile(S, 1.5) | quantile(S, -0.1) |
quantile(S, np.nan) | quantile(S, 0.5, method="no") | percentile(S, 101) | quantile(NONE, 0.5, 1) |
bincount(V) | bincount(INTS) | bincount([-1]) | bincount([1], V) | bincount([1], minlength=-1) |
histogram(V, 0) | histogram(V, [2.0, 1.0]) | histogram(V, "no") | diff(ONE) | diff(V, -1) | diff(S, 1, 3) |
diff(M, prepend=V) | ediff1d(INTS, 0.5) | gradient(S, 1, 2) | gradient(V, edge_order=3) | gradient(V[:1]) |
gradient(S, V, axis=1) | gradient(V, M) | trapezoid(V, V[:3]) | average(M, weights=V) | average(M, 0, V) |
cov(S) | cov(M, ddof=1.5) | cov(M, fweights=V) | corrcoef(S) |
nanmax(NONE) | nanmax(M, where=MASK) | nanquantile(S, 2) |
max(NONE) | nanmax(M, where=MASK) | nanquantile(S, 2) | ptp(FLAGS) | prod(S, (0, 0)) |
mean(S, 3) | var(S, -4) |
max(NONE) | argmax(NONE) | cumsum(S, 3) | sort(S, 3) | flip(S, 3) | reshape(S, (5, 5)) |
reshape(S, (4, -1, -1)) | transpose(S, (0, 1)) | transpose(S, (0, 0, 1)) | swapaxes(S, 3, 0) |
moveaxis(S, (0, 1), (1,)) | moveaxis(S, (0, 0), (1, 2)) | broadcast_to(V, (5,)) | broadcast_to(V, (-1, 4))
| expand_dims(M, 7) | expand_dims(M, (0, 0)) | squeeze(ROW, 1) | squeeze(ROW, (0, 0)) | concatenate([]) |
stack([]) | concatenate([ONE, ONE]) | stack([V, M]) | split(S, 5) | split(S, -1) | split(S, 1, 3) |
unstack(S, axis=9) | roll(S, 1, 9) |
roll(S, (1, 2, 3), (0, 1)) | pad(S, (1, 2, 3)) | pad(S, -1) | pad(S, 1.0) | repeat(S, -1, 0) |
repeat(S, [1, 2], 1) | repeat(S, 2, 9) | tile(S, 1.5) | take(S, 24) | take(S, -25) | take(S, [0, 9], 0) |
take(S, [0], 5) | take_along_axis(M, a([[9]]), 0) | take_along_axis(M, a([0]), 0) | S[2] | S[5,] | S[[2]]
| S[1.0] | S['a'] | S[..., ...] | S[0, 1, 2, 3] | S[a([True, True, True])] | S[[0.5]] |
linalg.norm(S, axis=(0, 1, 2)) | linalg.norm(S, 2) | linalg.norm(V, "fro") | linalg.norm(M, 3) |
linalg.norm(M, "x") | linalg.norm(S, 2, (0, 0)) | linalg.norm(M, -2, axis=5) | linalg.inv(M) | linalg.inv(V) |
linalg.inv(a([[0.0]])) | linalg.inv(HALF[:, None] * HALF) | linalg.det(M) | linalg.slogdet(V) | linalg.eigh(M) |
linalg.eigh(Q, "X") | linalg.svd(V) | linalg.qr(V) |
linalg.qr(Q, "no") | linalg.pinv(Q, 1e-3, rtol=1e-3) | linalg.pinv(V) | linalg.lstsq(S, V) |
linalg.lstsq(M, V) | linalg.matrix_power(M, 2) | linalg.matrix_power(Q, 1.5) | linalg.multi_dot([Q]) |
linalg.multi_dot([Q, Q, S]) | linalg.multi_dot([Q, M, Q]) | linalg.matrix_rank(Q, 1, rtol=1) |
linalg.cond(NONE) | linalg.cond(M, 1) | linalg.tensorinv(Q, 0) | linalg.tensorinv(M, 1) |
linalg.tensorsolve(M, V) | linalg.tensorsolve(Q, V[:3], (5,)) | linalg.outer(M, V) | linalg.cross(V, V) |
linalg.trace(V) | linalg.matrix_transpose(V) | linalg.vecdot(V, Q) |
linalg.cholesky(Q @ Q.T, True) |
linalg.solve(M, V) | linalg.solve(Q, V) | linalg.solve(a([[0.0]]), a([1.0])) | linalg.cholesky(a([[-1.0]])) |
einsum("ij,k", Q) | einsum("i", Q) | einsum("ij->ijj", Q) | einsum("ij->iz", Q) | einsum("ij,jk", M, M) |
einsum("", Q) | tensordot(M, M, ((0, 0), (0, 0))) | tensordot(M, M, ((0, 1), (0,))) | tensordot(M, M, 1) |
tensordot(M, M, (5, 0)) | outer(M) | add(M, 'a') | add(S, Q) | clip(M, 0, 1, 2)
"""


@pytest.mark.parametrize("line", re.split(r"\s+\|\s+", NONSENSE.strip()))
def test_what_numpy_refuses_so_do_we(line):
    """With an error of the same class, or a TypeError; for arrays and for Tensors."""
    with pytest.raises(Exception, match=r".") as theirs:
        evaluate(line, False, ARRAYS)
    kinds = (
        *(kind for kind in (IndexError, ValueError, TypeError) if issubclass(theirs.type, kind)),
        TypeError,
    )
    tensors = {name: ts.tensor(array) for name, array in ARRAYS.items()}
    indexed = line.startswith("S[") and doors.NAME != "numpy"  # CuPy wraps the index
    for names in (tensors,) if indexed else (PLACED, tensors):
        with pytest.raises(kinds, match=r"."):
            evaluate(line, True, names)
