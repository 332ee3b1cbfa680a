"""Whether the code of this package is still the code that a recording ran: nobody has replaced a part of it.

A fingerprint takes this package for constant. Someone may still replace a method of a class, or a function in
the globals of a module, in a test, say. So a guard remembers whatever the code can reach by name from the
functions and classes of a fingerprint: globals, and the contents of classes, of which one is Tensor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import itemgetter
from types import FunctionType, ModuleType
from typing import Any

from tinygrad_seq.engine.declaration import Declaration
from tinygrad_seq.scan.recording.code import library, names_of, ours, scans
from tinygrad_seq.scan.recording.fingerprint import UnknownError
from tinygrad_seq.scan.recording.places import HERE
from tinygrad_seq.scan.recording.traced import Traced

NUMBERS = (int, float)
TABLES = (dict, list, set)
DATA = (*NUMBERS, *TABLES, str, tuple, ModuleType)


class Guard:
    """All that the code of these functions, and of the methods of these classes, can reach by name.

    Raises UnknownError if that includes code of others, which must have been put there.
    """

    def __init__(self, functions: Iterable[FunctionType], classes: Iterable[type]) -> None:
        self._names: set[str] = set()
        self._spaces: dict[int, tuple[Mapping, dict[str, object]]] = {}  # globals, and what was found in them
        self._done = set(map(id, functions))
        self.tables: list[tuple[object, object]] = []
        for f in functions:
            self._enter(f)
        count = -1
        while count < len(self._done):  # a method can name other methods
            count = len(self._done)
            for kind in classes:
                for name, value in vars(kind).items():
                    if name == "__call__" or name in self._names:
                        self._reach(value)
        contents = [vars(kind) for kind in (*classes, *filter(ours, Traced.__mro__))]
        self.classes = [(of.values(), list(of.values())) for of in contents]
        getters = [(of, itemgetter(*found, *found)) for of, found in self._spaces.values() if found]
        self.globals = [(of, get, get(of)) for of, get in getters]
        found = [(of, of) for of in contents] + list(self._spaces.values())
        self.numbers = [(of, k, x) for of, xs in found for k, x in xs.items() if isinstance(x, NUMBERS)]
        del self._names, self._spaces, self._done

    def holds(self) -> bool:
        """Whether all of it is the same as before."""
        try:
            for values, contents in self.classes:
                if [*values] != contents:
                    return False
            for of, get, found in self.globals:
                if get(of) != found:
                    return False
            for table, before in self.tables:
                if table != before:
                    return False
            for of, name, number in self.numbers:  # 1 == True
                if of[name] is not number:
                    return False
        except Exception:  # it is gone, or now something that cannot be compared
            return False
        return True

    def _reach(self, x: object) -> None:
        """Note what x can reach, if it is code."""
        if isinstance(x, TABLES):
            self.tables.append((x, x.copy()))
            for value in x.values() if isinstance(x, dict) else x:
                self._reach(value)
        elif isinstance(x, property):
            self._reach(x.fget)
        elif isinstance(x, (classmethod, staticmethod)):
            self._reach(x.__func__)
        elif isinstance(x, FunctionType) and id(x) not in self._done:
            self._done.add(id(x))
            if isinstance(x.__dict__.get("primitive"), Declaration) or scans(x):
                return
            for cell in x.__closure__ or ():
                self._reach(cell.cell_contents)
            if not library(x):
                if not x.__code__.co_filename.startswith(HERE):
                    raise UnknownError
                self._enter(x)

    def _enter(self, f: FunctionType) -> None:
        """Note the names in the code of a function of this package, and what they are globally."""
        names = names_of(f.__code__)
        self._names.update(names)
        spaces: list[Mapping[str, Any]] = [f.__globals__]
        for space in spaces:  # it grows
            _, found = self._spaces.setdefault(id(space), (space, {}))
            for name in names:
                value = space.get(name)
                if isinstance(value, ModuleType) and all(vars(value) is not other for other in spaces):
                    spaces.append(vars(value))
                if name not in found and (isinstance(value, DATA) or callable(value)):
                    found[name] = value
                    if not isinstance(value, TABLES) or space["__name__"].startswith("tinygrad_seq."):
                        self._reach(value)
