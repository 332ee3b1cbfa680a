"""How many threads and which cores the libraries may use.

Libraries read the number of threads when they are imported, so this module imports none of them.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "TINYGRAD_SEQ_THREADS")
OLDER_KERNELS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # where they are set, OpenBLAS may take older ones


def allow(threads: int) -> None:
    """Set the number of threads of all libraries imported from now on, here and in processes started here."""
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    for name in OLDER_KERNELS:
        os.environ.pop(name, None)


def pin(threads: int) -> str:
    """Use as many cores as threads, because JAX starts a thread for every core; return a description."""
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned: this system cannot"
    cores = sorted(os.sched_getaffinity(0))[:threads]
    if len(cores) < threads:
        raise SystemExit(f"{threads} threads need as many cores; this process may use {len(cores)}")
    os.sched_setaffinity(0, cores)
    return f"on core {' and '.join(map(str, cores))}"


@contextmanager
def busy() -> Iterator[None]:
    """In this context a process keeps one of the cores busy that this process may use."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()
