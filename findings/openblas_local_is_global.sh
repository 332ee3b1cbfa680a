#!/usr/bin/env bash
# OpenBLAS 0.3.31 (in the wheel of numpy 2.4.6 for Linux): openblas_set_num_threads_local sets the number of threads of
# all threads, not of the one that calls it.
#
# By its name, and by mkl_set_num_threads_local, which it is modelled on, it sets a limit for the calling thread that
# takes precedence over the number of the process. In an OpenBLAS that uses pthreads, as those in the wheels of NumPy
# and SciPy, it is openblas_set_num_threads that also returns the number before: a worker that asks for one thread for
# itself leaves the main thread and all other workers with one.
#
# Seen:   main thread 4; a second thread calls it with 1, which returns 4; the main thread then has 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import ctypes
from concurrent.futures import ThreadPoolExecutor

import numpy._core._multiarray_umath as linked

openblas = ctypes.CDLL(linked.__file__)  # dlsym also looks into the libraries that NumPy is linked with
number = openblas.scipy_openblas_get_num_threads64_
openblas.scipy_openblas_set_num_threads64_(4)
print(number(), end=" ")
with ThreadPoolExecutor(1) as executor:
    print(executor.submit(openblas.openblas_set_num_threads_local, 1).result(), end=" ")
print(number())
PYTHON
)
echo "$seen"
[ "$seen" = "4 4 1" ]
