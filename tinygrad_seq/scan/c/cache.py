"""Libraries by their source: from this process, from the disk, or from the compiler."""

from __future__ import annotations

import ctypes
from pathlib import Path

from tinygrad_seq.scan.c import disk
from tinygrad_seq.scan.c.compiler import SUFFIX, Compiler, compiler, lock
from tinygrad_seq.scan.c.process import CompileError, building

__all__ = ["CompileError", "library"]

_loaded: dict[str, ctypes.CDLL] = {}  # by the compiler's key of the source


def library(source: str) -> ctypes.CDLL:
    """The library that the C compiler makes of `source`.

    It is compiled when no process of this user has met it before. A cache that cannot be written costs
    that time in every process, and nothing else. Raises CompileError if there is no library.
    """
    by = compiler()
    key = by.key(source)
    if key not in _loaded:
        with lock:  # of two threads, one compiles
            if key not in _loaded:
                _loaded[key] = _from_disk(key) or _compiled(by, source, key)
    return _loaded[key]


def _from_disk(key: str) -> ctypes.CDLL | None:
    place = disk.kept(key)
    try:
        return None if place is None else _load(place, key)
    except OSError:  # no library may be loaded from there, or it has just been deleted
        return None


def _compiled(by: Compiler, source: str, key: str) -> ctypes.CDLL:
    with building() as folder:
        path = by.compile(source, folder, key)
        disk.keep(key, {name: (folder / name).read_bytes() for name in ("source.c", path.name)})
        return _from_disk(key) or _load(folder, key)


def _load(folder: Path, key: str) -> ctypes.CDLL:
    return ctypes.CDLL(str(folder / (key + SUFFIX)))
