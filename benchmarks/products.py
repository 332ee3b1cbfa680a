"""Matrix products as they stand in C loops, compared with np.dot and with the peak of this machine.

    taskset -c 0 .venv/bin/python benchmarks/products.py
    taskset -c 0 .venv/bin/python benchmarks/products.py --march x86-64-v3     vectors of 32 bytes
    taskset -c 0 .venv/bin/python benchmarks/products.py --cc "python -m ziglang cc"

The products are those of the steps of S1 to S4 in `scan.py`, forward and backward, in float32. A C function
repeats each product. b is packed once, as in a loop over time ("panels"), or read where it is ("direct").
np.dot includes the call from Python. A loop of multiply-adds measures the peak. All run in shuffled order in
every round, because on a shared machine only ratios within a run mean something. Every result is compared
with NumPy in float64.
"""

from limits import allow, pin

if __name__ == "__main__":
    allow(threads=1)

import argparse
import ctypes
import random
import shlex
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measure import progress, versions

from tinygrad_seq.scan.c.products import PREAMBLE, product

SIZES = {  # m, k, n of c = a b, (m x k) (k x n)
    "S1": [(32, 64, 512), (32, 128, 512), (32, 512, 128)],
    "S2": [(16, 8, 400), (16, 100, 400), (16, 400, 100)],
    "S3": [(20, 200, 800), (20, 800, 200)],
    "S4": [(1, 16, 128), (1, 32, 128), (1, 128, 32)],
}
KINDS = ("panels", "direct", "np.dot")
WORK = 5e7  # multiply-adds of one measurement, about half a millisecond
TOLERANCE = 1e-5  # of float32, relative to the largest element

PEAK = """
/* Multiply-adds in 12 vectors at once, which hides the latency of each, and fits into 16 registers. */
float peak(int64_t times, const float *numbers)
{
    vector_f32 x = load_f32(numbers), all = x, sum[12];
    for (int i = 0; i < 12; i++)
        sum[i] = x;
    while (times--) {
        _Pragma("GCC unroll 12") for (int i = 0; i < 12; i++)
            sum[i] += x * sum[i];
    }
    for (int i = 0; i < 12; i++)
        all += sum[i];
    return all[0];
}

int vector_bytes(void) { return VECTOR_BYTES; }
"""
REPEATED = """
void pack_{name}_once(const float *b, float *panels) {{ pack_{name}(b, {n}, 1, panels); }}

void repeat_{name}_panels(int64_t times, const float *a, const float *panels, float *c)
{{
    while (times--) {{
        {name}(a, {k}, 1, panels, c, {n});
        __asm__ volatile("" : : : "memory");
    }}
}}

void repeat_{name}_direct(int64_t times, const float *a, const float *b, float *c)
{{
    while (times--) {{
        {name}_direct(a, {k}, 1, b, {n}, c, {n});
        __asm__ volatile("" : : : "memory");
    }}
}}
"""


def library(shapes: list[tuple[int, int, int]], command: list[str]) -> ctypes.CDLL:
    """The products, loops that repeat them, and the loop for the peak."""
    parts = [PREAMBLE, PEAK]
    for m, k, n in shapes:
        p = product(m, k, n, np.float32)
        parts += [p.source, REPEATED.format(name=p.name, k=k, n=n)]
    with tempfile.TemporaryDirectory() as folder:
        text, binary = Path(folder, "products.c"), Path(folder, "products.so")
        text.write_text("\n".join(parts))
        subprocess.run([*command, str(text), "-o", str(binary)], check=True)
        return ctypes.CDLL(str(binary))


def timed(times: int, run: Callable[[], object]) -> float:
    """Seconds of one of the `times` repetitions that a call of run makes."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) / times


def aligned(size: int) -> np.ndarray:
    """Memory for floats that begins with a line of the cache."""
    memory = np.empty(size + 16, np.float32)
    start = -memory.ctypes.data % 64 // 4
    return memory[start : start + size]


def runs(shape: tuple[int, int, int], c: ctypes.CDLL) -> dict[str, Callable[[], float]]:
    """The product of random matrices in three ways; each returns the seconds of one product."""
    m, k, n = shape
    p, rng = product(m, k, n, np.float32), np.random.default_rng(0)
    a, b = (rng.standard_normal(s).astype(np.float32) for s in ((m, k), (k, n)))
    panels, out = aligned(p.panels), aligned(m * n).reshape(m, n)
    getattr(c, f"pack_{p.name}_once")(*map(pointer, (b, panels)))
    times = max(1, int(WORK / (m * k * n)))

    def repeat(kind: str, b: np.ndarray) -> float:
        function = getattr(c, f"repeat_{p.name}_{kind}")
        given = ctypes.c_int64(times), *map(pointer, (a, b, out))
        return timed(times, lambda: function(*given))

    def dot() -> float:
        return timed(times, lambda: [np.dot(a, b, out=out) for _ in range(times)])

    found = {"panels": lambda: repeat("panels", panels), "direct": lambda: repeat("direct", b), "np.dot": dot}
    right = a.astype(float) @ b
    for kind, run in found.items():
        out[:] = np.nan
        run()
        if not np.abs(out - right).max() <= TOLERANCE * np.abs(right).max():
            raise SystemExit(f"{kind}, {shape}: wrong")
    return found


def pointer(x: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(x.ctypes.data)


def blas() -> str:
    """The library that np.dot calls, and the kernel that it chose."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return "np.dot by an unknown kernel: threadpoolctl is not installed"
    return "np.dot by " + ", ".join(
        f"{pool['internal_api']} {pool['version']} for {pool.get('architecture')}"
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--repeats", type=int, default=41, help="rounds, each of one measurement per product")
    parser.add_argument("--march", default="native")
    parser.add_argument("--cc", default="cc", help="the command of the compiler")
    chosen = parser.parse_args()

    random.seed(0)
    print(f"{versions()}; {blas()}; {pin(1)}; {chosen.repeats} rounds")
    shapes = [shape for size in chosen.sizes for shape in SIZES[size]]
    flags = ["-std=gnu11", "-O3", f"-march={chosen.march}", "-shared", "-fPIC"]
    start = time.perf_counter()
    c = library(shapes, [*shlex.split(chosen.cc), *flags])
    print(f"{chosen.cc} for {chosen.march}, vectors of {c.vector_bytes()} bytes; compiled in ", end="")
    print(f"{time.perf_counter() - start:.2f} s")

    operations = 2 * 12 * c.vector_bytes() // 4  # of a turn of the loop
    times, zeros = int(2 * WORK / operations), np.zeros(16, np.float32)
    c.peak.restype = ctypes.c_float
    measured = {("peak", None): lambda: timed(times, lambda: c.peak(ctypes.c_int64(times), pointer(zeros)))}
    measured |= {(shape, kind): run for shape in shapes for kind, run in runs(shape, c).items()}
    results = {key: [] for key in measured}
    for _ in progress(range(chosen.repeats), "products"):
        for key in random.sample(list(measured), len(measured)):
            results[key].append(measured[key]())
    table(chosen.sizes, results, operations)


def table(sizes: list[str], results: dict, operations: int) -> None:
    """Microseconds, the part of the peak, and np.dot / ours: medians, and minima in brackets."""
    peaks = [operations / of(results["peak", None]) for of in (statistics.median, min)]
    print(f"peak {peaks[0] / 1e9:.0f} ({peaks[1] / 1e9:.0f}) GFLOP/s\n")
    heads = (f"{kind + ' us':>20}{'of the peak':>14}" for kind in KINDS)
    print(f"{'':22}", *heads, f"{'np.dot / panels':>18}", sep="")
    for size in sizes:
        for m, k, n in SIZES[size]:
            row = f"{size} {f'({m}, {k}, {n})':19}"
            found = {kind: [of(results[(m, k, n), kind]) for of in (statistics.median, min)] for kind in KINDS}
            for took in found.values():
                parts = [2 * m * k * n / t / peak for t, peak in zip(took, peaks, strict=True)]
                row += f"{f'{took[0] * 1e6:.3f} ({took[1] * 1e6:.3f})':>20}"
                row += f"{f'{parts[0]:.0%} ({parts[1]:.0%})':>14}"
            ratios = [d / o for d, o in zip(found["np.dot"], found["panels"], strict=True)]
            print(row + f"{f'{ratios[0]:.2f} ({ratios[1]:.2f})':>18}")


if __name__ == "__main__":
    main()
