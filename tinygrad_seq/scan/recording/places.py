"""Where in the user's code a call of a step stands, and what the user calls its arguments there.

A place is a piece of code and an instruction in it. It is noted at every call, so it must be cheap; the number
of its line is looked up when an error names it, and the names at a place are looked up once.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from types import CodeType, FrameType

from tinygrad_seq.engine import backend
from tinygrad_seq.tensor.tensor import Tensor

HERE = str(Path(__file__).parents[2])
MOST = 4096  # names that are remembered
Place = tuple[CodeType, int]

_names: dict[
    tuple[int, int, object], tuple[CodeType, str]
] = {}  # by code, instruction, and role, which is an op and an argument; code keeps its id


class _Inside(dict):
    """For every file name, whether the file belongs to this package."""

    def __missing__(self, filename: str) -> bool:
        inside = self[filename] = filename.startswith((HERE, "<the call of"))
        return inside


_inside = _Inside()


def caller(depth: int) -> FrameType:
    """The innermost frame outside this package, or a `__call__` in it: the equations of a layer or cell.

    The variables of a layer or a cell have the names of the literature. The search begins `depth` frames above.
    """
    inner = frame = sys._getframe(depth + 1)
    while (outer := frame.f_back) is not None:
        code = frame.f_code
        if code.co_name == "__call__" or not _inside[code.co_filename]:
            return frame
        frame = outer
    return inner


def name_at(frame: FrameType, role: object, x: object) -> str:
    """What x is called where `frame` stands, in this role there; empty if that is not known."""
    key = id(frame.f_code), frame.f_lasti, role
    if key not in _names:
        if len(_names) >= MOST:
            _names.clear()
        _names[key] = frame.f_code, _name_of(x, frame) or ""
    return _names[key][1]


def _name_of(x: object, frame: FrameType) -> str | None:
    """The name of x in the code of `frame`: a variable, an attribute of its `self`, or a global."""
    if not (isinstance(x, Tensor) or backend.is_array(x)):
        return None
    variables = frame.f_locals
    for name, value in variables.items():
        if value is x:
            return name
    for name, value in getattr(variables.get("self"), "__dict__", {}).items():
        if value is x:
            return name
    return next((name for name in frame.f_code.co_names if frame.f_globals.get(name) is x), None)


def place_of(record: object) -> str:
    """The place of a call in the user's code, for an error, if it is known."""
    if not (place := getattr(record, "place", None)):
        return ""
    code, instruction = place
    line, *_ = next(itertools.islice(code.co_positions(), instruction // 2, None))
    return f" ({code.co_filename}, line {line})"
