"""Random calls of the public functions, as text, for the steps of `random_steps.py`.

The arguments of a call are drawn by the names of its parameters: an axis fits the value that the call is about,
a key or a shape mostly does, any other name is an operand. A new function of the registry needs no test code. A
call that the library refuses is not used; the writer tries it first.
"""

from __future__ import annotations

import inspect
import math

import numpy as np
from choices import Choices
from naming import PUBLIC

from tinygrad_seq.engine.primitive import FUNCTIONS, PRIMITIVES

# of matrices without an inverse, or with equal singular values, these have no derivative
NEEDY = {f"linalg.{name}" for name in ("cond", "eigh", "lstsq", "pinv", "qr", "svd", "svdvals", "eigvalsh")}
NEEDY |= {"linalg.matrix_rank", "linalg.norm", "linalg.matrix_norm"}
SQUARE = {f"linalg.{name}" for name in ("solve", "cholesky", "inv", "det", "slogdet", "matrix_power")}
NAMES = sorted(name for name in PUBLIC if name not in NEEDY and not name.startswith("special."))  # with poles
CONSTANT = {op.name for op in PRIMITIVES.values() if op.kind == "none"} | {
    *("all", "angle", "any", "argpartition", "argsort", "argwhere", "count_nonzero", "digitize", "flatnonzero"),
    *("histogram", "imag", "isclose", "iscomplex", "isneginf", "isposinf", "isreal", "lexsort", "nanargmax"),
    *("nanargmin", "nonzero", "round", "searchsorted", "linalg.matrix_rank"),
}
DIFFERENTIABLE = sorted(set(NAMES) - CONSTANT)
OFTEN = ["getitem"] * 12 + ["concatenate", "stack", "split"] * 6
OFTEN += ["where", "unstack", "pad", "roll", "cumsum"] * 2
OPERATORS = ["+", "*", "-", "/", "@", ">", "<=", "==", "&", "|", "**", "//", "%", "^"]
UNARY = ["-{x}", "{x}.T", "{x}.sum()", "{x}.mean(axis=-1)", "{x} ** 2", "{x} + 1", "1 - {x}", "2 * {x}"]
GUARDED = [f"ts.where({{x}} > 0, {f}, 0.3)" for f in ("{x} ** 0.5", "ts.sqrt({x})", "ts.log({x})", "1 / {x}")]
NUMBERS = ["0.5", "2", "0.1", "0.7", "-0.3", "3", "-0.0", "0.0", "True", "1", "0", "-2"]
SCALARS = ["np.float32(0.3)", "np.float64(0.3)", "np.float16(0.3)", "np.int64(2)", "np.bool_(True)"]
DTYPES = ["f8", "f4", "f2", "i8", "i4", "u1", "?"]
POSITIVE = {"log", "log1p", "log2", "log10", "sqrt", "power"}
SMOOTH_BY_TANH = {"exp", "expm1", "exp2", "sinh", "cosh", "tan", "power", "prod"}
EINSUMS = ["ij,kj->ik", "i,j->ij", "...i,...i->...", "ij->ji", "ii->i", "ij,jk", "i,i", "...ij->...", "i->i"]


def call(choices: Choices, scope, names=NAMES) -> str:
    """The text of a call or of an operator on values of the scope."""
    x = scope.tensor()
    kind = choices.below(10)
    if kind >= 8 and names is NAMES:
        return choices.one_of(UNARY * 2 + GUARDED).format(x=x)
    if kind >= 5 and names is NAMES:
        y = operand(choices, scope, x)
        left, right = (y, x) if choices.chance(30) else (x, y)
        return f"{left} {choices.one_of(OPERATORS)} {right}"
    name = choices.one_of(names + OFTEN if names is NAMES else names)
    if name == "einsum":
        subscripts = choices.one_of(EINSUMS)
        operands = [x, *(scope.tensor() for _ in range(subscripts.count(",")))]
        return f"ts.einsum({subscripts!r}, {', '.join(operands)})"
    if name in SQUARE:
        rest = {"linalg.solve": f", {scope.tensor()}", "linalg.matrix_power": f", {choices.below(5) - 2}"}
        return f"ts.{name}(definite({x}){rest.get(name, '')})"
    given, keyword = [], False
    for p in inspect.signature(FUNCTIONS[name]).parameters.values():
        unused = p.name in ("mode", "weights", "overwrite_input") or p.kind is p.VAR_KEYWORD
        if unused or (p.default is not p.empty and choices.chance(40)):
            keyword = True
            continue
        keyword |= p.kind is p.KEYWORD_ONLY
        text = argument(choices, scope, name, p.name, x, first=not given)
        given.append(f"{p.name}={text}" if keyword else text)
    return f"ts.{name}({', '.join(given)})"


def argument(choices: Choices, scope, name: str, parameter: str, x: str, first: bool) -> str:
    """The text of an argument of the function `name`, in a call about the value x."""
    shape = scope.shape(x)
    if scope.twin is not None and parameter in METADATA and choices.chance(15):
        return "k"
    if kind := METADATA.get(f"{name} {parameter}") or METADATA.get(parameter):
        return kind(choices, scope, shape)
    if parameter == "arrays":
        if choices.chance(10):
            return x
        parts = [x, *(operand(choices, scope, x) for _ in choices.many(2))]
        return f"[{', '.join(parts[::-1] if choices.chance(30) else parts)}]"
    if parameter == "shape" and name != "reshape":
        lead = choices.one_of(["", "2, ", "1, "])
        return f"({lead}{''.join(f'{n}, ' for n in shape)})"
    if first:
        if name in SMOOTH_BY_TANH and choices.below(4):
            return f"ts.tanh({x})" if name != "power" else f"(ts.abs({x}) + 0.5)"
        if name in POSITIVE and choices.below(4):
            return f"({x} * {x} + 0.5)"
        if name == "where":
            return operand(choices, scope, x)
        return x
    return x if parameter == "x" else operand(choices, scope, x)


def operand(choices: Choices, scope, x: str) -> str:
    """A second operand for x: a value that broadcasts with it, a number, or an array of the host."""
    kind = choices.below(12)
    if kind < 7:
        return scope.tensor(like=x)
    if kind < 10:
        return choices.one_of(NUMBERS if scope.twin is None else ["k"] * 6 + NUMBERS)
    if kind == 10:
        return choices.one_of(SCALARS)
    if (hosts := scope.hosts(x)) and choices.below(3):
        return scope.recent(hosts)
    shape = scope.shape(x)
    return f"some({shape[choices.below(len(shape) + 1) :]}, {choices.one_of(DTYPES)!r})"


def one_axis(choices: Choices, scope, shape) -> str:
    return str(choices.below(max(2 * len(shape), 1)) - len(shape))


def axes(choices: Choices, scope, shape) -> str:
    kind = choices.below(8)
    if kind < 4:
        return one_axis(choices, scope, shape)
    if kind == 4:
        return "None"
    if kind == 5:
        return "()"
    return f"({one_axis(choices, scope, shape)}, {one_axis(choices, scope, shape)})"


def new_shape(choices: Choices, scope, shape) -> str:
    size = math.prod(shape)
    options = [(-1,), shape[::-1], (1, *shape), (*shape, 1), (size,), (-1, 1), -1]
    options += [(a, size // a) for a in (2, 3) if size % a == 0]
    return repr(choices.one_of(options))


def key(choices: Choices, scope, shape) -> str:
    """A key of x[key]: most parts take one axis; None and True add one, and an Ellipsis takes the rest."""
    if shape and choices.chance(8):
        return f"mask({shape[: 1 + choices.below(len(shape))]})"
    parts = []
    for n in shape:
        kind = choices.below(16)
        if kind == 15:
            break
        if kind == 14:
            parts.append("None")
        elif kind == 13:
            parts.append(choices.one_of(["True", "True", "False", "np.True_"]))
        elif kind == 12 and "..." not in parts:
            parts.append("...")
            continue
        if kind < 6:
            parts.append(choices.one_of([":", "::-1", "1:", ":-1", "::2", "-1:", ":", "None:None:None"]))
        elif kind < 9 and n:
            parts.append(str(choices.below(2 * n) - n))
        elif kind == 9 and n:
            parts.append(repr([choices.below(2 * n) - n for _ in range(1 + choices.below(3))]))
        elif kind == 10 and n:
            parts.append(f"index({scope.tensor()}, {n})")
        elif kind == 11:
            parts.append(choices.one_of([f"mask(({n},))", "[]", f"np.array([[0], [{max(n - 1, 0)}]])"]))
        else:
            parts.append(":")
    if choices.chance(25):
        parts.append(choices.one_of(["None", "...", "True"]))
    return as_key(parts)


def as_key(parts: list[str]) -> str:
    """The text of a key as an argument: slices are written with slice()."""
    made = []
    for part in parts:
        if ":" in part and not part.startswith(("mask", "index", "np.")):
            bounds = [n or "None" for n in part.split(":")]
            part = f"slice({', '.join(bounds)})"
        made.append(part)
    return made[0] if len(made) == 1 else f"({', '.join(made)})"


def indices(choices: Choices, scope, shape) -> str:
    n = min(shape, default=1) or 1
    return choices.one_of(
        ["0", "[0, 0]", f"[{n - 1}, 0]", "-1", "[[0], [-1]]", "[]", f"index({scope.tensor()}, {n})"]
    )


def some_of(*texts: str):
    return lambda choices, scope, shape: choices.one_of(texts)


def along(choices: Choices, scope, shape) -> str:
    """Indices for take_along_axis: mostly of the rank of x."""
    return choices.one_of([f"np.zeros({(*shape[:-1], 2)}, int)", f"index({scope.tensor()}, 1)", "[0, -1, 0]"])


def order(choices: Choices, scope, shape) -> str:
    n = len(shape)
    return choices.one_of(["None", repr(tuple(range(n))[::-1]), repr(tuple(i - n for i in range(n)))])


def values(choices: Choices, scope, shape) -> str:
    return choices.one_of([scope.tensor(), "1.0", "2", "np.float32(0.5)"])


def choosing(choices: Choices, scope, shape) -> str:
    """A mask for the elements that a reduction reads: everything, or a condition on values of that shape."""
    x = scope.tensor()
    fits = shape[len(shape) - len(scope.shape(x)) :] == scope.shape(x)
    return choices.one_of(["True", f"mask({shape})", f"{x} > 0.1" if fits else "True"])


METADATA = {
    "axis": axes, "axis1": one_axis, "axis2": one_axis, "source": one_axis, "destination": one_axis,
    "axes": order, "keepdims": some_of("True", "False", "1"), "ddof": some_of("0", "1"),
    "where": choosing, "initial": some_of("None", "0.5", "2", "np.float32(0.3)"), "out": some_of("None"),
    "correction": some_of("None", "1"), "mean": some_of("None"), "include_initial": some_of("True", "False"),
    "q": some_of("0.5", "0", "[0.3, 0.9]", "1.0", "50"), "method": some_of("'linear'", "'lower'", "'hazen'"),
    "n": some_of("0", "1", "2"), "edge_order": some_of("1", "2"), "dx": some_of("0.5", "2"),
    "bins": some_of("3", "[-1.0, 0.0, 1.0]"), "range": some_of("None", "(-1, 1)"),
    "density": some_of("False", "True"), "minlength": some_of("0", "4"), "rowvar": some_of("True", "False"),
    "bias": some_of("True", "False"), "returned": some_of("False"),
    "fweights": some_of("None"), "aweights": some_of("None"),
    "k": some_of("0", "1", "-1"), "dtype": some_of(*map(repr, DTYPES)), "key": key, "indices": indices,
    "take_along_axis indices": along,
    "shift": some_of("1", "-1", "2", "(1, 1)", "(1, -2)", "np.int64(1)", "[1]", "0"),
    "indices_or_sections": some_of(
        "1", "[1]", "2", "(1, 2)", "3", "[]", "[1, 1]", "np.array([1])", "[2]", "[-1]"
    ),
    "repeats": some_of("2", "1", "[1, 2]", "[2]", "0", "np.array([2, 0, 1])", "3"),
    "reps": some_of("2", "(2, 1)", "1", "(1, 2, 1)", "0", "[]"),
    "pad_width": some_of("1", "(1, 0)", "((1, 0), (0, 2))", "0", "{-1: (1, 2)}", "{0: 1}"),
    "constant_values": some_of("0", "0.5", "-0.0", "0.0", "(1, 2.5)", "np.array(2)", "-1"),
    "decimals": some_of("0", "1", "-1"), "copy": some_of("True"), "deg": some_of("False", "True"),
    "d": some_of("1", "2"), "return_sign": some_of("False"),
    "nan": some_of("0.5", "0"), "posinf": some_of("2.0", "1"), "neginf": some_of("-2.0", "-1"),
    "tol": some_of("100"), "rtol": some_of("0.1", "1e-5"), "atol": some_of("0.5", "0"),
    "equal_nan": some_of("True", "False"),
    "ord": some_of("None", "1", "2", "np.inf", "-np.inf"), "values": values,
}  # fmt: skip


def helpers(ts) -> dict[str, object]:
    """The functions that the text of a program calls, for `tinygrad_seq` or a stand-in for it."""

    def some(shape, dtype="f8") -> np.ndarray:
        """Irregular numbers between -0.9 and 0.9; for whole numbers 0, 1 and 2."""
        n = math.prod(shape)
        x = (np.arange(1, n + 1) * math.sqrt(2) % 1).reshape(shape)
        return np.asarray(1.8 * x - 0.9 if np.dtype(dtype).kind == "f" else 3 * x).astype(dtype)

    def mask(shape) -> np.ndarray:
        return some(shape) > 0

    def index(x, n: int):
        """x as indices of an axis of length n."""
        return ts.clip(ts.astype(x, "i8"), -n, n - 1)

    def definite(x):
        """A positive definite matrix, or a stack of them."""
        x = ts.reshape(x, (-1, 1)) if np.ndim(x) < 2 else x
        return x @ ts.swapaxes(x, -1, -2) + 2 * np.eye(x.shape[-2], dtype=x.dtype)

    return {"np": np, "ts": ts, "some": some, "mask": mask, "index": index, "definite": definite}
