"""Every op compared with PyTorch, in float64: values, gradients, and gradients of gradients.

The laws compare a rule with its forward function. Whether the forward function is right is tested against NumPy
in `test_values.py`, and against a second library here. A primitive and the public function that calls it share
a name, and so an entry: a list of calls, each with our function, PyTorch's function, and the arrays for both.
"""

import math

import numpy as np
import pytest
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq.engine.primitive import FUNCTIONS, PRIMITIVES
from tinygrad_seq.ops.indexing import ARRAY
from tinygrad_seq.testing.differences import noise

torch = pytest.importorskip("torch", reason="PyTorch is not installed: no op is compared with it")
torch.set_num_threads(1)
F = torch.nn.functional
pytestmark = pytest.mark.oracle

rng = np.random.default_rng(0)
GRID = rng.permutation(24)
S = (GRID - 11.5).reshape(2, 3, 4) / 8  # of either sign, no ties
P = (GRID + 4.0).reshape(2, 3, 4) / 16  # positive
M, Q, V = S[0], rng.normal(size=(3, 3)) + 3 * np.eye(3), S[1, 2]
Z = P[0] * [[1, 0, 1, 1], [1, 1, 1, 1], [0, 1, 0, 1]]  # rows with one zero, none, two
GAPS = np.where(abs(S) < 0.3, np.nan, S)
INDEX = np.array([2, 0, 2])
PLACES = np.array([[0, 3], [1, 1], [2, 0]])
FLAGS = M > 0
EDGES = np.sort(V)
T = torch.tensor
THIRDS = T([[0.0], [1.0], [2.0], [3.0]], dtype=torch.float64) / 3
lerp = torch.quantile


def pointwise(x=S):
    """A call of a function with the same name in both libraries: (ours, PyTorch's, an array)."""
    return lambda name: [(FUNCTIONS[name], getattr(torch, name, None) or getattr(F, name), x)]


def special(x=S, theirs=None):
    """A call of a function of scipy.special, by its name there."""
    return lambda name: [(FUNCTIONS[name], theirs or getattr(torch.special, name.rpartition(".")[2]), x)]


NODES, WEIGHTS = map(torch.tensor, np.polynomial.legendre.leggauss(200))


def mean(f, end):
    """The mean of f(t) for 0 <= t <= end."""
    return f(end * (NODES + 1) / 2) @ WEIGHTS / 2


def first_kind(n):
    """J_n(x), DLMF 10.9.2."""
    return lambda x: mean(lambda t: torch.cos(x[..., None] * torch.sin(t) - n * t), math.pi)


def second_kind(n):
    """Y_n(x), DLMF 10.9.7; of its integral up to infinity the part from 7 is too small to count."""

    def growth(t):
        return torch.exp(n * t) + (-1) ** n * torch.exp(-n * t)

    return lambda x: (
        mean(lambda t: torch.sin(x[..., None] * torch.sin(t) - n * t), math.pi)
        - mean(lambda t: growth(t) * torch.exp(-x[..., None] * torch.sinh(t)), 7) * 7 / math.pi
    )


def modified(n, shift=0):
    """I_n(x) e^(-shift x), DLMF 10.32.3."""
    return lambda x: mean(
        lambda t: torch.exp(x[..., None] * (torch.cos(t) - shift)) * torch.cos(n * t), math.pi
    )


def log_gamma(x):
    """Stirling's series at x + 12, DLMF 5.11.1, and back; the second derivative of PyTorch's has 9 digits."""
    y = x + 12
    series = 1 / (12 * y) - 1 / (360 * y**3) + 1 / (1260 * y**5) - 1 / (1680 * y**7) + 1 / (1188 * y**9)
    far = (y - 0.5) * torch.log(y) - y + math.log(2 * math.pi) / 2 + series
    return far - sum(torch.log(x + k) for k in range(12))


def log_beta(x, y):
    return log_gamma(x) + log_gamma(y) - log_gamma(x + y)


def log_multigamma(x):
    """In three dimensions."""
    return 1.5 * math.log(math.pi) + log_gamma(x) + log_gamma(x - 0.5) + log_gamma(x - 1)


def digamma(x):
    return torch.autograd.grad(log_gamma(x).sum(), x, create_graph=True)[0]


def constant():
    """A call of a function that is constant here; PyTorch's has a derivative of zeros."""
    return lambda name: [(FUNCTIONS[name], lambda x: getattr(torch, name)(x.detach()), S)]


def binary(theirs, x=P, y=P[:, ::-1] + 0.01):
    return lambda name: [(FUNCTIONS[name], theirs, x, y), (FUNCTIONS[name], theirs, x, y[:1, 1:2])]


def reducing(theirs, x=S):
    """Calls over one axis, over two with keepdims, and over all axes."""
    return lambda name: [
        (lambda x: FUNCTIONS[name](x, 1), lambda x: theirs(x, (1,), False), x),
        (lambda x: FUNCTIONS[name](x, axis=(0, -1), keepdims=True), lambda x: theirs(x, (0, -1), True), x),
        (lambda x: FUNCTIONS[name](x), lambda x: theirs(x, (0, 1, 2), False), x),
    ]


def joining(x, y):
    """A call of a function that joins a list of arrays, with the same name in both libraries."""
    return lambda name: [(lambda *xs: FUNCTIONS[name](xs), lambda *xs: getattr(torch, name)(xs), x, y)]


def cut(functions, name):
    return lambda x: functions[name](x, [1])


def filled(x, value):
    return torch.where(x.isnan(), value, x)


def permuted(x, *axes):
    return torch.permute(x, axes)


TABLE = {
    **{f: pointwise() for f in ("exp", "expm1", "tanh", "sigmoid", "softplus", "sin", "cos", "relu", "square")},
    **{f: pointwise() for f in ("abs", "negative", "isnan", "isfinite", "logical_not")},
    **{f: pointwise(P) for f in ("log", "log1p", "sqrt")},
    **{f: pointwise() for f in ("tan", "arctan", "sinh", "cosh", "arcsinh", "exp2", "sinc", "deg2rad")},
    **{f: pointwise() for f in ("rad2deg", "isinf", "signbit", "positive", "reciprocal", "isreal", "real")},
    **{f: pointwise() for f in ("isposinf", "isneginf", "nan_to_num")},
    **{f: constant() for f in ("floor", "ceil", "trunc", "angle")},
    **{f: pointwise(P) for f in ("log2", "log10")},
    **{f: pointwise(P / 2 - 0.4) for f in ("arcsin", "arccos", "arctanh")},
    "arccosh": [(ts.arccosh, torch.arccosh, 1 + P)],
    "cbrt": [(ts.cbrt, lambda x: torch.sign(x).detach() * torch.abs(x) ** (1 / 3), S)],
    "rint": [(ts.rint, lambda x: torch.round(x.detach()), S)],
    "round": [(lambda x: ts.round(x, 1), lambda x: torch.round(x.detach(), decimals=1), S)],
    "fabs": [(ts.fabs, torch.abs, S)],
    "conjugate": [(ts.conjugate, torch.conj_physical, S)],
    "real_if_close": [(ts.real_if_close, torch.real, S)],
    "imag": [(ts.imag, torch.zeros_like, S)],
    "iscomplex": [(ts.iscomplex, lambda x: ~torch.isreal(x), S)],
    "hypot": binary(torch.hypot),
    "copysign": [(lambda x: ts.copysign(x, -S), lambda x: torch.copysign(x, T(-S)), S[:, ::-1])],
    "ldexp": [(lambda x: ts.ldexp(x, [1, 5, 0, 3]), lambda x: torch.ldexp(x, T([1, 5, 0, 3])), S)],
    "fmax": binary(torch.fmax),
    "fmin": binary(torch.fmin),
    "heaviside": [(lambda h: ts.heaviside(1.0 * FLAGS, h), lambda h: torch.where(T(FLAGS), 1.0, h), V)],
    "logaddexp2": binary(torch.logaddexp2),
    "float_power": binary(torch.float_power),
    "floor_divide": [(ts.floor_divide, lambda x, y: torch.floor_divide(x.detach(), y.detach()), S, P)],
    "remainder": binary(torch.remainder, S, P),
    "fmod": binary(torch.fmod, S, P),
    "divmod": [(lambda x, y: ts.divmod(x, y)[1], torch.remainder, S, P)],
    "fraction": [(PRIMITIVES["fraction"].function, torch.frac, S)],
    "modf": [(lambda x: ts.modf(x)[0], torch.frac, S)],
    "isclose": binary(torch.isclose),
    "logical_xor": binary(torch.logical_xor, FLAGS, FLAGS[None, ::-1]),
    "bitwise_xor": binary(torch.bitwise_xor, FLAGS, FLAGS[None, ::-1]),
    "left_shift": [(ts.left_shift, torch.bitwise_left_shift, GRID, PLACES[:1, :1])],
    "right_shift": [(ts.right_shift, torch.bitwise_right_shift, GRID, PLACES[:1, 1:])],
    "sign": [(ts.sign, lambda x: torch.sign(x).detach(), S)],
    "invert": [(ts.invert, torch.bitwise_not, FLAGS)],
    "move": [(lambda x: PRIMITIVES["move"].function(x, "cpu", "cpu"), lambda x: x.to("cpu"), S)],
    "stop_gradient": [(lambda x: x * ts.stop_gradient(x), lambda x: x * x.detach(), S)],
    "safe_product": binary(torch.mul),
    "add": binary(torch.add),
    "subtract": binary(torch.sub),
    "multiply": binary(torch.mul),
    "divide": binary(torch.div),
    "power": binary(torch.pow),
    "maximum": binary(torch.maximum),
    "minimum": binary(torch.minimum),
    "logaddexp": binary(torch.logaddexp),
    "arctan2": binary(torch.arctan2, S),
    "equal": binary(torch.eq, M.round(), M.T.reshape(3, 4).round()[None]),
    "not_equal": binary(torch.ne, M.round(), M.T.reshape(3, 4).round()[None]),
    "less": binary(torch.lt, S, S[:, ::-1]),
    "less_equal": binary(torch.le, S, S[:, ::-1]),
    "greater": binary(torch.gt, S, S[:, ::-1]),
    "greater_equal": binary(torch.ge, S, S[:, ::-1]),
    "logical_and": binary(torch.logical_and, FLAGS, FLAGS[None, ::-1]),
    "logical_or": binary(torch.logical_or, FLAGS, FLAGS[None, ::-1]),
    "bitwise_and": binary(torch.bitwise_and, FLAGS, FLAGS[None, ::-1]),
    "bitwise_or": binary(torch.bitwise_or, FLAGS, FLAGS[None, ::-1]),
    "where": [(lambda x, y: ts.where(FLAGS, x, y), lambda x, y: torch.where(T(FLAGS), x, y), S, V)],
    "clip": [
        (lambda x: ts.clip(x, -0.5, 0.8), lambda x: torch.clamp(x, -0.5, 0.8), S),
        (lambda x, low: ts.clip(x, low), lambda x, low: torch.clamp(x, min=low.expand(2, 3, 4)), S, V / 3),
    ],
    **{f"special.{f}": special() for f in ("erf", "erfc", "ndtr", "log_ndtr", "expit", "i0", "i1", "i0e")},
    "special.i1e": special(),
    "special.entr": special(P),
    "special.logit": special(P / 2),
    "special.erfinv": special(P / 2 - 0.4),
    "special.erfcx": special(theirs=lambda x: torch.exp(x * x) * torch.erfc(x)),
    "special.erfcinv": special(P, lambda x: torch.erfinv(1 - x)),
    "special.ndtri": special(P / 2),
    "special.gammaln": special(P, log_gamma),
    "special.gamma": special(P, lambda x: torch.exp(log_gamma(x))),
    "special.rgamma": special(P, lambda x: torch.exp(-log_gamma(x))),
    "special.gammasgn": special(P, lambda x: torch.ones_like(x.detach())),
    "special.digamma": special(P, digamma),
    "special.betaln": binary(log_beta),
    "special.beta": binary(lambda x, y: torch.exp(log_beta(x, y))),
    "special.polygamma": [(lambda x: ts.special.polygamma(2, x), lambda x: torch.polygamma(2, x), P)],
    "special.multigammaln": [(lambda x: ts.special.multigammaln(x + 1, 3), lambda x: log_multigamma(x + 1), P)],
    "special.log_expit": special(theirs=F.logsigmoid),
    "special.xlogy": binary(torch.special.xlogy, S),
    "special.xlog1py": binary(torch.special.xlog1py, S),
    "special.rel_entr": binary(lambda x, y: x * torch.log(x / y)),
    "special.kl_div": binary(lambda x, y: x * torch.log(x / y) - x + y),
    "special.softmax": [(lambda x: ts.special.softmax(x, 1), lambda x: torch.softmax(x, 1), S)],
    "special.log_softmax": [(lambda x: ts.special.log_softmax(x, 0), lambda x: torch.log_softmax(x, 0), S)],
    "special.logsumexp": [
        (ts.special.logsumexp, lambda x: torch.logsumexp(x, (0, 1, 2)), S),
        (
            lambda x, b: ts.special.logsumexp(x, 1, b),
            lambda x, b: torch.log(torch.sum(b * torch.exp(x), 1)),
            S,
            P,
        ),
    ],
    "special.j0": special(theirs=first_kind(0)),
    "special.j1": special(theirs=first_kind(1)),
    "special.y0": special(P, second_kind(0)),
    "special.y1": special(P, second_kind(1)),
    "special.jv": [(lambda x: ts.special.jv(2, x), first_kind(2), S)],
    "special.yv": [(lambda x: ts.special.yv(2, x), second_kind(2), P)],
    "special.yn": [(lambda x: ts.special.yn(1, x), second_kind(1), P)],
    "special.iv": [(lambda x: ts.special.iv(2, x), modified(2), S)],
    "special.ive": [(lambda x: ts.special.ive(2, x), modified(2, shift=1), P)],
    "astype": [(lambda x: x.astype("float64") * x, lambda x: x.double() * x, S)],
    "cast": [(lambda x: x.astype(int), lambda x: x.long(), 3 * S)],
    "all": [(lambda x: ts.all(x > -1, 1), lambda x: torch.all(x > -1, 1), S)],
    "any": [(lambda x: ts.any(x > 1, 1), lambda x: torch.any(x > 1, 1), S)],
    "zeros_like": [(ts.zeros_like, torch.zeros_like, S)],
    "ones_like": [(ts.ones_like, torch.ones_like, S)],
    "sum": reducing(lambda x, axes, keep: torch.sum(x, axes, keepdim=keep)),
    "mean": reducing(lambda x, axes, keep: torch.mean(x, axes, keepdim=keep)),
    "max": reducing(lambda x, axes, keep: torch.amax(x, axes, keepdim=keep)),
    "min": reducing(lambda x, axes, keep: torch.amin(x, axes, keepdim=keep)),
    "logsumexp": reducing(lambda x, axes, keep: torch.logsumexp(x, axes, keepdim=keep)),
    "linalg.norm": [
        (ts.norm, torch.linalg.vector_norm, S),
        (lambda x: ts.norm(x, axis=1, keepdims=True), lambda x: torch.linalg.norm(x, dim=1, keepdim=True), S),
        (lambda x: ts.norm(x, 1, -1), lambda x: torch.linalg.vector_norm(x, 1, -1), S),
        (lambda x: ts.norm(x, math.inf, -1), lambda x: torch.linalg.vector_norm(x, math.inf, -1), S),
        (lambda x: ts.norm(x, axis=(0, 2)), lambda x: torch.linalg.matrix_norm(x, dim=(0, 2)), S),
    ],
    "var": [(lambda x: ts.var(x, (0, 2), ddof=1), lambda x: torch.var(x, (0, 2), correction=1), S)],
    "std": [(lambda x: ts.std(x, 1, ddof=1), lambda x: torch.std(x, 1, correction=1), S), (ts.std, lambda x:
             torch.std(x, correction=0), S)],
    "prod": [(ts.prod, torch.prod, P), (lambda x: ts.prod(x, 1), lambda x: torch.prod(x, 1), Z)],
    "bincount": [
        (lambda w: ts.bincount(INDEX, w, 5), lambda w: torch.zeros(5).double().index_add(0, T(INDEX), w), V[:3])
    ],
    "histogram": [(lambda x: ts.histogram(x, 3), lambda x: torch.histogram(x.detach().reshape(-1), 3), S)],
    "average": [
        (lambda x, w: ts.average(x, 1, w), lambda x, w: (x * w).sum(1) / w.sum(), M, P[0, 0]),
    ],
    "cov": [
        (ts.cov, torch.cov, M),
        (lambda x, w: ts.cov(x, ddof=0, fweights=[1, 2, 1, 3], aweights=w),
         lambda x, w: torch.cov(x, correction=0, fweights=T([1, 2, 1, 3]), aweights=w), M, P[0, 0]),
    ],
    "corrcoef": [(ts.corrcoef, torch.corrcoef, M)],
    "diff": [
        (lambda x: ts.diff(x, 2, 1), lambda x: torch.diff(x, 2, 1), S),
        (lambda x, y: ts.diff(x, prepend=y), lambda x, y: torch.diff(x, prepend=y), S, P),
    ],
    "steps": [(lambda x: PRIMITIVES["steps"].function(x, 2, 2), lambda x: x[..., 2:] - x[..., :-2], S)],
    "ediff1d": [(lambda x, y: ts.ediff1d(x, y), lambda x, y: torch.cat([torch.diff(x.reshape(-1)), y]), S, V)],
    "gradient": [
        (lambda x: ts.gradient(x, edge_order=2, axis=(1, 2)),
         lambda x: torch.gradient(x, edge_order=2, dim=(1, 2)), S),
        (lambda x: ts.gradient(x, GRID[:4].cumsum(), axis=2),
         lambda x: torch.gradient(x, spacing=(T(GRID[:4].cumsum() * 1.0),), dim=2)[0], S),
        (lambda x: ts.gradient(x, 0.7, axis=0), lambda x: torch.gradient(x, spacing=0.7, dim=0)[0], S),
    ],
    "trapezoid": [
        (lambda y, x: ts.trapezoid(y, x, axis=2), lambda y, x: torch.trapezoid(y, x, dim=2), S, P),
        (lambda y: ts.trapezoid(y, dx=0.3), lambda y: torch.trapezoid(y, dx=0.3), S),
    ],
    "ptp": reducing(lambda x, axes, keep: torch.amax(x, axes, keep) - torch.amin(x, axes, keep)),
    "median": [
        (lambda x: ts.median(x, 2), lambda x: torch.quantile(x, 0.5, 2), S),
        (lambda x: ts.median(x, 1), lambda x: torch.median(x, 1).values, S),
    ],
    "quantile": [
        (lambda x: ts.quantile(x, [0.2, 0.7], 2), lambda x: lerp(x, T([0.2, 0.7], dtype=x.dtype), 2), S),
        *(
            (lambda x, m=m: ts.quantile(x, 0.3, method=m), lambda x, m=m: lerp(x, 0.3, interpolation=m), S)
            for m in ("lower", "higher", "midpoint", "nearest")
        ),
    ],
    "percentile": [(lambda x: ts.percentile(x, 30, 0), lambda x: torch.quantile(x, 0.3, 0), S)],
    "ranked": [
        (lambda x: PRIMITIVES["ranked"].function(x, (3, 1)), lambda x: torch.sort(x)[0][..., [3, 1]], S)
    ],
    "nansum": [(lambda x: ts.nansum(x, 1), lambda x: torch.nansum(x, 1), GAPS)],
    "nanmean": [(lambda x: ts.nanmean(x, (0, 2)), lambda x: torch.nanmean(x, (0, 2)), GAPS)],
    "nanprod": [(lambda x: ts.nanprod(x, 1), lambda x: torch.prod(filled(x, 1.0), 1), GAPS)],
    "nancumsum": [(lambda x: ts.nancumsum(x, 1), lambda x: torch.cumsum(filled(x, 0.0), 1), GAPS)],
    "nancumprod": [(lambda x: ts.nancumprod(x, 1), lambda x: torch.cumprod(filled(x, 1.0), 1), GAPS)],
    "nanmax": [(lambda x: ts.nanmax(x, 1), lambda x: torch.amax(filled(x, -math.inf), 1), GAPS)],
    "nanmin": [(lambda x: ts.nanmin(x, 1), lambda x: torch.amin(filled(x, math.inf), 1), GAPS)],
    "nanvar": [(lambda x: ts.nanvar(x, ddof=1), lambda x: torch.var(x[~x.isnan()]), GAPS)],
    "nanstd": [(lambda x: ts.nanstd(x, ddof=1), lambda x: torch.std(x[~x.isnan()]), GAPS)],
    "nanmedian": [(lambda x: ts.nanmedian(x, 2), lambda x: torch.nanquantile(x, 0.5, 2), GAPS)],
    "nanquantile": [(lambda x: ts.nanquantile(x, 0.3, 2), lambda x: torch.nanquantile(x, 0.3, 2), GAPS)],
    "nanpercentile": [(lambda x: ts.nanpercentile(x, 30), lambda x: torch.nanquantile(x, 0.3), GAPS)],
    "cumprod": [
        (lambda x: ts.cumprod(x, 1), lambda x: torch.cumprod(x, 1), S),
        (lambda x: ts.cumprod(x, 1), lambda x: torch.cumprod(x, 1), Z),
    ],
    "cumulative_sum": [
        (lambda x: ts.cumulative_sum(x, axis=1), lambda x: torch.cumsum(x, 1), S),
    ],
    "cumulative_prod": [
        (lambda x: ts.cumulative_prod(x, axis=1), lambda x: torch.cumprod(x, 1), Z),
    ],
    "cumsum": [(lambda x: ts.cumsum(x, 1), lambda x: torch.cumsum(x, 1), S)],
    "softmax": [(lambda x: ts.softmax(x, 1), lambda x: torch.softmax(x, 1), S)],
    "log_softmax": [(lambda x: ts.log_softmax(x, 0), lambda x: torch.log_softmax(x, 0), S)],
    "argmax": [(lambda x: ts.argmax(x, 1), lambda x: torch.argmax(x, 1), S)],
    "argmin": [(ts.argmin, torch.argmin, S)],
    "argsort": [(ts.argsort, torch.argsort, S)],
    "sort": [(lambda x: ts.sort(x, 1), lambda x: torch.sort(x, 1).values, S)],
    "reshape": [(lambda x: ts.reshape(x, (4, -1)), lambda x: torch.reshape(x, (4, -1)), S)],
    "transpose": [(lambda x: ts.transpose(x, (1, 2, 0)), lambda x: permuted(x, 1, 2, 0), S)],
    "swapaxes": [(lambda x: ts.swapaxes(x, 0, -1), lambda x: torch.swapaxes(x, 0, -1), S)],
    "moveaxis": [(lambda x: ts.moveaxis(x, (0, 1), (-1, 0)), lambda x: torch.moveaxis(x, (0, 1), (-1, 0)), S)],
    "broadcast_to": [(lambda x: ts.broadcast_to(x, (2, 3, 4)), lambda x: torch.broadcast_to(x, (2, 3, 4)), V)],
    "expand_dims": [(lambda x: ts.expand_dims(x, 1), lambda x: torch.unsqueeze(x, 1), S)],
    "squeeze": [(lambda x: ts.squeeze(x, 1), lambda x: torch.squeeze(x, 1), S[:, :1])],
    "concatenate": [(lambda x, y: ts.concatenate([x, y], 1), lambda x, y: torch.cat([x, y], 1), S, S[:, 1:])],
    "stack": [(lambda x, y: ts.stack([x, y], -1), lambda x, y: torch.stack([x, y], -1), S, P)],
    "split": [(lambda x: ts.split(x, [1, 3], -1), lambda x: torch.tensor_split(x, [1, 3], -1), S)],
    "unstack": [(lambda x: ts.unstack(x, 1), lambda x: torch.unbind(x, 1), S)],
    "flip": [(lambda x: ts.flip(x, (0, 2)), lambda x: torch.flip(x, (0, 2)), S)],
    "roll": [(lambda x: ts.roll(x, (1, -2), (0, 2)), lambda x: torch.roll(x, (1, -2), (0, 2)), S)],
    "pad": [
        (
            lambda x: ts.pad(x, ((1, 0), (0, 2)), constant_values=3.0),
            lambda x: F.pad(x, (0, 2, 1, 0), value=3.0),
            M,
        )
    ],
    "repeat": [
        (lambda x: ts.repeat(x, [2, 0, 1], 1), lambda x: torch.repeat_interleave(x, T([2, 0, 1]), 1), S)
    ],
    "tile": [(lambda x: ts.tile(x, (2, 1, 3)), lambda x: torch.tile(x, (2, 1, 3)), M)],
    "getitem": [
        (lambda x: x[1, ..., 1:], lambda x: x[1, ..., 1:], S),
        (lambda x: x[:, INDEX], lambda x: x[:, T(INDEX)], S),
        (lambda x: x[:, FLAGS], lambda x: x[:, T(FLAGS)], S),
        (lambda x: x[[0, 1, 1], :, [3, 0, 0]], lambda x: x[[0, 1, 1], :, [3, 0, 0]], S),
    ],
    "scatter": [
        (
            lambda x: PRIMITIVES["scatter"].function(x, INDEX, key=(ARRAY,), shape=(4, 4)),
            lambda x: torch.zeros(4, 4, dtype=x.dtype).index_put((T(INDEX),), x, accumulate=True),
            M,
        )
    ],
    "scatter_add": [
        (
            lambda x, y: ts.scatter_add(x, INDEX, y),
            lambda x, y: x.index_put((T(INDEX),), y, accumulate=True),
            M,
            M[::-1] / 2,
        )
    ],
    "take": [(lambda x: ts.take(x, INDEX, 1), lambda x: torch.index_select(x, 1, T(INDEX)), S),
             (lambda x: ts.take(x, [[5, 5], [0, 3]]), lambda x: torch.take(x, T([[5, 5], [0, 3]])), S)],
    "take_along_axis": [
        (lambda x: ts.take_along_axis(x, PLACES, 1), lambda x: torch.take_along_dim(x, T(PLACES), 1), M)
    ],
    "scatter_along_axis": [
        (
            lambda x: PRIMITIVES["scatter_along_axis"].function(x, PLACES, axis=1, shape=(3, 4)),
            lambda x: torch.zeros(3, 4, dtype=x.dtype).scatter_add(1, T(PLACES), x),
            M[:, :2],
        )
    ],
    "matmul": [
        (ts.matmul, torch.matmul, S, V),
        (ts.matmul, torch.matmul, M, M.T),
        (ts.matmul, torch.matmul, S, S[:1].swapaxes(1, 2)),
    ],
    "tril": [(lambda x: ts.tril(x, -1), lambda x: torch.tril(x, -1), S)],
    "triu": [(ts.triu, torch.triu, S)],
    "linalg.solve": [(ts.solve, torch.linalg.solve, Q, M), (ts.solve, torch.linalg.solve, Q, V[:3])],
    "linalg.cholesky": [  # a symmetric function of x, because PyTorch reads both triangles
        (
            lambda x: ts.cholesky(x @ x.T + np.eye(3)),
            lambda x: torch.linalg.cholesky(x @ x.T + torch.eye(3, dtype=x.dtype)),
            M,
        )
    ],
    "cofactors": [
        (PRIMITIVES["cofactors"].function, lambda x: torch.linalg.det(x) * torch.linalg.inv(x).T, Q)
    ],
    "linalg.det": [
        (ts.linalg.det, torch.linalg.det, Q),
        (ts.linalg.det, torch.linalg.det, Q[:, None] + 4 * np.eye(3)),
    ],
    "linalg.slogdet": [(ts.linalg.slogdet, torch.linalg.slogdet, Q - 9 * np.eye(3))],
    "linalg.inv": [(ts.linalg.inv, torch.linalg.inv, Q)],
    "linalg.pinv": [
        (ts.linalg.pinv, torch.linalg.pinv, M),
        (ts.linalg.pinv, torch.linalg.pinv, S.swapaxes(1, 2)),
    ],
    "linalg.lstsq": [
        (
            lambda a, b: ts.linalg.lstsq(a, b).x,
            lambda a, b: torch.linalg.lstsq(a, b).solution,
            M.T,
            V[:, None],
        )
    ],
    "linalg.tensorsolve": [(ts.linalg.tensorsolve, torch.linalg.tensorsolve, Q[:, None], V[:3])],
    "linalg.tensorinv": [
        (lambda a: ts.linalg.tensorinv(a, 1), lambda a: torch.linalg.tensorinv(a, 1), Q[:, None])
    ],
    "linalg.eigh": [
        (
            lambda x: (ts.linalg.eigh(x @ x.T)[0], ts.square(ts.linalg.eigh(x @ x.T)[1])),
            lambda x: (torch.linalg.eigh(x @ x.T)[0], torch.linalg.eigh(x @ x.T)[1] ** 2),
            Q,
        )
    ],
    "linalg.eigvalsh": [(lambda x: ts.linalg.eigvalsh(x @ x.T), lambda x: torch.linalg.eigvalsh(x @ x.T), Q)],
    "linalg.svd": [
        (
            lambda x: (lambda u, s, v: (u * s[0] @ ts.tanh(s[:, None] * v), s))(*ts.linalg.svd(x, False)),
            lambda x: (lambda u, s, v: (u * s[0] @ torch.tanh(s[:, None] * v), s))(*torch.linalg.svd(x, False)),
            M,
        )
    ],
    "linalg.svdvals": [
        (ts.linalg.svdvals, torch.linalg.svdvals, M),
        (ts.linalg.svdvals, torch.linalg.svdvals, S),
    ],
    "linalg.qr": [(ts.linalg.qr, torch.linalg.qr, M.T), (ts.linalg.qr, torch.linalg.qr, Q)],
    "linalg.matrix_power": [
        (lambda x, n=n: ts.linalg.matrix_power(x, n), lambda x, n=n: torch.linalg.matrix_power(x, n), Q)
        for n in (1, 3, -2)
    ],
    "linalg.multi_dot": [
        (lambda *xs: ts.linalg.multi_dot(xs), lambda *xs: torch.linalg.multi_dot(xs), M.T, Q, M, V)
    ],
    "linalg.matrix_rank": [(ts.linalg.matrix_rank, torch.linalg.matrix_rank, S)],
    "linalg.cond": [
        (lambda x, p=p: ts.linalg.cond(x, p), lambda x, p=p: torch.linalg.cond(x, p), Q)
        for p in (None, -2)
    ]
    + [  # PyTorch's cond for other norms raises an error in its backward pass
        (
            lambda x, p=p: ts.linalg.cond(x, p),
            lambda x, p=p: torch.linalg.norm(x, p) * torch.linalg.norm(torch.linalg.inv(x), p),
            Q,
        )
        for p in ("fro", 1)
    ],
    "linalg.vector_norm": [
        (
            lambda x: ts.linalg.vector_norm(x, ord=3, axis=(0, 2)),
            lambda x: torch.linalg.vector_norm(x, 3, dim=(0, 2)),
            S,
        )
    ],
    "linalg.matrix_norm": [
        (lambda x, p=p: ts.linalg.matrix_norm(x, ord=p), lambda x, p=p: torch.linalg.matrix_norm(x, p), S)
        for p in ("fro", "nuc", 2, -2, 1, -math.inf)
    ],
    "linalg.diagonal": [
        (lambda x: ts.linalg.diagonal(x, offset=1), lambda x: torch.linalg.diagonal(x, offset=1), S)
    ],
    "linalg.trace": [(ts.linalg.trace, torch.trace, Q)],
    "linalg.outer": [(ts.linalg.outer, torch.outer, V, V[1:])],
    "linalg.cross": [(ts.linalg.cross, torch.linalg.cross, Q, Q[::-1] + 1)],
    "rfft": [(ts.fft.rfft, lambda x: torch.view_as_real(torch.fft.rfft(x)), S[..., :3])],
    "irfft": [
        (
            lambda x, n=n: ts.fft.irfft(x, n),
            lambda x, n=n: torch.fft.irfft(torch.view_as_complex(x), n),
            S[..., :2],
        )
        for n in (3, 4, 5)
    ],
    "fft.fftshift": [(ts.fft.fftshift, torch.fft.fftshift, S)],
    "fft.ifftshift": [(lambda x: ts.fft.ifftshift(x, 1), lambda x: torch.fft.ifftshift(x, 1), S)],
    "contract": [
        (
            lambda x, y: PRIMITIVES["contract"].function(x, y, "bij,jk->kbi"),
            lambda x, y: torch.einsum("bij,jk->kbi", x, y),
            S,
            M.T,
        )
    ],
    "einsum": [
        (lambda x: ts.einsum("ii->i", x), lambda x: torch.einsum("ii->i", x), Q),
        (lambda x, y: ts.einsum("...ij,...kj", x, y), lambda x, y: torch.einsum("...ij,...kj", x, y), S, M),
        (
            lambda x, y, z: ts.einsum("bi,ij,bj->b", x, y, z),
            lambda x, y, z: torch.einsum("bi,ij,bj->b", x, y, z),
            M.T,
            Q,
            M.T[::-1],
        ),
    ],
    # shape, joining, editing, rearranging
    "ravel": [(ts.ravel, torch.ravel, S), (lambda x: ts.ravel(x, "F"), lambda x: x.T.ravel(), M)],
    "broadcast_arrays": [(ts.broadcast_arrays, torch.broadcast_tensors, S, V)],
    "meshgrid": [
        (ts.meshgrid, lambda x, y: torch.meshgrid(x, y, indexing="xy"), V, V[1:]),
        (lambda x, y: ts.meshgrid(x, y, indexing="ij"), lambda x, y: torch.meshgrid(x, y, indexing="ij"), V, V),
    ],
    "matrix_transpose": [(ts.matrix_transpose, lambda x: x.mT, S)],
    **{f"atleast_{n}d": pointwise(V) for n in (1, 2, 3)},
    "vstack": joining(S, S[:1]),
    "hstack": joining(S, S[:, 1:]),
    "dstack": joining(S, S),
    "column_stack": joining(M, V[:3]),
    "append": [(ts.append, lambda x, y: torch.cat([x.ravel(), y]), M, V)],
    "block": [
        (
            lambda x, y: ts.block([[x, y], [y, x]]),
            lambda x, y: torch.cat([torch.cat([x, y], 1), torch.cat([y, x], 1)], 0),
            M,
            P[0],
        )
    ],
    "array_split": [(lambda x: ts.array_split(x, 3, -1), lambda x: torch.tensor_split(x, 3, -1), S)],
    **{f: [(cut(FUNCTIONS, f), cut(vars(torch), f), S)] for f in ("hsplit", "vsplit", "dsplit")},
    "delete": [(lambda x: ts.delete(x, 1, 1), lambda x: x[:, [0, 2]], S)],
    "insert": [
        (
            lambda x, y: ts.insert(x, [1], y, axis=1),
            lambda x, y: torch.cat([x[:, :1], y, x[:, 1:]], 1),
            S,
            S[:, ::-1],
        )
    ],
    "resize": [(lambda x: ts.resize(x, (3, 3)), lambda x: torch.cat([x, x, x])[:9].reshape(3, 3), V)],
    "fliplr": [(ts.fliplr, torch.fliplr, S)],
    "flipud": [(ts.flipud, torch.flipud, S)],
    "rot90": [(lambda x, k=k: ts.rot90(x, k), lambda x, k=k: torch.rot90(x, k), S) for k in (1, 2, -1, 4)],
    "rollaxis": [(lambda x: ts.rollaxis(x, 2), lambda x: permuted(x, 2, 0, 1), S)],
    # diagonals and products
    "diagonal": [(lambda x: ts.diagonal(x, 1, 2, 0), lambda x: torch.diagonal(x, 1, 2, 0), S)],
    "trace": [(ts.trace, torch.trace, Q)],
    "diag": [(lambda x: ts.diag(x, -1), lambda x: torch.diag(x, -1), V), (ts.diag, torch.diag, M)],
    "diagflat": [(lambda x: ts.diagflat(x, 2), lambda x: torch.diagflat(x, 2), M)],
    "dot": [(ts.dot, torch.dot, V, V[::-1]), (ts.dot, torch.matmul, S, M.T)],
    "inner": [(ts.inner, torch.inner, S, M)],
    "vdot": [(ts.vdot, lambda x, y: torch.vdot(x.ravel(), y.ravel()), M, M.T)],
    "vecdot": [(ts.vecdot, torch.linalg.vecdot, S, M)],
    "matvec": [(ts.matvec, torch.matmul, S, V)],
    "vecmat": [(ts.vecmat, lambda x, y: (x[:, None] @ y)[:, 0], M.T[:2, :3], S)],
    "kron": [(ts.kron, torch.kron, M, Q)],
    "cross": [(ts.cross, torch.linalg.cross, M.T, Q[:1]), (lambda x, y: ts.cross(x, y, axis=0),
              lambda x, y: torch.linalg.cross(x, y, dim=0), M, P[0])],
    "convolve": [
        (ts.convolve, lambda x, y: F.conv1d(x[None, None], y.flip(0)[None, None], padding=2)[0, 0], V, V[1:]),
    ],
    "correlate": [(ts.correlate, lambda x, y: F.conv1d(x[None, None], y[None, None])[0, 0], V, V[2:])],
    # creation and spacing
    "empty_like": [(ts.empty_like, torch.zeros_like, S)],
    "full_like": [(lambda y: ts.full_like(S, y), lambda y: torch.broadcast_to(y, (2, 3, 4)), V)],
    "linspace": [(lambda x, y: ts.linspace(x, y, 4), lambda x, y: x + (y - x) * THIRDS, V, V + 1)],
    "logspace": [
        (lambda x, y: ts.logspace(x, y, 4, base=2.0), lambda x, y: 2 ** (x + (y - x) * THIRDS), V, V + 1)
    ],
    "geomspace": [
        (lambda x, y: ts.geomspace(x, y, 3), lambda x, y: torch.stack([x, torch.sqrt(x * y), y]), P[0], P[1])
    ],
    # selecting, searching, ordering, interpolation
    "select": [
        (
            lambda x, y: ts.select([M < 0, M < 1], [x, y], 2.0),
            lambda x, y: torch.where(T(M < 0), x, torch.where(T(M < 1), y, 2.0)),
            M,
            V,
        )
    ],
    "choose": [
        (lambda x, y: ts.choose(INDEX // 2, [x, y]), lambda x, y: torch.where(T(INDEX > 0), y, x), Q[0], V[1:])
    ],
    "compress": [(lambda x: ts.compress([0, 1, 1], x, 1), lambda x: x[:, 1:], S)],
    "extract": [(lambda x: ts.extract(FLAGS, x), lambda x: x[T(FLAGS)], M)],
    "nonzero": [(lambda x: ts.nonzero(x > 0), lambda x: torch.nonzero(x > 0, as_tuple=True), S)],
    "flatnonzero": [(lambda x: ts.flatnonzero(x > 0), lambda x: torch.nonzero(x.ravel() > 0)[:, 0], S)],
    "argwhere": [(lambda x: ts.argwhere(x > 0), lambda x: torch.argwhere(x > 0), S)],
    "ix_": [(lambda x: x[ts.ix_([2, 0], V > 0)], lambda x: x[[2, 0]][:, T(V > 0)], M)],
    "count_nonzero": [(lambda x: ts.count_nonzero(x > 0, 1), lambda x: torch.count_nonzero(x > 0, 1), S)],
    "searchsorted": [(lambda x: ts.searchsorted(EDGES, x), lambda x: torch.searchsorted(T(EDGES), x), S)],
    "digitize": [
        (lambda x: ts.digitize(x, EDGES), lambda x: torch.bucketize(x, T(EDGES), right=True), S)
    ],
    "unique": [(lambda x: ts.unique(x.detach()), lambda x: torch.unique(x.detach()), GRID % 5.0)],
    "nanargmax": [(lambda x: ts.nanargmax(x, 1), lambda x: torch.argmax(x, 1), S)],
    "nanargmin": [(lambda x: ts.nanargmin(x), lambda x: torch.argmin(x), S)],
    "argpartition": [(lambda x: ts.argpartition(x, 0)[..., 0], lambda x: torch.argmin(x, -1), S)],
    "partition": [(lambda x: ts.partition(x, 1)[..., 1], lambda x: torch.kthvalue(x, 2).values, S)],
    "lexsort": [(lambda x: ts.lexsort([x, FLAGS]), lambda x: torch.argsort(x + 99 * T(FLAGS)), M)],
    "interp": [
        (
            lambda x, y: ts.interp(x, [0.0, 1.0, 2.0], y[:3]),
            lambda x, y: torch.where(x < 1, y[0] + x * (y[1] - y[0]), y[1] + (x - 1) * (y[2] - y[1])),
            P,
            V,
        )
    ],
    "outer": [(ts.outer, torch.outer, V, V[1:])],
    "tensordot": [
        (
            lambda x, y: ts.tensordot(x, y, ([0, 2], [1, 0])),
            lambda x, y: torch.tensordot(x, y, ([0, 2], [1, 0])),
            S,
            S.T[:, 0],
        )
    ],
}  # fmt: skip


def calls():
    for name, entry in TABLE.items():
        for i, call in enumerate(entry(name) if callable(entry) else entry):
            yield pytest.param(*call[:2], call[2:], id=f"{name}-{i}")


def parts(outputs):
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.shape == tuple(other.shape)
        assert_allclose(one.numpy(), other.numpy(force=True), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("ours", "theirs", "arrays"), list(calls()))
def test_op(ours, theirs, arrays):
    """Values, the gradient for a random cotangent, and the gradient of this along random directions."""
    arrays = [np.array(a, order="C") for a in arrays]
    smooth = [a.dtype.kind == "f" for a in arrays]
    xs = [ts.tensor(a, requires_grad=on) for a, on in zip(arrays, smooth, strict=True)]
    xts = [torch.tensor(a, requires_grad=on) for a, on in zip(arrays, smooth, strict=True)]
    zs, zts = parts(ours(*xs)), parts(theirs(*xts))
    same(zs, zts)
    assert [z.requires_grad for z in zs] == [z.requires_grad for z in zts]
    if not zs[0].requires_grad:
        return
    draw = np.random.default_rng(1)
    gs = [noise(draw, z.shape) for z in zs]
    grads = ts.grad(zs, xs, gs, create_graph=True)
    theirs_grads = torch.autograd.grad(zts, xts, list(map(torch.tensor, gs)), create_graph=True)
    same(grads, theirs_grads)

    us = [noise(draw, x.shape) for x in xs]
    second = [ts.zeros_like(x) for x in xs]  # if the gradient is constant, as for linear ops
    if ends := [(grad, u) for grad, u in zip(grads, us, strict=True) if grad.requires_grad]:
        second = ts.grad([grad for grad, _ in ends], xs, [u for _, u in ends], zeros=True)
    expected = [torch.zeros_like(x) for x in xts]
    if ends := [(grad, T(u)) for grad, u in zip(theirs_grads, us, strict=True) if grad.requires_grad]:
        outputs, weights = zip(*ends, strict=True)
        expected = torch.autograd.grad(outputs, xts, weights, allow_unused=True, materialize_grads=True)
    same(second, expected)


def test_every_op_has_an_entry():
    """The table has exactly the registered ops; a primitive behind a public function shares its entry."""
    shared = {name.rpartition(".")[2] for name in FUNCTIONS}
    assert set(TABLE) == set(FUNCTIONS) | set(PRIMITIVES) - shared


def test_the_comparison_notices_a_difference():
    """Wrong values, a wrong gradient, and a function with a wrong second derivative."""
    test_op(lambda x: x * x, lambda x: x * x, [V])
    wrong = [lambda x: x * x * 1.0001, lambda x: 2 * x * x.detach() - x.detach() ** 2 + 0 * x, losing]
    for ours in wrong:
        with pytest.raises(AssertionError):
            test_op(ours, lambda x: x * x, [V])


def losing(x):
    """x^2, with a gradient 2x that is treated as a constant."""
    slope = ts.stop_gradient(2 * x)
    return slope * x - ts.stop_gradient(x * x)
