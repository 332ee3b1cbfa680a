"""What outlives a process: entries in the user's cache folder, written in one step and checked before use.

An entry is a folder, named by a key, that holds a few files and a seal, the hash of them all. It is written
under a name of its own and renamed, so that other processes see all of it or nothing. An entry whose seal does
not fit (a truncated file, a disk that was full) counts as missing. All entries together are bounded in bytes:
a process looks at them when it first writes one, and after every 4 MB, and deletes those used longest ago.

Nothing here raises an OSError: where the disk cannot be read or written, there is no entry.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import hashlib

BOUND = 64 * 2**20  # bytes: about nine hundred loops, of 24 kB with 49 kB of source in the median
OFTEN = BOUND // 16  # bytes that a process writes between two looks at all entries, which take 20 ms each
SEAL = "seal"
ENTRY = re.compile(r"[0-9a-f]{32}(\.\d+\.\d+)?")  # with a process and a thread while it is written
ZIG = "zig"  # the folder of ziglang's own files, 47 MB: its C run-time library, compiled


def folder() -> Path:
    """The folder that `platformdirs.user_cache_dir("tinygrad_seq", appauthor=False)` names.

    TINYGRAD_SEQ_CACHE replaces the user's folder for all programs, as XDG_CACHE_HOME does where it is known.
    """
    base = os.environ.get("TINYGRAD_SEQ_CACHE", "")
    if os.path.isabs(base):
        return Path(base, "tinygrad_seq")
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", ""), "tinygrad_seq", "Cache")
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/Library/Caches" if sys.platform == "darwin" else "~/.cache")
    return Path(base, "tinygrad_seq")


def _sha256(data: bytes = b"") -> hashlib._Hash:
    import hashlib  # imported late, because it loads OpenSSL

    return hashlib.sha256(data)


def key(*parts: str) -> str:
    """The name of an entry that depends on `parts`."""
    return _sha256("\0".join(parts).encode()).hexdigest()[:32]


def kept(name: str) -> Path | None:
    """The folder of an entry that is there and undamaged; it counts as used now."""
    place = folder() / name
    try:
        if (place / SEAL).read_bytes() != _seal(place):
            return None
    except OSError:
        return None
    with contextlib.suppress(OSError):  # a disk that can only be read
        os.utime(place)
    return place


def keep(name: str, files: Mapping[str, bytes]) -> Path | None:
    """Write an entry, and return its folder; None where it cannot be written.

    If another process was first, its entry stays, unless it is damaged.
    """
    where = _writable()
    if where is None:
        return None
    place, draft = where / name, where / f"{name}.{os.getpid()}.{threading.get_ident()}"
    try:
        draft.mkdir()
        for file, content in files.items():
            (draft / file).write_bytes(content)
        (draft / SEAL).write_bytes(_seal(draft))
        with contextlib.suppress(OSError):  # there is one
            os.replace(draft, place)
        if kept(name) is None:
            shutil.rmtree(place)
            os.replace(draft, place)
    except OSError:
        pass
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _look_after(sum(map(len, files.values())))
    return kept(name)


def lasting() -> Path | None:
    """The folder for ziglang's own files; None where it cannot be written."""
    place = _writable()
    return None if place is None else place / ZIG


def clear() -> int:
    """Delete all entries, and what ziglang keeps beside them; return the number of bytes freed."""
    freed = 0
    for path in [*_entries(), folder() / ZIG]:
        size = _size(path)
        shutil.rmtree(path, ignore_errors=True)
        freed += size - _size(path)
    return freed


def _writable() -> Path | None:
    """The cache folder, which is made; None where it cannot be written, or where there is no home folder."""
    place = folder()
    try:
        if place.is_absolute():
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            return place if os.access(place, os.W_OK) else None
    except OSError:
        pass
    return None


def _seal(place: Path) -> bytes:
    """The hash of all files of an entry but the seal."""
    found = _sha256()
    for name in sorted(os.listdir(place)):
        if name != SEAL:
            content = (place / name).read_bytes()
            found.update(f"{name} {len(content)} ".encode())
            found.update(content)
    return found.hexdigest().encode()


_since = OFTEN  # bytes that this process has written since it looked at all entries


def _look_after(size: int) -> None:
    """Keep to the bound after an entry of `size` bytes was written."""
    global _since
    _since += size
    if _since >= OFTEN:
        _since = 0
        _trim()


def _trim() -> None:
    """Delete the entries that were used longest ago, until the rest is within the bound."""
    ages = {}
    for path in _entries():
        with contextlib.suppress(OSError):  # deleted by another process
            ages[path] = path.stat().st_mtime_ns
    sizes = {path: _size(path) for path in ages}
    total = sum(sizes.values())
    for path in sorted(ages, key=ages.__getitem__):
        if total <= BOUND:
            break
        shutil.rmtree(path, ignore_errors=True)
        total -= sizes[path]


def _entries() -> Iterator[Path]:
    """The folders of all entries, and of those that a process has not finished."""
    try:
        names = os.listdir(folder())
    except OSError:
        return
    yield from (folder() / name for name in names if ENTRY.fullmatch(name))


def _size(path: Path) -> int:
    """The bytes of the files in a folder and below."""
    total = 0
    for where, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(where, name)).st_size
    return total
