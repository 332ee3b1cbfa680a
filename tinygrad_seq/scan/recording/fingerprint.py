"""The fingerprint of a step: what its recording depends on, if it is known to depend on nothing else.

A fingerprint is found by a walk over the step: the attributes of an object, the elements of a list, the
defaults and the variables of a function. A tensor counts with its shape, dtype, device and kind of line: its
values are arguments of the program. Everything else counts with its value. So a fingerprint holds no tensor and
no object of the user, equal cells share one, and it does not matter how an attribute was changed.

The walk knows the code of this package, whose globals it takes for constant (`Guard` notices if they are not),
and code that is marked `pure`. If it comes across anything else there is no fingerprint.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_seq.engine.declaration import Declaration
from tinygrad_seq.engine.mode import mode
from tinygrad_seq.engine.record import Leaf
from tinygrad_seq.scan.emitter import chosen
from tinygrad_seq.scan.recording.code import library, names_of, ours, scans
from tinygrad_seq.scan.recording.places import HERE
from tinygrad_seq.scan.recording.pure import is_pure
from tinygrad_seq.scan.recording.traced import Escaped, Traced
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor

DULL = {"__module__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__firstlineno__"}


class UnknownError(Exception):
    """The step may read something that a fingerprint does not hold."""


class Fingerprint:
    """What the recording of a step depends on.

    key        all of it
    tensors    the tensors that were found, in order, each once
    carried    the carries before the first step
    inputs     the inputs of all steps
    functions  the functions of this package that may be called
    classes    the classes of this package whose methods may be called
    marked     whether code of others, which is marked `pure`, may be called
    """

    marked = False

    def __init__(self, step: object, init: object, xs: object) -> None:
        self.parts: list = [mode.recording, mode.trace is None, chosen()]
        self.tensors: list[Tensor] = []
        self.functions: list[FunctionType] = []
        self.classes: dict[type, None] = {}
        self._seen: dict[int, int] = {}  # places in the walk, by id: what is walked stays alive meanwhile
        self._walk(step)
        self.carried: list[Tensor] = []
        self.inputs: list[Tensor] = []
        self._given(init, self.carried, 0)
        self._given(xs, self.inputs, 1)
        self.key = tuple(self.parts)

    def _given(self, tree: Any, leaves: list[Tensor], skipped: int) -> None:
        """The form of a carry or an input, and the specs of its leaves without the `skipped` first axes."""
        if isinstance(tree, (tuple, list, dict)):
            if tree.__class__ not in (tuple, list, dict):
                self._class(tree.__class__, True)
            else:
                self.parts.append(tree.__class__)
            self.parts.append(len(tree))
            if isinstance(tree, dict):
                self.parts += tree
                tree = tree.values()
        else:
            if tree is None:
                self.parts.append(None)
            else:
                leaves.append(t := as_tensor(tree))
                array = t._array
                self.parts += array.shape[skipped:], array.dtype
                if array.__class__ is not np.ndarray:
                    self.parts += array.__class__, t.device
            return
        for branch in tree:
            self._given(branch, leaves, skipped)

    # --- values ---------------------------------------------------------------------------------------

    def _walk(self, x, trusted: bool = False) -> None:
        """Add x; functions in it may be called only if they are `trusted` or known."""
        kind = x.__class__
        add = WALKS.get(kind)
        if add is not None:
            add(self, x, trusted)
        elif isinstance(x, type):
            self._class(x, trusted)
        elif isinstance(x, np.generic):
            self.parts += kind, x.dtype, x.tobytes()
        elif isinstance(x, np.dtype):
            self.parts.append(x)
        elif isinstance(x, Tensor) and ours(kind):
            WALKS[kind] = Fingerprint._tensor
            self._tensor(x, trusted)
        elif isinstance(x, tuple) and not hasattr(x, "__dict__"):  # a named tuple
            self._class(kind, trusted)
            self._sequence(tuple(x), trusted)
        else:
            self._object(x, trusted)

    def _again(self, x: object) -> bool:
        """Whether x was walked over before; its place there is added if so."""
        place = self._seen.get(id(x))
        if place is None:
            self._seen[id(x)] = len(self._seen)
            return False
        self.parts += "again", place
        return True

    def _plain(self, x, trusted: bool) -> None:
        self.parts += x.__class__, x

    def _float(self, x: float, trusted: bool) -> None:
        self.parts += float, x.hex()  # 0.0 differs from -0.0, and NaN equals itself

    def _tensor(self, t: Tensor, trusted: bool) -> None:
        if not self._again(t):
            self.tensors.append(t)
            array, line = t._array, t.line
            if array.__class__ is not np.ndarray:
                if isinstance(array, Escaped):
                    raise UnknownError
                self.parts += array.__class__, t.device
            kind = line if line is None else line[0].__class__ is Leaf
            self.parts += t.__class__, kind, array.shape, array.dtype

    def _sequence(self, xs: tuple | list, trusted: bool) -> None:
        if xs.__class__ is list and self._again(xs):
            return
        self.parts += xs.__class__, len(xs)
        for x in xs:
            self._walk(x, trusted)

    def _dict(self, xs: dict, trusted: bool) -> None:
        if self._again(xs):
            return
        self.parts += dict, len(xs)
        for key, x in xs.items():
            self._walk(key, trusted)
            self._walk(x, trusted)

    def _set(self, xs: set | frozenset, trusted: bool) -> None:
        if not all(isinstance(x, str) for x in xs):
            raise UnknownError
        self.parts += xs.__class__, frozenset(xs)

    def _object(self, x: object, trusted: bool) -> None:
        """An object that consists of its attributes, of a class whose code is known."""
        if self._again(x):
            return
        kind = x.__class__
        if kind in SHIPPED:
            self.parts.append(kind)
        else:
            self._class(kind, False)
        self.classes |= SHIPPED.get(kind) or bases(kind)
        attributes = vars(x)
        self.parts.append(len(attributes))
        for name, value in attributes.items():
            self.parts.append(name)
            self._walk(value)

    # --- code -----------------------------------------------------------------------------------------

    def _class(self, kind: type, trusted: bool) -> None:
        """A class, by its contents: a key that holds the class itself would keep it alive."""
        if ours(kind) or library(kind):
            self.parts.append(kind)
        elif not self._again(kind):
            for base in kind.__mro__:
                if ours(base) or library(base):
                    self.parts.append(base)
                else:
                    self.marked = True
                    self.parts.append(base.__qualname__)
                    for name, value in vars(base).items():
                        if name not in DULL:
                            self.parts.append(name)
                            self._walk(value, trusted or is_pure(base))

    def _function(self, f: FunctionType, trusted: bool) -> None:
        op = f.__dict__.get("primitive")
        if isinstance(op, Declaration):
            self.parts.append(op)
            return
        if self._again(f):
            return
        code = f.__code__
        if code.co_filename.startswith(HERE):
            if scans(f):
                raise UnknownError
            self.functions.append(f)
            if ours(f) and getattr(sys.modules.get(f.__module__), f.__name__, None) is f:
                self.parts.append(f)
                return
        elif library(f):
            if not f.__closure__:
                self.parts.append(f)
                return
        elif not (trusted or is_pure(f)):
            raise UnknownError
        else:
            trusted = self.marked = True
            self._globals(f)
        self.parts.append(code)
        for cell in f.__closure__ or ():
            try:
                self._walk(cell.cell_contents, trusted)
            except ValueError:
                self.parts.append("empty")
        if f.__defaults__ or f.__kwdefaults__:
            self._walk(f.__defaults__, trusted)
            self._walk(f.__kwdefaults__, trusted)

    def _globals(self, f: FunctionType) -> None:
        """The globals that the code of f names, and what it names in modules among them."""
        names = names_of(f.__code__)
        modules = [f.__globals__]
        for scope in modules:
            for name in names:
                if name in scope:
                    value = scope[name]
                    self.parts.append(name)
                    if isinstance(value, ModuleType):
                        self.parts.append(value.__name__)
                        if not self._again(value):
                            modules.append(vars(value))
                    else:
                        self._walk(value, True)

    def _method(self, f: MethodType, trusted: bool) -> None:
        self._walk(f.__self__, trusted)  # first: it knows its methods
        self._walk(f.__func__, trusted)

    def _builtin(self, f: BuiltinFunctionType, trusted: bool) -> None:
        if not isinstance(f.__self__, ModuleType | type | None):  # a method, of a generator, say
            raise UnknownError
        self.parts.append(f)

    def _leaf(self, f: object, trusted: bool) -> None:
        self.parts.append(f)

    def _partial(self, f: partial, trusted: bool) -> None:
        for x in (f.func, f.args, f.keywords):
            self._walk(x, trusted)

    def _wrapper(self, f: classmethod | staticmethod, trusted: bool) -> None:
        self.parts.append(f.__class__)
        self._walk(f.__func__, trusted)

    def _property(self, f: property, trusted: bool) -> None:
        for x in (f.fget, f.fset, f.fdel):
            self._walk(x, trusted)


class Pair(NamedTuple):
    """A named tuple, for the class of its descriptors."""

    first: object


class Plain:
    """A class whose objects hold nothing but attributes."""


SHIPPED: dict[type, dict[type, None]] = {}  # the classes of this package that were met, and their bases


def bases(kind: type) -> dict[type, None]:
    """A class and its bases, those of this package; UnknownError if its objects are more than attributes."""
    others = any(library(base) for base in kind.__mro__ if base is not object)
    if others or kind.__basicsize__ != Plain.__basicsize__ or "__dict__" not in dir(kind):
        raise UnknownError
    found = {base: None for base in kind.__mro__ if ours(base)}
    if ours(kind):
        SHIPPED[kind] = found
        WALKS[kind] = Fingerprint._object
    return found


WALKS: dict[type, Callable[[Fingerprint, Any, bool], None]] = {
    **dict.fromkeys((int, bool, str, bytes, type(None), type(...), complex), Fingerprint._plain),
    **dict.fromkeys((Tensor, Traced), Fingerprint._tensor),
    **dict.fromkeys((tuple, list), Fingerprint._sequence),
    **dict.fromkeys((set, frozenset), Fingerprint._set),
    **dict.fromkeys((classmethod, staticmethod), Fingerprint._wrapper),
    **dict.fromkeys((np.ufunc, type(np.sum), type(Pair.first)), Fingerprint._leaf),
    float: Fingerprint._float,
    dict: Fingerprint._dict,
    FunctionType: Fingerprint._function,
    MethodType: Fingerprint._method,
    BuiltinFunctionType: Fingerprint._builtin,
    partial: Fingerprint._partial,
    property: Fingerprint._property,
}
