"""The C compiler: which one works on this machine.

The candidates are, in this order, the variable CC, then cc, gcc and clang, then the package ziglang, which
contains clang; on Windows only ziglang. One works if it compiles a probe into a library that loads and computes
the right number. The answer is kept on the disk, under the identity of the compiler's file and of the
processor, so that a later process starts no compiler.

Libraries are made for the processor at hand and optimised, unless CC names another processor or another level:
`CC="gcc -march=x86-64-v3"`, `CC="gcc -O1"`.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import itertools
import json
import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tinygrad_seq.scan.c import disk
from tinygrad_seq.scan.c.process import CompileError, Running, failing, run

SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
# No -ffast-math: NaN, infinities and -0.0 are as in NumPy. Each of the flags leaves the values as they are but
# -ffp-contract=fast, which rounds x y + z once instead of twice; -std=c11 alone forbids that to gcc.
FLAGS = [
    *("-std=c11", "-fno-math-errno", "-fno-trapping-math", "-fwrapv", "-ffp-contract=fast"),
    *("-fopenmp-simd", "-shared"),
    *([] if sys.platform == "win32" else ["-fPIC"]),
    *(["-Wl,-z,defs"] if sys.platform.startswith("linux") else []),  # an unknown function is an error at once
]
LEVELS = [  # the first that the compiler knows; gcc's -O3 takes half as long again, for loops of the same speed
    ["-O2", "-fpeel-loops", "-fvect-cost-model=dynamic", "-fira-region=one"],
    ["-O3"],
]
NATIVE = [  # full use of this processor, by the first that the compiler knows; gcc prefers 256 bits otherwise
    ["-march=native", "-mprefer-vector-width=512"],
    ["-march=native"],
    ["-mcpu=native"],
]
VERSIONS = [  # the macros that hold a version; clang has those of gcc too, with the version 4.2.1
    ("__clang_major__", "__clang_minor__", "__clang_patchlevel__"),
    ("__GNUC__", "__GNUC_MINOR__", "__GNUC_PATCHLEVEL__"),
]
# what /proc/cpuinfo says of a core that changes over time, or differs between equal machines
VARYING = re.compile("processor|cpu MHz|bogomips|physical id|core id|apicid|initial apicid|siblings|cpu cores")
PROBE = """
#include <math.h>
#include <stdint.h>

typedef float row __attribute__((vector_size(16)));

double probe(double *x, int64_t n)
{
    double total = 0;
    #pragma omp simd reduction(+:total)
    for (int64_t i = 0; i < n; i++)
        total += fabs(x[i]);
    row ones = {1, 1, 1, 1};
    ones += ones;
    return pow(total, ones[3]);
}
"""


class Compiler(NamedTuple):
    """A C compiler that works, on this processor.

    name      how a user knows it
    version   its version, as 12.2.0
    command   how it is started
    flags     that it is given; the first of them tell it to use all of this processor
    features  a hash of all that it then knows of the processor
    """

    name: str
    version: str
    command: list[str]
    flags: list[str]
    features: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def key(self, source: str) -> str:
        """The name under which a library from `source` is kept: equal only if the library is."""
        return disk.key("library 1", repr(self), source)

    def library(self, source: str, running: Running | None = None) -> ctypes.CDLL:
        """The library from `source`: the one on the disk, or a new one, which is then kept there.

        `running` is the compiler, if it was `started` before.
        """
        key = self.key(source)
        return _kept(key) or self._made(source, key, running)

    def started(self, source: str) -> Running:
        """The compiler, which makes a library from `source` from now on."""
        command = [*self.command, *self.flags, "source.c", "-o", self.key(source) + SUFFIX, "-lm"]
        return Running(command, {"source.c": source})

    def _made(self, source: str, key: str, running: Running | None) -> ctypes.CDLL:
        if running is None or running.owner != os.getpid():  # but that of a process of which this is a fork
            running = self.started(source)
        with running, failing():
            running.output()
            folder = running.folder
            if not (folder / (key + SUFFIX)).is_file():
                raise CompileError("it wrote no library and reported no error")
            disk.keep(key, {name: (folder / name).read_bytes() for name in ("source.c", key + SUFFIX)})
            return _kept(key) or _loaded(folder, key)


def _kept(key: str) -> ctypes.CDLL | None:
    """The library on the disk under a key, if there is one that can be loaded from there."""
    try:
        return _loaded(place, key) if (place := disk.kept(key)) else None
    except OSError:
        return None


def _loaded(folder: Path, key: str) -> ctypes.CDLL:
    return ctypes.CDLL(str(folder / (key + SUFFIX)))


lock = threading.RLock()  # held while a compiler is looked for or runs


def compiler() -> Compiler:
    """The compiler of this process: the first that works. CompileError, with the reasons, if none does."""
    with lock:
        found = _found()
    if isinstance(found, str):
        raise CompileError(found)
    return found


@functools.cache
def _found() -> Compiler | str:
    failures = []
    for name, command in candidates():
        try:
            return working(name, command)
        except CompileError as error:
            failures.append(f"{name} does not work ({error})")
    if importlib.util.find_spec("ziglang") is None:
        failures = [*(failures or ["no C compiler"]), "pip install ziglang brings one"]
    return "; ".join(failures)


def candidates() -> Iterator[tuple[str, list[str]]]:
    """The compilers to try, in order: the name of each, and the command that starts it."""
    if sys.platform != "win32":
        given = os.environ.get("CC", "")
        words = [given] if shutil.which(given) else given.split()
        if words:
            name = " ".join([os.path.basename(words[0]), *words[1:]])
            yield name, [shutil.which(words[0]) or words[0], *words[1:]]
        for name in ("cc", "gcc", "clang"):
            if path := shutil.which(name):
                yield name, [path]
    package = importlib.util.find_spec("ziglang")
    if package is not None and package.origin is not None:
        program = Path(package.origin).with_name("zig.exe" if sys.platform == "win32" else "zig")
        yield "ziglang's clang", [str(program), "cc"]


def working(name: str, command: list[str]) -> Compiler:
    """The compiler that `command` starts, if it compiles the probe; CompileError if not."""
    entry = disk.key("compiler 1", repr((name, command, identity(command), processor(), FLAGS, LEVELS, NATIVE)))
    if place := disk.kept(entry):
        return Compiler(**json.loads((place / "compiler.json").read_text()))
    with failing():
        flags, macros = native(command)
    found = Compiler(name, version(macros), command, flags, disk.key(*sorted(macros)))
    probe = found.library(PROBE).probe
    probe.restype = ctypes.c_double
    if probe((ctypes.c_double * 9)(*range(-4, 5)), ctypes.c_int64(9)) != 400.0:
        raise CompileError("what it compiles computes wrong numbers")
    disk.keep(entry, {"compiler.json": json.dumps(found._asdict()).encode()})
    return found


def native(command: list[str]) -> tuple[list[str], list[str]]:
    """The flags for this processor, and the macros that the compiler then defines: the processor's features."""
    march = any(word.startswith(("-march=", "-mcpu=")) for word in command)
    level = any(word.startswith("-O") for word in command)
    for ways in itertools.product([[]] if level else LEVELS, [[]] if march else NATIVE):
        try:
            flags = [*itertools.chain(*ways), *FLAGS]
            return flags, run([*command, *flags, "-dM", "-E", "empty.c"], {"empty.c": ""}).splitlines()
        except CompileError as error:
            last = error
    raise last


def version(macros: list[str]) -> str:
    """The version of gcc or clang, from the macros that it defines: 12.2.0."""
    values = dict(re.findall(r"^#define (\w+) (\w+)$", "\n".join(macros), re.MULTILINE))
    for parts in VERSIONS:
        if values.keys() >= set(parts):
            return ".".join(values[part] for part in parts)
    raise CompileError("it is neither gcc nor clang")


def identity(command: list[str]) -> list[str]:
    """The size and the time of every file that a command names, so that a compiler that was replaced is new."""
    paths = [shutil.which(word) or word for word in command]
    stats = [os.stat(path) for path in paths if os.path.isfile(path)]
    return [f"{stat.st_size} {stat.st_mtime_ns}" for stat in stats]


def processor() -> str:
    """What tells this processor from those of other machines with the same cache, without a compiler."""
    if sys.platform == "win32":
        names = ("PROCESSOR_ARCHITECTURE", "PROCESSOR_IDENTIFIER", "COMPUTERNAME")
        return " ".join(os.environ.get(name, "") for name in names)
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            first = itertools.takewhile(str.strip, file)  # the lines of the first core
            return "".join(line for line in first if not VARYING.match(line))
    except OSError:
        return " ".join(os.uname())  # on macOS the version of the kernel names the family of the processor
