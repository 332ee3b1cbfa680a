"""The ufuncs, and the operators of the array, which call them.

They promote dtypes as NumPy does, and accept arrays on the device, NumPy scalars and Python numbers. They have
fewer keywords and methods than NumPy's, and raise an error for an array on the host.
"""

from __future__ import annotations

from functools import wraps

import numpy as np

from double.array import SCALARS, UFUNCS, deliver, host, ndarray, number, quietly, wrap
from double.indexing import add_at
from double.reaching import reach, reached, remember

NAMES = """absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_count
    bitwise_or
    bitwise_xor cbrt ceil conjugate copysign cos cosh deg2rad degrees divide divmod equal exp exp2 expm1 fabs
    float_power floor floor_divide fmax fmin fmod frexp gcd greater greater_equal heaviside hypot invert
    isfinite isinf isnan lcm ldexp left_shift less less_equal log log10 log1p log2 logaddexp logaddexp2
    logical_and logical_not logical_or logical_xor maximum minimum modf multiply negative nextafter not_equal
    positive power rad2deg radians reciprocal remainder right_shift rint sign signbit sin sinh sqrt square
    subtract tan tanh trunc""".split()  # noqa: SIM905
METHODS = {  # for each method, the ufuncs that have it; all have outer
    "at": ("add", "subtract", "maximum", "minimum", "bitwise_and", "bitwise_or", "bitwise_xor"),
    "reduce": ("add", "multiply"),
    "accumulate": ("add", "multiply"),
    "reduceat": ("add",),
}


def method(f):
    """Decorator: a method of ufuncs. Its calls are remembered; it raises an error if the ufunc lacks it."""
    name = f.__name__

    @wraps(f)
    def call(self, *args, **kwargs):
        reach("ufunc", f"{self.name}.{name}", len(args), tuple(sorted(kwargs)))
        if self.name not in METHODS.get(name, (self.name,)):
            raise NotImplementedError(f"`{self.__name__}.{name}` is not supported yet")
        return quietly(f, self, *args, **kwargs)

    return call


def keywords_of(out, dtype, casting, wrong) -> tuple[str, ...]:
    """The names of the keywords that were given."""
    if dtype is None and casting == "same_kind" and not wrong:
        return () if out is None else ("out",)
    given = {"casting": casting != "same_kind", "dtype": dtype is not None, "out": out is not None}
    return tuple(sorted([*(name for name, there in given.items() if there), *wrong]))


class ufunc:  # noqa: N801, NumPy's name
    """CuPy's version of one of NumPy's ufuncs."""

    def __init__(self, function: np.ufunc) -> None:
        self.function = function
        self.name = function.__name__
        self.key = ("ufunc", self.name)
        self.__name__ = f"cupy_{self.name}"
        self.nin, self.nout, self.nargs = function.nin, function.nout, function.nargs

    def __repr__(self) -> str:
        return f"<ufunc '{self.__name__}'>"

    def __call__(self, *args, out=None, dtype=None, casting="same_kind", **wrong):
        key = (*self.key, len(args), keywords_of(out, dtype, casting, wrong))
        if key not in reached:
            remember(key)
        if wrong:
            raise TypeError(f"Wrong arguments {wrong}")
        if len(args) == self.nargs and self.nout == 1:
            *args, out = args
        elif len(args) != self.nin:
            raise TypeError(
                f"Wrong number of arguments for {self.__name__!r}. It must be either {self.nin} or "
                f"{self.nargs} (with outputs), but given {len(args)}."
            )
        operands = [number(x) for x in args]
        if out is not None and type(out) is not ndarray:
            raise TypeError(f"Unsupported type {type(out)}")
        options = {}
        if dtype is not None:
            options = {"dtype": dtype, "casting": "unsafe"}
        if out is not None:
            options |= {"out": host(out, "out"), "casting": casting}
        try:
            result = quietly(self.function, *operands, **options)
        except (TypeError, ValueError) as error:
            result = self.mended(operands, error)
            if out is not None:
                out._host[...] = result
        if out is not None:
            return out
        return wrap(result) if self.nout == 1 else tuple(wrap(part) for part in result)

    def mended(self, operands, error):
        """The result of CuPy where NumPy raises `error`; or CuPy's own error."""
        dtypes = tuple(np.asarray(x).dtype for x in operands)
        words = str(error).replace("numpy", "cupy")
        if self.name == "power" and "negative integer powers" in words:
            return quietly(negative_powers, *operands)
        if self.name == "sign" and dtypes == (np.dtype(bool),):
            return operands[0].astype(np.int8)
        if hasattr(error, "from_") and "output" in words:
            raise TypeError(
                f"Cannot cast output operand from {error.from_!r} to {error.to!r} "
                f"according to the rule {error.casting!r}"
            ) from None
        if "non-broadcastable output" in words:
            raise ValueError("Out shape is mismatched") from None
        if isinstance(error, ValueError):
            shapes = " ".join(str(np.shape(x)) for x in operands)
            raise ValueError(f"operands could not be broadcast together with shapes {shapes}") from None
        if "boolean" not in words:
            raise TypeError(f"Wrong type ({dtypes}) of arguments for {self.__name__}") from None
        if self.name == "subtract":
            words = words.replace("is not supported", "is deprecated")
        raise TypeError(words) from None

    @method
    def outer(self, a, b, **kwargs):
        a, b = number(a), number(b)
        return self(wrap(np.reshape(a, np.shape(a) + (1,) * np.ndim(b))), wrap(b), **kwargs)

    @method
    def at(self, a, indices, b=None):
        add_at(self.function, a, indices, b)

    @method
    def reduce(self, array, axis=0, dtype=None, out=None, keepdims=False):
        return deliver(self.function.reduce(host(array), axis, dtype, keepdims=bool(keepdims)), out)

    @method
    def accumulate(self, array, axis=0, dtype=None, out=None):
        return deliver(self.function.accumulate(host(array), axis, dtype), out)

    @method
    def reduceat(self, array, indices, axis=0, dtype=None, out=None):
        return deliver(self.function.reduceat(host(array), host(indices, "indices"), axis, dtype), out)


def negative_powers(x, n):
    """x^n for integers: for n < 0 it is 1/x^|n|, truncated to an integer."""
    x, n = np.broadcast_arrays(x, n)
    inverse = np.where(np.abs(x) == 1, x ** (np.abs(n) % 2), 0)
    return np.where(n < 0, inverse, x ** np.maximum(n, 0))


class matrix_product(ufunc):  # noqa: N801, as ufunc
    """np.matmul, which accepts only arrays and has more keywords."""

    def __call__(
        self,
        *args,
        out=None,
        axes=None,
        axis=None,
        keepdims=False,
        casting="same_kind",
        dtype=None,
        signature=None,
        order="K",
    ):
        reach("ufunc", "matmul", len(args), ("out",) if out is not None else ())
        if len(args) == 3:
            *args, out = args
        x, y = host(args[0], "a"), host(args[1], "b")
        if not (x.ndim and y.ndim):
            raise ValueError("Scalar operands are not allowed, use '*' instead")
        if x.shape[-1] != y.shape[-2 if y.ndim > 1 else 0]:
            raise ValueError("Axis dimension mismatch")
        if keepdims:
            raise ValueError("`keepdims` can only be used for scalar outputs")
        if out is not None and type(out) is not ndarray:
            raise TypeError("`out` must be a tuple or `cupy.ndarray`")
        z = np.asarray(quietly(np.matmul, x, y, **({} if dtype is None else {"dtype": dtype})))
        if out is not None and not np.can_cast(z.dtype, out._host.dtype, casting):
            raise TypeError(
                f"Cannot cast out dtype from {z.dtype!r} to {out._host.dtype!r} "
                f"according to the rule {casting!r}"
            )
        return quietly(deliver, z, out)


for name in NAMES:
    UFUNCS[name] = ufunc(getattr(np, name))
UFUNCS["matmul"] = matrix_product(np.matmul)

OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or",
    "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift", "divmod": "divmod",
}  # fmt: skip
COMPARISONS = {
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal",
}  # fmt: skip
SIGNS = {"neg": "negative", "abs": "absolute", "invert": "invert", "pos": "positive"}


def decides(x) -> bool:
    """Whether an operator leaves the computation to `x`, as NumPy's operators do."""
    if hasattr(x, "__array_ufunc__"):
        return x.__array_ufunc__ is None
    return getattr(x, "__array_priority__", 0) > ndarray.__array_priority__


def operator(name: str, function: ufunc) -> None:
    """An operator with the array on its left, on its right, and in place (never left to the other operand)."""
    numpys = function.function

    def forward(self, other, mod=None):
        if type(other) is ndarray or isinstance(other, SCALARS):
            return function(self, other)
        return NotImplemented if decides(other) else numpys(self, other)

    def backward(self, other):
        return function(other, self)

    def in_place(self, other):
        return function(self, other, out=self)

    setattr(ndarray, f"__{name}__", forward)
    setattr(ndarray, f"__r{name}__", backward)
    if name not in ("matmul", "divmod"):
        setattr(ndarray, f"__i{name}__", in_place)


def comparison(name: str, function: ufunc) -> None:
    """A comparison; an object without its own equality, such as None, is equal to no element."""
    numpys = function.function

    def compare(self, other):
        if type(other) is ndarray or isinstance(other, SCALARS):
            return function(self, other)
        if isinstance(other, np.ndarray) and other.ndim == 0:
            return function(self, other.item())
        if name in ("eq", "ne") and type(other).__eq__ is object.__eq__:
            return wrap(np.full(self._host.shape, name == "ne"))
        return numpys(self, other)

    setattr(ndarray, f"__{name}__", compare)


def sign(name: str, function: ufunc) -> None:
    setattr(ndarray, f"__{name}__", lambda self: function(self))


for name, word in OPERATORS.items():
    operator(name, UFUNCS[word])
for name, word in COMPARISONS.items():
    comparison(name, UFUNCS[word])
for name, word in SIGNS.items():
    sign(name, UFUNCS[word])
ndarray.__hash__ = None  # type: ignore[assignment]
