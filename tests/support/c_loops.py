"""Functions of elementary.h applied to arrays, by a C compiler, for tests of the header itself."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterable

import numpy as np
import pytest

from tinygrad_seq.engine.expression import FUNCTIONS
from tinygrad_seq.scan.c.compiler import native
from tinygrad_seq.testing.expressions import HEADER, Loop, compiler_works, function, library

FLOATS = [np.dtype("float32"), np.dtype("float64")]
BINARY = {"logaddexp_", "pow_", "arctan2_", "maximum_", "minimum_", "safe_product_"}
COMPILERS = {"gcc": ["gcc"], "clang": ["clang"], "ziglang": [sys.executable, "-m", "ziglang", "cc"]}

needs_compiler = pytest.mark.skipif(not compiler_works(), reason="there is no C compiler here")


def found(name: str) -> bool:
    return shutil.which(name) is not None or (name == "ziglang" and importlib.util.find_spec(name) is not None)


def source(names: Iterable[str] = sorted(FUNCTIONS), dtypes: Iterable[np.dtype] = FLOATS) -> str:
    """The header, and a loop `exp_float32` over every function and dtype."""
    loops = [
        function(
            f"{name}{dtype}",
            arguments := ["a", "b"][: 1 + (name in BINARY)],
            [dtype] * len(arguments),
            dtype,
            f"{name}({', '.join(f'{a}[i]' for a in arguments)})",
        )
        for name in names
        for dtype in dtypes
    ]
    return "\n".join([HEADER.read_text(encoding="utf-8"), *loops])


def compiled(command: list[str], text: str, folder, *flags: str) -> str:
    """What a compiler reports, with the flags of the emitter; CalledProcessError if it fails."""
    (folder / "loops.c").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [*command, *native(command)[0], *flags, "loops.c", "-o", "loops.so", "-lm"],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout + done.stderr


def loop(name: str, dtype: np.dtype, text: str | None = None) -> Loop:
    """The loop over a function, for a dtype; `text` is the source, if it is not the header's."""
    return Loop((dtype,), dtype, library(text or source())[f"{name}{dtype}"])


def applied(name: str, *arrays: np.ndarray) -> np.ndarray:
    """The function of this name, of float arrays of one dtype."""
    return loop(name, arrays[0].dtype)(*map(np.ascontiguousarray, arrays))
