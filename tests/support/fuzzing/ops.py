"""Awkward calls of every function of the registry.

An argument is drawn by the name of its parameter (`axis`, `shape`, `key`, ...; any other name is an operand),
mostly of the kind that the function expects, sometimes of any kind. Operands are arrays of every dtype, rank,
memory layout and range of values, Tensors with such values, numbers, lists and nonsense. A new function of the
registry needs no test code.
"""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from naming import PUBLIC, numpys

import tinygrad_seq as ts
from fuzzing.values import FLOATS, LAYOUTS, NONSENSE, NUMBERS, OTHERS, RAGGED, SHAPES, filled, one_of
from tinygrad_seq.engine.primitive import FUNCTIONS

METHODS = set(PUBLIC) & set(dir(np.ndarray)) & set(dir(ts.Tensor)) - {"reshape", "transpose"}
OPERATORS: dict[str, Callable] = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv,
    "power": operator.pow, "matmul": operator.matmul, "getitem": operator.getitem,
    "less": operator.lt, "less_equal": operator.le, "greater": operator.gt, "greater_equal": operator.ge,
    "bitwise_and": operator.and_, "bitwise_or": operator.or_, "bitwise_xor": operator.xor,
    "floor_divide": operator.floordiv, "remainder": operator.mod, "divmod": divmod,
    "left_shift": operator.lshift, "right_shift": operator.rshift,
}  # fmt: skip

KEYS = [
    0, -1, 2, 7, None, ..., slice(None), slice(None, None, -1), slice(5, 1), True, [0, 1], [], [0, 9], (0, 0),
    (..., 0), (slice(1), None), ([0, 1], [1, 0]), np.array([True, False, True]), np.array(1),
    np.array([[0], [1]]), "a", 1.0,
]  # fmt: skip
FLAGS = ["endpoint", "retstep", "copy", "sparse", "equal_nan", "return_index", "return_inverse"]
METADATA: dict[str, list] = {  # the values for a parameter of this name, most of them valid
    "axis": [None, 0, 1, -1, 2, -3, 7, (), (0,), (0, 1), (0, -1), (1, 1), np.int64(0), np.array(1), 1.0],
    "axes": [None, 0, 1, 2, (0, 1), (1, 0), (0, 2, 1), (0, 0), (-1, 0), [[0], [1]], ((0,), (0,)), (5, 0), 1.5],
    "keepdims": [False, True, 1, np.True_],
    "shape": [None, -1, 3, (), (3,), (1, 3), (3, -1), (-1, -1), (2, 3), (0,), (2, 0), [3, 1], np.array([3])],
    "dtype": ["f8", "f4", "f2", float, np.int64, "i1", bool, "c16", "O", "U1", "no such", None, object()],
    "copy": [True], "nan": [0.0, 1.5, 2], "posinf": [None, 2.0, 1], "neginf": [None, -2.0, 1], "tol": [100, 1],
    "deg": [False, True], "d": [1, 2, 3, 0, -1, 2.0, 1.5, np.int64(2)], "return_sign": [False, True],
    "decimals": [0, 1, -1, 2, -3, np.int64(1), np.array(1.0), 1.5],
    "rtol": [1e-5, 0.1, 0], "atol": [1e-8, 1, np.array([0.5])], "equal_nan": [False, True],
    "ddof": [0, 1, 2, 10, -1, 0.5, np.int64(1)],
    "q": [0, 0.5, 1, 0.25, [0.1, 0.9], np.array([[0.5]]), np.float32(0.3), 1.5, math.nan, np.array(1), 30],
    "method": ["linear", "linear", "lower", "hazen", "closest_observation", "midpoint", "no"],
    "overwrite_input": [False], "edge_order": [1, 1, 2, 3],
    "dx": [1.0, 0.5, 2],
    "bins": [3, 1, 0, [0.0, 1.0], [1.0, 0.0], np.int64(2), "auto", 2.5, [0.0, 0.5, 1.0], [1.0, 0.5, 0.0],
             [1.0, 2.0, 0.0], [], [3, 3], np.array([0.5], np.float32)],
    "range": [None, None, (0, 1), (1, 0), 3], "density": [None, True, False],
    "minlength": [0, 5, -1, np.int64(2)], "rowvar": [True, False], "bias": [True, False],
    "returned": [False, True],
    "fweights": [None, None, [1, 2, 1], [2], [1.5, 1.0, 1.0]],
    "correction": [None, None, 0, 1, 0.5], "mean": [None], "out": [None], "include_initial": [False, True],
    "initial": [None, None, 0, 1.5, np.float32(2), np.int64(3), math.inf, (1, 2)],
    "where": [True, False, np.True_, [True, False, True], np.array([[True], [False]]), np.array([True, False])],
    "k": [0, 1, -1, 5, np.int64(1), 1.0],
    "key": KEYS,
    "shift": [0, 1, -2, (1, 2), [1], np.int64(1), 1.5, 10],
    "indices": [0, -1, 5, [0, 1], [], [[0, 1]], np.array([[0], [1]]), np.array([0, 0, 0]), [True], 1.0],
    "indices_or_sections": [1, 2, 3, [1], (1, 2), [], [2, 1], [5], 0, -1, np.array([1]), 1.5],
    "repeats": [0, 1, 2, [1, 2, 0], [2], -1, np.array(2), np.array([1, 0, 2]), 1.5],
    "reps": [0, 1, 2, (2, 1), (1, 2, 1), [], -1, np.array(2), 1.5],
    "pad_width": [0, 1, (1, 0), ((1, 0), (0, 2)), {0: 1}, {-1: (1, 2)}, -1, 1.5, np.array(1)],
    "mode": ["constant", "constant", "edge", "full", "same", "valid", "raise", "wrap", "clip"],
    "constant_values": [0, 1.5, (1, 2), np.array(2), math.nan, "a"],
    "ord": [None, 1, 2, math.inf, -math.inf, "fro", 3, 0, "nuc", -2, 0.5],
    "p": [None, 2, -2, 1, math.inf, "fro", "nuc", 3],
    "n": [0, 1, 2, 3, -1, np.int64(2), 1.5],
    "offset": [0, 1, -1, 5, np.int64(1), 1.5],
    "ind": [0, 1, 2, 3],
    "rcond": [None, 1e-9, 0.5, -1, "a"],
    "hermitian": [False, True], "upper": [False, True],
    "full_matrices": [False, True, 1], "compute_uv": [True, False],
    "UPLO": ["L", "U", "l", "X", 1],
    "axis1": [0, 1, -1, 5, np.int64(1), 1.0], "axis2": [0, 1, -1, 5, np.array(0)],
    "source": [0, -1, (0, 1), 5, (0, 0), np.array(1)], "destination": [0, -1, (1, 0), 5, np.array(0)],
    "subscripts": ["i", "ij", "ij->ji", "ii", "...", "i,i", "ij,jk", "i,j->ij", "...i,...i->...", "->", "a!"],
    "a_min": [None, 0, -1.0, 2, np.array([0.5]), math.nan], "a_max": [None, 1, 2.0, np.array([0.5])],
    "min": [None, 0, -1.0, np.int64(1)], "max": [None, 1, 2.0],
    # of the functions that move, join, select and make arrays
    **{flag: [False, True, 1] for flag in [*FLAGS, "return_counts"]},
    **{axis: [0, 1, -1, 2, 5, np.int64(1), 1.0] for axis in ("offset", "axisa", "axisb", "axisc")},
    "order": ["C", "C", "F", "A", 3], "indexing": ["xy", "ij", "no"], "optimize": [False, True, "greedy"],
    "obj": [0, 1, -1, 5, [0, 1], [], [0, 0, 1], slice(None, None, 2), np.array([1]), [True, False, True], 1.0],
    "new_shape": [0, 2, 7, (2, 3), (), [3, 1], (2, 0), -1, 1.5],
    "num": [0, 1, 2, 5, np.int64(3), -1, 2.5],
    "kth": [0, 1, -1, (0, 1), [1, 1], 5, np.int64(1), 1.0],
    "side": ["left", "right", "middle"], "sorter": [None, [0, 1, 2], [2, 1, 0], [0, 9]],
    "right": [False, True, 2.5, None], "left": [None, -1.5, 2], "period": [None, 2.0, -3, 0],
    "xp": [[0.0, 0.5, 2.0], np.array([1, 2, 3]), np.array([0.0, 1.0, 1.0], np.float16), [0.0], [[1.0]], []],
    "fp": [[0.0, 0.5, 2.0], np.array([3, -2, 3]), np.array([0.0, math.inf, 1.0], np.float32), [0.0], []],
}  # fmt: skip


@dataclass
class Awkward:
    """A call: the name of the function, its arguments, and the number with which `drawn` gives it again."""

    name: str
    args: list
    kwargs: dict
    number: int

    def __repr__(self) -> str:
        given = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.kwargs.items())]
        return f"{self.name}({', '.join(given)}), which is ops.drawn({self.name!r}, {self.number})"

    def parts(self) -> Iterator[object]:
        """The arguments, also those within lists and tuples."""
        pending: list = [*self.args, *self.kwargs.values()]
        while pending:
            part = pending.pop(0)
            if isinstance(part, (list, tuple)):
                pending = [*part, *pending]
            else:
                yield part

    def routes(self) -> Iterator[Callable]:
        """The ways to call the function: ours, NumPy's function of that name, a method, an operator."""
        yield FUNCTIONS[self.name]
        if self.args and isinstance(self.args[0], ts.Tensor):
            theirs = numpys(self.name)
            if theirs is not None and (isinstance(theirs, np.ufunc) or not self.name.startswith("special.")):
                yield theirs
            if self.name in OPERATORS and len(self.args) == 2 and not self.kwargs:
                yield OPERATORS[self.name]
            elif self.name in METHODS:
                yield getattr(ts.Tensor, self.name)


def drawn(name: str, number: int) -> Awkward:
    """The `number`-th awkward call of a function: always the same one."""
    rng = np.random.default_rng([int.from_bytes(name.encode(), "little"), number])
    args, kwargs = [], {}
    shape = one_of(rng, SHAPES)
    for p in inspect.signature(FUNCTIONS[name]).parameters.values():
        if p.kind is p.VAR_KEYWORD or (p.default is not p.empty and rng.random() < 0.4):
            continue
        if p.kind is p.VAR_POSITIONAL:
            args += [operand(rng, shape) for _ in range(int(rng.integers(4)))]
        elif p.kind is p.KEYWORD_ONLY or (p.default is not p.empty and (kwargs or rng.random() < 0.5)):
            kwargs[p.name] = argument(rng, p.name, shape)
        else:
            args.append(argument(rng, p.name, shape))
    if rng.random() < 0.03:  # an argument too few, or one too many
        if rng.random() < 0.5:
            args = args[:-1]
        else:
            kwargs[one_of(rng, ["dim", "out", "dtype", "where", "no_such"])] = 0
    return Awkward(name, args, kwargs, number)


def argument(rng: np.random.Generator, name: str, shape: tuple[int, ...]):
    """A value for the parameter `name`."""
    if rng.random() < 0.03:
        return one_of(rng, NONSENSE)
    if name in ("arrays", "choices", "choicelist", "keys"):
        parts = [operand(rng, shape) for _ in range(int(rng.integers(4)))]
        return tuple(parts) if rng.random() < 0.5 else parts
    if name == "condlist":
        return [rng.random(shape) < 0.5 for _ in range(int(rng.integers(4)))]
    if name == "a" and rng.random() < 0.5:
        return one_of(rng, LAYOUTS)(ts.tensor(definite(rng), requires_grad=True))
    if name in METADATA and not (name in ("a_min", "min", "indices") and rng.random() < 0.3):
        return one_of(rng, METADATA[name])
    return operand(rng, shape)


def operand(rng: np.random.Generator, shape: tuple[int, ...]):
    """An array, a Tensor, a number, a list or nonsense; most often of the given shape."""
    kind = rng.random()
    if kind < 0.06:
        return one_of(rng, NUMBERS)
    if kind < 0.09:
        return np.dtype(one_of(rng, FLOATS + OTHERS)).type(one_of(rng, [0, 1, 1.5, 100]))
    if kind < 0.11:
        return one_of(rng, NONSENSE + RAGGED)
    if rng.random() < 0.3:
        shape = one_of(rng, SHAPES)
    array = filled(rng, shape)
    if kind < 0.14:
        return array.tolist()
    layout = one_of(rng, LAYOUTS)
    if kind < 0.8 and array.dtype.kind in "fiub":
        leaf = ts.tensor(array, requires_grad=array.dtype.kind == "f" and rng.random() < 0.8)
        return layout(leaf)
    array = np.asarray(layout(array))
    if rng.random() < 0.2:
        array.setflags(write=False)
    return array


def definite(rng: np.random.Generator) -> np.ndarray:
    """A positive definite matrix, or a stack of them, for solve and cholesky."""
    x = rng.normal(size=one_of(rng, [(3, 3), (1, 3, 3), (2, 1, 3, 3), (0, 0)]))
    return (x @ x.mT + 3 * np.eye(x.shape[-1])).astype(one_of(rng, FLOATS[:2]))
