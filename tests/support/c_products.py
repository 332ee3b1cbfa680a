"""The C products of `tinygrad_seq/scan/c/products.py`, compiled for vectors of one width, called from NumPy."""

import ctypes
import functools
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from tinygrad_seq.scan.c.products import PREAMBLE, Product, functions

FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
X86 = platform.machine() in ("x86_64", "AMD64")
# bytes of a vector -> the flag that asks for it, and the features that the processor must have to run it
WIDTHS = {
    64: ("-march=x86-64-v4", ("avx512f", "avx512vl", "avx512bw", "avx512dq")),
    32: ("-march=x86-64-v3", ("avx2", "fma", "bmi2")),
    16: ("-march=x86-64-v2" if X86 else "-mcpu=native", ("sse4.2",)),
}
POINTER, INDEX = ctypes.c_void_p, ctypes.c_int64


def compiler() -> str:
    """A C compiler; without one, skip the test."""
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and shutil.which(name):
            return name
    return pytest.skip("no C compiler")


@functools.cache
def compiled(source: str, *flags: str) -> ctypes.CDLL:
    """The library of a source; a warning of the compiler is an error."""
    folder = Path(tempfile.mkdtemp(prefix="products_"))
    text, library = folder / "products.c", folder / "products.so"
    text.write_text(source)
    done = subprocess.run(
        [compiler(), *FLAGS, *flags, str(text), "-o", str(library)], capture_output=True, text=True
    )
    assert not done.returncode, done.stderr
    loaded = ctypes.CDLL(str(library))
    shutil.rmtree(folder)
    return loaded


def runs(width: int) -> None:
    """Skip the test if this processor cannot run code for this width."""
    if not X86:
        if width != 16:
            pytest.skip(f"{platform.machine()} has vectors of 16 bytes only")
        return
    tests = " && ".join(f'__builtin_cpu_supports("{feature}")' for feature in WIDTHS[width][1])
    if not compiled(f"int runs(void) {{ return {tests}; }}").runs():
        pytest.skip(f"this processor has no vectors of {width} bytes")


EXPORTED = """
void exported_pack_{name}(const {real} *b, int64_t row, int64_t column, {real} *panels)
{{
    pack_{name}(b, row, column, panels);
}}
void exported_{name}(int64_t blocks, const {real} *a, int64_t a_row, int64_t a_column,
    const {real} *panels, {real} *c, int64_t c_row)
{{
    {name}(blocks, a, a_row, a_column, panels, c, c_row);
}}
"""
EXPORTED_DIRECT = """
void exported_{name}_direct(int64_t blocks, const {real} *a, int64_t a_row, int64_t a_column,
    const {real} *b, int64_t b_row, {real} *c, int64_t c_row)
{{
    {name}_direct(blocks, a, a_row, a_column, b, b_row, c, c_row);
}}
"""


class Products:
    """The products of shapes (m, k, n) for a dtype, compiled together for vectors of `width` bytes."""

    def __init__(self, shapes: Iterable[tuple[int, int, int]], dtype, width: int) -> None:
        self.dtype, self.lanes = np.dtype(dtype), width // np.dtype(dtype).itemsize
        self.products = {shape: Product(*shape, self.dtype) for shape in sorted(set(shapes))}
        real = {4: "float", 8: "double"}[self.dtype.itemsize]
        parts = [PREAMBLE, "int vector_bytes(void) { return VECTOR_BYTES; }\n"]
        parts.append(functions(self.products.values()))
        for p in self.products.values():
            parts += [EXPORTED.format(name=p.name, real=real)]
            parts += [EXPORTED_DIRECT.format(name=p.name, real=real)] * p.direct
        self.library = compiled("\n".join(parts), WIDTHS[width][0])

    def __call__(self, a: np.ndarray, b: np.ndarray, c: np.ndarray, blocks: int = 1) -> np.ndarray:
        """c = a b with b in panels, for any strides of a and b. If b is finite, so are the panels; the memory
        behind them is unchanged.
        """
        p = self._product(a, b, c, blocks)
        panels, guards = guarded(p.panels, self.dtype)
        pack = self._function(f"exported_pack_{p.name}", POINTER, INDEX, INDEX, POINTER)
        pack(b.ctypes.data, *steps(b), panels.ctypes.data)
        assert untouched(guards)
        packed = panels[: b.shape[0] * -(-b.shape[1] // self.lanes) * self.lanes]
        assert np.isfinite(packed).all() or not np.isfinite(b).all()
        run = self._function(f"exported_{p.name}", INDEX, POINTER, INDEX, INDEX, POINTER, POINTER, INDEX)
        run(blocks, a.ctypes.data, *steps(a), panels.ctypes.data, c.ctypes.data, steps(c)[0])
        return c

    def direct(self, a: np.ndarray, b: np.ndarray, c: np.ndarray, blocks: int = 1) -> np.ndarray:
        """c = a b with b where it is; its columns and those of c are neighbours."""
        p = self._product(a, b, c, blocks)
        run = self._function(
            f"exported_{p.name}_direct", INDEX, POINTER, INDEX, INDEX, POINTER, INDEX, POINTER, INDEX
        )
        run(blocks, a.ctypes.data, *steps(a), b.ctypes.data, steps(b)[0], c.ctypes.data, steps(c)[0])
        return c

    def _product(self, a: np.ndarray, b: np.ndarray, c: np.ndarray, blocks: int) -> Product:
        assert a.dtype == b.dtype == c.dtype == self.dtype
        assert c.shape == (a.shape[0], b.shape[1])
        return self.products[a.shape[0] // blocks, *b.shape]

    def _function(self, name: str, *types):
        function = getattr(self.library, name)
        function.argtypes, function.restype = types, None
        return function


def steps(x: np.ndarray) -> tuple[int, ...]:
    """The strides of x in elements."""
    return tuple(stride // x.itemsize for stride in x.strides)


GUARD = 64  # elements
MARK = 7.25


def guarded(size: int, dtype) -> tuple[np.ndarray, list[np.ndarray]]:
    """Memory of this size that begins at a multiple of 64 bytes, filled with NaN; and its neighbourhood."""
    memory = np.full(size + 3 * GUARD, MARK, dtype)
    start = GUARD + -memory[GUARD:].ctypes.data % 64 // memory.itemsize
    inside, before, after = memory[start : start + size], memory[:start], memory[start + size :]
    inside[:] = np.nan
    return inside, [before, after]


def untouched(guards: list[np.ndarray]) -> bool:
    return all((guard == MARK).all() for guard in guards)
