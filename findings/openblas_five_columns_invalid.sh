#!/usr/bin/env bash
# OpenBLAS 0.3.31 (in the wheel of numpy 2.4.6 for Linux), on a processor with AVX-512: the product of a float32 matrix
# of exactly five columns and a vector can raise "invalid value encountered in matmul", though all its numbers are
# finite and its result is right.
#
# The kernel also computes with whatever is left on the stack, and drops the result. The bits of a signaling NaN there,
# which a part of an address can have, raise the flag of the processor that NumPy turns into the warning. So it comes
# and goes from process to process, and with warnings as errors a program fails at random. It happens for 2 or 3 rows
# more than a multiple of 4, with 5 columns and not with 1 to 4 or 6 to 32, and not with the kernels for Haswell.
#
# Here the stack is filled by a call that passes 64 kB by value: with zeros, then with signaling NaNs.
#
# Seen:   zeros: no warnings; signaling NaNs: (2, 5) (3, 5) (6, 5) (7, 5), with the right result 0.625
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if ! grep -q avx512f /proc/cpuinfo; then
  echo "this processor has no AVX-512: nothing to see here"
  exit 0
fi
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6
seen=$(OPENBLAS_CORETYPE=SkylakeX "$folder/venv/bin/python" - <<'PYTHON'
import ctypes
import warnings

import numpy as np

WORDS = ctypes.c_uint32 * 16384


class Block(ctypes.Structure):
    _fields_ = [("words", WORDS)]


by_value = ctypes.CDLL(None).getppid  # which takes no argument, and so ignores one
by_value.argtypes = [Block]


def warned(word, rows, columns):
    a, v = np.full((rows, columns), 0.5, np.float32), np.full(columns, 0.25, np.float32)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        by_value(Block(WORDS(*[word] * 16384)))
        product = a @ v
    assert (product == columns / 8).all()
    return any("invalid value encountered in matmul" in str(w.message) for w in caught)


for word in (0, 0x7FA00000):
    print(*[(m, k) for m in range(1, 9) for k in range(1, 33) if warned(word, m, k)], end=";")
PYTHON
)
echo "$seen"
[ "$seen" = ";(2, 5) (3, 5) (6, 5) (7, 5);" ]
