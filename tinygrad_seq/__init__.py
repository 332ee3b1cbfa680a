"""tinygrad_seq: sequence learning from scratch, on a tape that reads like the mathematics.

>>> import tinygrad_seq as ts
>>> x = ts.tensor([1.0, 2.0], requires_grad=True)
>>> loss = ts.sum(3.0 * ts.square(x))
>>> loss.backward()
>>> x.grad
tensor([ 6., 12.], float32, cpu)
"""

from typing import NoReturn

from tinygrad_seq import nn, optim
from tinygrad_seq.batching.matrices import hessian, jacobian
from tinygrad_seq.batching.vmap import vmap
from tinygrad_seq.derive.flat import flatten
from tinygrad_seq.derive.functions import hvp, jvp, value_and_grad, vjp
from tinygrad_seq.derive.gradient import grad
from tinygrad_seq.engine.backend import devices
from tinygrad_seq.engine.mode import no_grad
from tinygrad_seq.engine.primitive import numpy_function, primitive, safe_product
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops import fft, linalg, special
from tinygrad_seq.ops.angles import angle, arctan2, deg2rad, degrees, hypot, rad2deg, radians
from tinygrad_seq.ops.bits import bitwise_and, bitwise_or, bitwise_xor, invert, left_shift, right_shift
from tinygrad_seq.ops.choice import (
    clip,
    fmax,
    fmin,
    heaviside,
    maximum,
    minimum,
    nan_to_num,
    relu,
    stop_gradient,
    where,
)
from tinygrad_seq.ops.comparison import (
    equal,
    greater,
    greater_equal,
    isclose,
    isfinite,
    isinf,
    isnan,
    isneginf,
    isposinf,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    not_equal,
    sign,
    signbit,
)
from tinygrad_seq.ops.counting import bincount, histogram
from tinygrad_seq.ops.creation import empty_like, full_like, ones_like, zeros_like
from tinygrad_seq.ops.cumulative import cumsum, cumulative_sum
from tinygrad_seq.ops.diagonals import diag, diagflat, diagonal, trace
from tinygrad_seq.ops.differences import diff, ediff1d, gradient, trapezoid
from tinygrad_seq.ops.editing import delete, insert, resize
from tinygrad_seq.ops.einsum import einsum, outer
from tinygrad_seq.ops.element_products import cumprod, cumulative_prod, prod
from tinygrad_seq.ops.elementwise import (
    abs,
    add,
    astype,
    cbrt,
    copysign,
    divide,
    fabs,
    float_power,
    ldexp,
    multiply,
    negative,
    positive,
    power,
    reciprocal,
    sqrt,
    square,
    subtract,
)
from tinygrad_seq.ops.exponential import (
    exp,
    exp2,
    expm1,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logaddexp2,
    sigmoid,
    softplus,
    tanh,
)
from tinygrad_seq.ops.hyperbolic import arccosh, arcsinh, arctanh, cosh, sinh
from tinygrad_seq.ops.indexing import getitem, scatter_add, take, take_along_axis
from tinygrad_seq.ops.interpolation import interp
from tinygrad_seq.ops.joining import (
    append,
    array_split,
    block,
    column_stack,
    concatenate,
    dsplit,
    dstack,
    hsplit,
    hstack,
    split,
    stack,
    unstack,
    vsplit,
    vstack,
)
from tinygrad_seq.ops.linalg import cholesky, matmul, norm, solve, tril, triu
from tinygrad_seq.ops.missing import (
    nancumprod,
    nancumsum,
    nanmax,
    nanmean,
    nanmedian,
    nanmin,
    nanpercentile,
    nanprod,
    nanquantile,
    nanstd,
    nansum,
    nanvar,
)
from tinygrad_seq.ops.ordering import (
    argmax,
    argmin,
    argpartition,
    argsort,
    lexsort,
    nanargmax,
    nanargmin,
    partition,
    sort,
)
from tinygrad_seq.ops.products import (
    convolve,
    correlate,
    cross,
    dot,
    inner,
    kron,
    matvec,
    tensordot,
    vdot,
    vecdot,
    vecmat,
)
from tinygrad_seq.ops.quantiles import median, percentile, ptp, quantile
from tinygrad_seq.ops.real import conj, conjugate, imag, iscomplex, isreal, real, real_if_close
from tinygrad_seq.ops.rearranging import (
    flip,
    fliplr,
    flipud,
    moveaxis,
    pad,
    repeat,
    roll,
    rollaxis,
    rot90,
    tile,
)
from tinygrad_seq.ops.reduction import max, min, sum
from tinygrad_seq.ops.rounding import (
    around,
    ceil,
    divmod,
    fix,
    floor,
    floor_divide,
    fmod,
    mod,
    modf,
    remainder,
    rint,
    round,
    trunc,
)
from tinygrad_seq.ops.searching import (
    argwhere,
    count_nonzero,
    digitize,
    flatnonzero,
    ix_,
    nonzero,
    searchsorted,
    unique,
)
from tinygrad_seq.ops.selecting import choose, compress, extract, select
from tinygrad_seq.ops.shape import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    broadcast_arrays,
    broadcast_to,
    expand_dims,
    matrix_transpose,
    meshgrid,
    ravel,
    reshape,
    squeeze,
    swapaxes,
    transpose,
)
from tinygrad_seq.ops.softmax import log_softmax, logsumexp, softmax
from tinygrad_seq.ops.spacing import geomspace, linspace, logspace
from tinygrad_seq.ops.statistics import average, corrcoef, cov, mean, std, var
from tinygrad_seq.ops.trigonometric import arccos, arcsin, arctan, cos, sin, sinc, tan
from tinygrad_seq.ops.truth import all, any
from tinygrad_seq.scan import explain, pure, scan, workspace_limit
from tinygrad_seq.scan.emitter import emitter
from tinygrad_seq.study.anomaly import detect_anomaly
from tinygrad_seq.study.show import step, tape
from tinygrad_seq.tensor import habits
from tinygrad_seq.tensor.creation import ones, tensor, zeros
from tinygrad_seq.tensor.tensor import Tensor
from tinygrad_seq.training.serialize import load, save
from tinygrad_seq.version import __version__

__all__ = [  # in the order in which a reader should meet them
    # the tensor
    "tensor",
    "Tensor",
    "zeros",
    "ones",
    "devices",
    "no_grad",
    "detect_anomaly",
    # derivatives
    "grad",
    "vjp",
    "jvp",
    "value_and_grad",
    "jacobian",
    "hessian",
    "hvp",
    "vmap",
    "flatten",
    # loops over time
    "scan",
    "explain",
    "pure",
    "emitter",
    "workspace_limit",
    # the tape
    "tape",
    "step",
    # elementwise
    "safe_product",
    "add",
    "subtract",
    "multiply",
    "divide",
    "negative",
    "positive",
    "reciprocal",
    "power",
    "float_power",
    "square",
    "sqrt",
    "cbrt",
    "abs",
    "fabs",
    "copysign",
    "ldexp",
    "astype",
    # exponential
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "logaddexp",
    "logaddexp2",
    "tanh",
    "sigmoid",
    "softplus",
    # trigonometric
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinc",
    # hyperbolic
    "sinh",
    "cosh",
    "arcsinh",
    "arccosh",
    "arctanh",
    # angles
    "arctan2",
    "hypot",
    "angle",
    "deg2rad",
    "rad2deg",
    "radians",
    "degrees",
    # rounding
    "floor",
    "ceil",
    "trunc",
    "fix",
    "rint",
    "round",
    "around",
    "floor_divide",
    "remainder",
    "mod",
    "fmod",
    "divmod",
    "modf",
    # choice
    "relu",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "clip",
    "where",
    "nan_to_num",
    "heaviside",
    "stop_gradient",
    # comparison
    "sign",
    "isnan",
    "isfinite",
    "isinf",
    "isposinf",
    "isneginf",
    "signbit",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "logical_not",
    "logical_and",
    "logical_or",
    "logical_xor",
    "isclose",
    # bits
    "invert",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "left_shift",
    "right_shift",
    # real and imaginary parts
    "real",
    "imag",
    "conjugate",
    "conj",
    "real_if_close",
    "isreal",
    "iscomplex",
    # creation
    "zeros_like",
    "ones_like",
    "empty_like",
    "full_like",
    # truth
    "all",
    "any",
    # reduction
    "sum",
    "max",
    "min",
    "logsumexp",
    # products of elements
    "prod",
    "cumprod",
    "cumulative_prod",
    # cumulative
    "cumsum",
    "cumulative_sum",
    # statistics
    "mean",
    "var",
    "std",
    "average",
    "cov",
    "corrcoef",
    # counting
    "bincount",
    "histogram",
    # differences
    "diff",
    "ediff1d",
    "gradient",
    "trapezoid",
    # quantiles
    "ptp",
    "median",
    "quantile",
    "percentile",
    # missing
    "nansum",
    "nanprod",
    "nanmean",
    "nanvar",
    "nanstd",
    "nanmax",
    "nanmin",
    "nancumsum",
    "nancumprod",
    "nanmedian",
    "nanquantile",
    "nanpercentile",
    # shape
    "reshape",
    "transpose",
    "swapaxes",
    "broadcast_to",
    "expand_dims",
    "squeeze",
    "ravel",
    "broadcast_arrays",
    "meshgrid",
    "matrix_transpose",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    # indexing
    "getitem",
    "take",
    "take_along_axis",
    "scatter_add",
    # rearranging
    "moveaxis",
    "flip",
    "roll",
    "pad",
    "repeat",
    "tile",
    "fliplr",
    "flipud",
    "rot90",
    "rollaxis",
    # ordering
    "argmax",
    "argmin",
    "argsort",
    "sort",
    "nanargmax",
    "nanargmin",
    "argpartition",
    "partition",
    "lexsort",
    # joining
    "concatenate",
    "stack",
    "split",
    "unstack",
    "vstack",
    "hstack",
    "dstack",
    "column_stack",
    "append",
    "block",
    "array_split",
    "hsplit",
    "vsplit",
    "dsplit",
    # editing
    "delete",
    "insert",
    "resize",
    # diagonals
    "diagonal",
    "trace",
    "diag",
    "diagflat",
    # products
    "dot",
    "inner",
    "vdot",
    "vecdot",
    "matvec",
    "vecmat",
    "kron",
    "cross",
    "convolve",
    "correlate",
    # spacing
    "linspace",
    "logspace",
    "geomspace",
    # selecting
    "select",
    "choose",
    "compress",
    "extract",
    # searching
    "nonzero",
    "flatnonzero",
    "argwhere",
    "ix_",
    "count_nonzero",
    "searchsorted",
    "digitize",
    "unique",
    # interpolation
    "interp",
    # linalg
    "matmul",
    "tril",
    "triu",
    "solve",
    "cholesky",
    "norm",
    "linalg",
    # fft
    "fft",
    # einsum
    "einsum",
    "outer",
    "tensordot",
    # softmax
    "softmax",
    "log_softmax",
    # special functions
    "special",
    # ops of your own
    "primitive",
    "example",
    "numpy_function",
    # models
    "nn",
    "optim",
    "save",
    "load",
    "__version__",
]


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(habits.say_or_function(name, "tinygrad_seq", habits.NAMES), name=name)
