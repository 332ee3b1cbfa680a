"""From the operations of a program to nodes of ONNX: one table, with the form of each op.

A form is a function (graph, call) that adds nodes and returns the name of the result, or a list of names. Where
an op of ONNX differs from ours at some values (a softmax whose row is masked, an integer division), the form
adds the nodes that make it ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from tinygrad_seq.nn.onnx.graph import Array, Graph, kind_of
from tinygrad_seq.ops.indexing import ARRAY, MASK
from tinygrad_seq.ops.reduction import axes_of
from tinygrad_seq.ops.shape import order
from tinygrad_seq.scan.program import Spec

FIRST, LAST = np.iinfo(np.int64).min, np.iinfo(np.int64).max  # as bounds of a slice: the ends of the axis


class Call(NamedTuple):
    """A call that is to be written: its arguments x, the specs of its results z, and its metadata."""

    x: Sequence[Array]
    z: Sequence[Spec]
    meta: dict[str, Any]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.z[0].dtype


Form = Callable[[Graph, Call], "str | list[str]"]


class NoFormError(Exception):
    """A call that has no form in ONNX."""


# --- element by element -----------------------------------------------------------------------------------


def pointwise(write: Callable[..., str]) -> Form:
    """The form of an op whose arguments are first cast to the dtype of its result."""

    def form(g: Graph, call: Call) -> str:
        return write(g, *(g.cast(x, call.dtype) for x in call.x), call.dtype)

    return form


def op(kind: str) -> Form:
    """One node of ONNX."""
    return pointwise(lambda g, *x: g.node(kind, *x[:-1]))


def whole(kind: str) -> Form:
    """One node of ONNX for floats; integers stay as they are."""
    return pointwise(lambda g, x, dtype: g.node(kind if dtype.kind == "f" else "Identity", x))


def comparison(kind: str) -> Form:
    """A comparison, in the dtype in which NumPy compares; truth values compare as integers."""

    def form(g: Graph, call: Call) -> str:
        dtype = np.result_type(*(x.dtype for x in call.x))
        dtype = np.dtype(np.int32) if dtype.kind == "b" and kind != "Equal" else dtype
        return g.node(kind, *(g.cast(x, dtype) for x in call.x))

    return form


def logical(kind: str) -> Form:
    return lambda g, call: g.node(kind, *(g.cast(x, bool) for x in call.x))


def of_truths(kind: str, other: str) -> Form:
    """One node of ONNX for truth values, another one for numbers."""
    return pointwise(lambda g, *x: g.node(kind if x[-1].kind == "b" else other, *x[:-1]))


def scaled(factor: float, kind: str = "Identity") -> Form:
    return pointwise(lambda g, x, dtype: g.node("Mul", g.node(kind, x), g.constant(factor, dtype)))


def not_equal(g: Graph, call: Call) -> str:
    return g.node("Not", str(comparison("Equal")(g, call)))


def square(g: Graph, x: str, dtype: np.dtype[Any]) -> str:
    return g.node("Mul", x, x)


def log1p(g: Graph, x: str, dtype: np.dtype[Any]) -> str:
    """log(1 + x) x / ((1 + x) - 1), whose rounding errors cancel, and x where 1 + x is 1."""
    one = g.constant(1, dtype)
    y = g.node("Add", x, one)
    log, rest = g.node("Log", y), g.node("Sub", y, one)
    small = g.node("Equal", rest, g.constant(0, dtype))
    z = g.node("Mul", log, g.node("Div", x, g.node("Where", small, one, rest)))
    z = g.node("Where", g.node("IsInf", x), log, z)
    return g.node("Where", small, x, z)


def expm1(g: Graph, x: str, dtype: np.dtype[Any]) -> str:
    """exp(x) - 1 = tanh(x / 2) (exp(x) + 1), exact for small x."""
    half = g.node("Tanh", g.node("Mul", x, g.constant(0.5, dtype)))
    return g.node("Mul", half, g.node("Add", g.node("Exp", x), g.constant(1, dtype)))


def softplus(g: Graph, x: str, dtype: np.dtype[Any]) -> str:
    """max(x, 0) + log(1 + exp(-|x|)): no exponential above 1."""
    return g.node("Add", g.node("Relu", x), g.node("Softplus", g.node("Neg", g.node("Abs", x))))


def log_sigmoid(g: Graph, x: str, dtype: np.dtype[Any]) -> str:
    return g.node("Neg", softplus(g, g.node("Neg", x), dtype))


def logaddexp(g: Graph, x: str, y: str, dtype: np.dtype[Any]) -> str:
    """max(x, y) + log(1 + exp(-|x - y|)); x + log 2 where they are equal, as infinities may be."""
    rest = g.node("Softplus", g.node("Neg", g.node("Abs", g.node("Sub", x, y))))
    same = g.node("Add", x, g.constant(math.log(2), dtype))
    return g.node("Where", g.node("Equal", x, y), same, g.node("Add", g.node("Max", x, y), rest))


def trunc(g: Graph, x: str, dtype: np.dtype[Any]) -> str:
    if dtype.kind != "f":
        return x
    return g.node("Mul", g.node("Sign", x), g.node("Floor", g.node("Abs", x)))


def remainder(g: Graph, x: str, y: str, dtype: np.dtype[Any]) -> str:
    """The remainder with the sign of y: of floats, ONNX has that with the sign of x."""
    if dtype.kind != "f":
        return g.node("Mod", x, y)
    rest = g.node("Mod", x, y, fmod=1)
    return g.node("Where", turned(g, rest, y, dtype), g.node("Add", rest, y), rest)


def turned(g: Graph, rest: str, y: str, dtype: np.dtype[Any]) -> str:
    """Whether a remainder is not 0 and has another sign than y."""
    zero = g.constant(0, dtype)
    other = g.node("Xor", g.node("Less", rest, zero), g.node("Less", y, zero))
    return g.node("And", other, g.node("Not", g.node("Equal", rest, zero)))


def floor_divide(g: Graph, x: str, y: str, dtype: np.dtype[Any]) -> str:
    """(x - rest) / y, which is whole, 1 less if the rest has another sign than y; of floats x / 0 if y is 0."""
    if dtype.kind != "f":
        return g.node("Div", g.node("Sub", x, remainder(g, x, y, dtype)), y)
    rest, zero = g.node("Mod", x, y, fmod=1), g.constant(0, dtype)
    z = g.node("Round", g.node("Div", g.node("Sub", x, rest), y))
    less = g.node("Where", turned(g, rest, y, dtype), g.constant(1, dtype), zero)
    return g.node("Where", g.node("Equal", y, zero), g.node("Div", x, y), g.node("Sub", z, less))


def clip(g: Graph, x: str, low: str, high: str, dtype: np.dtype[Any]) -> str:
    return g.node("Min", g.node("Max", x, low), high)


def finite(g: Graph, call: Call) -> str:
    x = call.x[0]
    if x.dtype.kind != "f":
        return g.node("Equal", x.name, x.name)
    return g.node("Not", g.node("Or", g.node("IsInf", x.name), g.node("IsNaN", x.name)))


def where(g: Graph, call: Call) -> str:
    condition, x, y = call.x
    return g.node("Where", g.cast(condition, bool), g.cast(x, call.dtype), g.cast(y, call.dtype))


def safe_product(g: Graph, x: str, y: str, dtype: np.dtype[Any]) -> str:
    zero = g.constant(0, dtype)
    return g.node("Where", g.node("Equal", x, zero), zero, g.node("Mul", x, y))


def valid_index(g: Graph, call: Call) -> str:
    """An index below 0 becomes one that is too large, so that the Gather after it fails: ONNX would wrap it."""
    (x,) = call.x
    bad = g.node("Less", x.name, g.constant(0, x.dtype))
    if (ignored := call.meta["ignore"]) is not None:
        bad = g.node("And", bad, g.node("Not", g.node("Equal", x.name, g.constant(ignored, x.dtype))))
    return g.node("Where", bad, g.constant(call.meta["count"], x.dtype), x.name)


# --- shapes -----------------------------------------------------------------------------------------------


def same(g: Graph, call: Call) -> str:
    return g.cast(call.x[0], call.dtype)


def reshape(g: Graph, call: Call) -> str:
    return g.reshape(call.x[0].name, call.x[0].shape, call.z[0].shape)


def transpose(g: Graph, call: Call) -> str:
    (x,) = call.x
    if not x.ndim:
        return x.name
    return g.node("Transpose", x.name, perm=[a % x.ndim for a in order(call.meta["axes"], x.ndim)])


def broadcast_to(g: Graph, call: Call) -> str:
    return g.node("Expand", call.x[0].name, g.vector(call.z[0].shape))


def filled(value: int) -> Form:
    def form(g: Graph, call: Call) -> str:
        shape = call.z[0].shape
        if all(isinstance(n, int) for n in shape):
            return g.constant(np.full(shape, value, call.dtype))
        return g.node("Expand", g.constant(value, call.dtype), g.vector(shape))

    return form


def concatenate(g: Graph, call: Call) -> str:
    axis = call.meta["axis"] % call.x[0].ndim
    return g.node("Concat", *(g.cast(x, call.dtype) for x in call.x), axis=axis)


def stack(g: Graph, call: Call) -> str:
    axis = call.meta["axis"] % (call.x[0].ndim + 1)
    at = g.constant([axis], np.int64)
    return g.node("Concat", *(g.node("Unsqueeze", g.cast(x, call.dtype), at) for x in call.x), axis=axis)


def split(g: Graph, call: Call) -> list[str]:
    axis = call.meta["axis"] % call.x[0].ndim
    sections = g.vector([z.shape[axis] for z in call.z])
    return g.nodes_of("Split", [call.x[0].name, sections], ["part"] * len(call.z), axis=axis)


def unstack(g: Graph, call: Call) -> list[str]:
    (x,), axis = call.x, call.meta["axis"] % call.x[0].ndim
    at = [g.constant(i, np.int64) for i in range(len(call.z))]
    return [g.node("Gather", x.name, i, axis=axis) for i in at]


def pad(g: Graph, call: Call) -> str:
    (x,) = call.x
    widths, z = call.meta["widths"], x.name
    values = {value for pair in call.meta["values"] for value in pair}
    for value in sorted(values):
        here = [
            [width if v == value else 0 for width, v in zip(*pair, strict=True)]
            for pair in zip(widths, call.meta["values"], strict=True)
        ]
        pads = g.vector([*(before for before, _ in here), *(after for _, after in here)])
        z = g.node("Pad", z, pads, g.constant(value, call.dtype))
    return z


def roll(g: Graph, call: Call) -> str:
    """Along each axis the elements from -shift on, modulo its length, and then those before."""
    (x,), shift, axis = call.x, call.meta["shift"], call.meta["axis"]
    z, zero = x.name, g.constant([0], np.int64)
    for by, along in zip(*(n if isinstance(n, tuple) else (n,) for n in (shift, axis)), strict=True):
        at, end = g.constant([along % x.ndim], np.int64), g.size(x.shape[along])
        cut = g.node("Mod", g.node("Neg", g.size(by)), end)
        parts = g.node("Slice", z, cut, end, at), g.node("Slice", z, zero, cut, at)
        z = g.node("Concat", *parts, axis=along % x.ndim)
    return z


def triangle(upper: int) -> Form:
    def form(g: Graph, call: Call) -> str:
        return g.node("Trilu", call.x[0].name, g.constant(call.meta["k"], np.int64), upper=upper)

    return form


# --- indexing ---------------------------------------------------------------------------------------------


def getitem(g: Graph, call: Call) -> str:
    """x[key]: slices first, since they keep their axes; then index arrays or numbers; new axes at the end."""
    x, *arrays = call.x
    key = spelled_out(call.meta["key"], x.ndim)
    if any(part is MASK or isinstance(part, bool) for part in key) or (arrays and None in key):
        raise NoFormError("with a mask, or with index arrays and None")
    parts = [part for part in key if part is not None]
    z = slices(g, x.name, parts)
    chosen = [axis for axis, part in enumerate(parts) if not isinstance(part, slice)]
    if arrays:  # a number among index arrays is one of them
        given = iter(arrays)
        indices = [next(given) if parts[a] == ARRAY else g.number(parts[a]) for a in chosen]
        return gathered(g, z, x.ndim, chosen, indices)
    for axis in reversed(chosen):
        z = g.node("Gather", z, g.number(parts[axis]).name, axis=axis)
    left = [part for part in key if part is None or isinstance(part, slice)]
    new = [axis for axis, part in enumerate(left) if part is None]
    return g.node("Unsqueeze", z, g.constant(new, np.int64)) if new else z


def spelled_out(key: Sequence[Any], ndim: int) -> list[Any]:
    """A key with a part for every axis, and None for every new one."""
    parts = list(key)
    dots = parts.index(Ellipsis) if Ellipsis in parts else len(parts)
    count = sum(part is not None and part is not Ellipsis for part in parts)
    return [*parts[:dots], *[slice(None)] * (ndim - count), *parts[dots + 1 :]]


def slices(g: Graph, x: str, parts: Sequence[Any]) -> str:
    """x with the slices of a key; every other part leaves its axis as it is."""
    found = {a: part for a, part in enumerate(parts) if isinstance(part, slice) and part != slice(None)}
    if not found:
        return x
    steps = [1 if part.step is None else part.step for part in found.values()]
    ends = [(0, LAST) if step > 0 else (LAST, FIRST) for step in steps]
    starts = [e[0] if part.start is None else part.start for part, e in zip(found.values(), ends, strict=True)]
    stops = [e[1] if part.stop is None else part.stop for part, e in zip(found.values(), ends, strict=True)]
    axes = g.constant([*found], np.int64)
    return g.node("Slice", x, g.vector(starts), g.vector(stops), axes, g.constant(steps, np.int64))


def gathered(g: Graph, x: str, ndim: int, axes: list[int], indices: Sequence[Array]) -> str:
    """x with index arrays at some of its axes: their common shape replaces the axes, or comes first if they
    are apart."""
    numbers = [g.cast(index, np.int64) for index in indices]
    if len(axes) == 1:
        return g.node("Gather", x, numbers[0], axis=axes[0])
    rank, last = max(index.ndim for index in indices), g.constant([-1], np.int64)
    shape = g.node("Shape", reduce(lambda y, z: g.node("Add", y, z), numbers))
    rows = g.node("Concat", *(g.node("Unsqueeze", g.node("Expand", n, shape), last) for n in numbers), axis=-1)
    others = [axis for axis in range(ndim) if axis not in axes]
    z = g.node("GatherND", g.node("Transpose", x, perm=[*axes, *others]), rows)
    before = axes[0] if axes == [*range(axes[0], axes[-1] + 1)] else 0  # the axes that come before the rows
    perm = [*range(rank, rank + before), *range(rank), *range(rank + before, rank + len(others))]
    return g.node("Transpose", z, perm=perm)


def take_along_axis(g: Graph, call: Call) -> str:
    x, indices = call.x
    return g.node("GatherElements", x.name, g.cast(indices, np.int64), axis=call.meta["axis"] % x.ndim)


# --- over axes --------------------------------------------------------------------------------------------


def over(g: Graph, kind: str, x: str, ndim: int, axis: Any, keepdims: bool) -> str:
    """A node that reduces the axes of our `axis`."""
    axes = g.constant(list(axes_of(axis, ndim)), np.int64)
    return g.node(kind, x, axes, keepdims=int(keepdims), noop_with_empty_axes=1)


def reduced(kind: str) -> Form:
    def form(g: Graph, call: Call) -> str:
        (x,), meta = call.x, call.meta
        return over(g, kind, g.cast(x, call.dtype), x.ndim, meta["axis"], meta["keepdims"])

    return form


def truth(kind: str) -> Form:
    """Whether the largest, or the smallest, truth value is true."""

    def form(g: Graph, call: Call) -> str:
        (x,), meta = call.x, call.meta
        return over_truths(g, kind, g.cast(x, bool), x.ndim, meta["axis"], meta["keepdims"])

    return form


def over_truths(g: Graph, kind: str, x: str, ndim: int, axis: Any, keepdims: bool) -> str:
    number = g.node("Cast", x, to=kind_of(np.int32))
    return g.node("Cast", over(g, kind, number, ndim, axis, keepdims), to=kind_of(bool))


def extremum(kind: str) -> Form:
    """The largest or the smallest element, NaN if one is NaN."""

    def form(g: Graph, call: Call) -> str:
        (x,), axis, keep = call.x, call.meta["axis"], call.meta["keepdims"]
        z = over(g, kind, x.name, x.ndim, axis, keep)
        return nan_if(g, g.node("IsNaN", x.name), x, axis, keep, z) if x.dtype.kind == "f" else z

    return form


def nan_if(g: Graph, bad: str, x: Array, axis: Any, keepdims: bool, z: str) -> str:
    """z, and NaN where an element along the axes is `bad`, about which ONNX Runtime may be silent."""
    some = over_truths(g, "ReduceMax", bad, x.ndim, axis, keepdims)
    return g.node("Where", some, g.constant(np.nan, x.dtype), z)


def norm(g: Graph, call: Call) -> str:
    """top norm(x / top), whose squares do not overflow, for the largest |x| unless that is 0 or infinite."""
    (x,), axis = call.x, call.meta["axis"]
    name, one = g.cast(x, call.dtype), g.constant(1, call.dtype)
    top = over(g, "ReduceMax", g.node("Abs", name), x.ndim, axis, True)
    valid = g.node("Greater", top, g.constant(0, call.dtype))
    valid = g.node("And", valid, g.node("Less", top, g.constant(math.inf, call.dtype)))
    top = g.node("Where", valid, top, one)
    z = g.node("Mul", top, over(g, "ReduceL2", g.node("Div", name, top), x.ndim, axis, True))
    return g.reshape(z, x.shape, call.z[0].shape)


def position(kind: str) -> Form:
    def form(g: Graph, call: Call) -> str:
        (x,), axis, keep = call.x, call.meta["axis"], call.meta["keepdims"]
        name = g.cast(x, np.int32) if x.dtype.kind == "b" else x.name
        if axis is None and x.ndim != 1:
            z = g.node(kind, g.node("Reshape", name, g.constant([-1], np.int64)), axis=0, keepdims=1)
            return g.reshape(z, (1,), call.z[0].shape)
        return g.node(kind, name, axis=(axis or 0) % x.ndim, keepdims=int(keep))

    return form


def softmax(g: Graph, call: Call) -> str:
    return unmasked(g, call, "Softmax", 0.0)


def log_softmax(g: Graph, call: Call) -> str:
    """NaN in a row with an element that is inf or NaN."""
    (x,), z = call.x, unmasked(g, call, "LogSoftmax", -math.inf)
    x = Array(g.cast(x, call.dtype), x.shape, call.dtype)
    bad = g.node("Not", g.node("Less", x.name, g.constant(math.inf, call.dtype)))
    return nan_if(g, bad, x, call.meta["axis"], True, z)


def unmasked(g: Graph, call: Call, kind: str, masked: float) -> str:
    """ONNX's, and `masked` in rows whose elements are all -inf, where ONNX's is NaN."""
    (x,), axis = call.x, call.meta["axis"]
    name, axes = g.cast(x, call.dtype), axes_of(axis, x.ndim)
    if len(axes) != 1:
        raise NoFormError("along several axes")
    empty = g.node("Equal", name, g.constant(-math.inf, call.dtype))
    empty = over_truths(g, "ReduceMin", empty, x.ndim, axis, True)
    return g.node("Where", empty, g.constant(masked, call.dtype), g.node(kind, name, axis=axes[0]))


def cumsum(g: Graph, call: Call) -> str:
    (x,), axis = call.x, call.meta["axis"]
    return g.node("CumSum", g.cast(x, call.dtype), g.constant(axis % x.ndim, np.int64))


def ordered(output: int) -> Form:
    """The sorted elements, or their places: of equal elements, the first one comes first."""

    def form(g: Graph, call: Call) -> str:
        (x,), axis = call.x, call.meta["axis"] % call.x[0].ndim
        count = g.size(x.shape[axis])
        return g.nodes_of("TopK", [x.name, count], ["sorted", "places"], axis=axis, largest=0)[output]

    return form


def contract(g: Graph, call: Call) -> str:
    return g.node("Einsum", *(g.cast(x, call.dtype) for x in call.x), equation=call.meta["subscripts"])


FORMS: dict[str, Form] = {
    "abs": op("Abs"),
    "fabs": op("Abs"),
    "negative": op("Neg"),
    "positive": op("Identity"),
    "conjugate": op("Identity"),
    "stop_gradient": op("Identity"),
    "reciprocal": op("Reciprocal"),
    "exp": op("Exp"),
    "log": op("Log"),
    "sqrt": op("Sqrt"),
    "sin": op("Sin"),
    "cos": op("Cos"),
    "tan": op("Tan"),
    "arcsin": op("Asin"),
    "arccos": op("Acos"),
    "arctan": op("Atan"),
    "sinh": op("Sinh"),
    "cosh": op("Cosh"),
    "arcsinh": op("Asinh"),
    "arccosh": op("Acosh"),
    "arctanh": op("Atanh"),
    "tanh": op("Tanh"),
    "sigmoid": op("Sigmoid"),
    "softplus": pointwise(softplus),
    "relu": op("Relu"),
    "erf": op("Erf"),
    "sign": op("Sign"),
    "floor": whole("Floor"),
    "ceil": whole("Ceil"),
    "rint": whole("Round"),
    "trunc": pointwise(trunc),
    "square": pointwise(square),
    "log1p": pointwise(log1p),
    "expm1": pointwise(expm1),
    "log_expit": pointwise(log_sigmoid),
    "log2": scaled(1 / math.log(2), "Log"),
    "log10": scaled(1 / math.log(10), "Log"),
    "deg2rad": scaled(math.pi / 180),
    "rad2deg": scaled(180 / math.pi),
    "add": of_truths("Or", "Add"),
    "subtract": op("Sub"),
    "multiply": of_truths("And", "Mul"),
    "divide": op("Div"),
    "floor_divide": pointwise(floor_divide),
    "remainder": pointwise(remainder),
    "fmod": pointwise(lambda g, x, y, dtype: g.node("Mod", x, y, fmod=1)),
    "power": op("Pow"),
    "maximum": of_truths("Or", "Max"),
    "minimum": of_truths("And", "Min"),
    "logaddexp": pointwise(logaddexp),
    "clip": pointwise(clip),
    "where": where,
    "safe_product": pointwise(safe_product),
    "equal": comparison("Equal"),
    "not_equal": not_equal,
    "less": comparison("Less"),
    "less_equal": comparison("LessOrEqual"),
    "greater": comparison("Greater"),
    "greater_equal": comparison("GreaterOrEqual"),
    "logical_and": logical("And"),
    "logical_or": logical("Or"),
    "logical_xor": logical("Xor"),
    "logical_not": logical("Not"),
    "bitwise_and": of_truths("And", "BitwiseAnd"),
    "bitwise_or": of_truths("Or", "BitwiseOr"),
    "bitwise_xor": of_truths("Xor", "BitwiseXor"),
    "invert": of_truths("Not", "BitwiseNot"),
    "isnan": lambda g, call: g.node("IsNaN", call.x[0].name),
    "isinf": lambda g, call: g.node("IsInf", call.x[0].name),
    "isfinite": finite,
    "within": valid_index,
    "astype": same,
    "cast": same,
    "reshape": reshape,
    "transpose": transpose,
    "broadcast_to": broadcast_to,
    "zeros_like": filled(0),
    "ones_like": filled(1),
    "concatenate": concatenate,
    "stack": stack,
    "split": split,
    "unstack": unstack,
    "pad": pad,
    "roll": roll,
    "tril": triangle(0),
    "triu": triangle(1),
    "getitem": getitem,
    "take_along_axis": take_along_axis,
    "sum": reduced("ReduceSum"),
    "prod": reduced("ReduceProd"),
    "max": extremum("ReduceMax"),
    "min": extremum("ReduceMin"),
    "norm": norm,
    "logsumexp": reduced("ReduceLogSumExp"),
    "any": truth("ReduceMax"),
    "all": truth("ReduceMin"),
    "argmax": position("ArgMax"),
    "argmin": position("ArgMin"),
    "softmax": softmax,
    "log_softmax": log_softmax,
    "cumsum": cumsum,
    "sort": ordered(0),
    "argsort": ordered(1),
    "matmul": op("MatMul"),
    "contract": contract,
}
