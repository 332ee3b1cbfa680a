#!/usr/bin/env bash
# threadpoolctl 3.8.0 with the OpenBLAS of numpy 2.4.6: once a thread has called threadpool_limits(4), `with
# threadpool_limits(1)` in any other thread has no effect, without an error or a warning.
#
# The number of threads of this OpenBLAS belongs to the process, so one would guess that the last call counts, from
# whatever thread; so it was up to 3.7.0, which prints 1 everywhere below. Since 3.8.0 the first thread that sets a
# limit is the only one that can, until it leaves a `with threadpool_limits(...)` or ends. A plain call in the main
# thread does neither. So a program that sets a limit when it starts makes every limit in its worker threads an empty
# statement: each worker then runs its products on 4 threads. (With an OpenBLAS for OpenMP every thread has a limit of
# its own.)
#
# Seen:   `with threadpool_limits(1)` in a second thread: 1 at first, 4 after threadpool_limits(4) in the main thread,
#         3 within its `with threadpool_limits(3)`, 1 after that; no warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 threadpoolctl==3.8.0
seen=$("$folder/venv/bin/python" -W error - <<'PYTHON'
from concurrent.futures import ThreadPoolExecutor

import numpy
from threadpoolctl import threadpool_info, threadpool_limits


def worker():
    with threadpool_limits(1):
        return next(pool["num_threads"] for pool in threadpool_info() if pool["internal_api"] == "openblas")


def in_second_thread():
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(worker).result()


print(in_second_thread(), end=" ")
threadpool_limits(4)
print(in_second_thread(), end=" ")
with threadpool_limits(3):
    print(in_second_thread(), end=" ")
print(in_second_thread())
PYTHON
)
echo "$seen"
[ "$seen" = "1 4 3 1" ]
