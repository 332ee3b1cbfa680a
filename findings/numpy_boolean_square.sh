#!/usr/bin/env bash
# numpy 2.4.6: the dtype of a boolean to the power of two depends on how it is written.
#
# `array ** 2` takes a fast path through np.square, which has a loop for int8 and none for booleans; np.power with the
# same two operands promotes to the integer of the platform; the scalar np.True_ takes the path of np.power. So a loop
# over the elements of a boolean array and one operation on the whole array have different dtypes, and the sum of
# squares of a mask, an int8, is added up in whatever follows. ** 3 has no fast path and is int64 in every form.
#
# Seen:   array ** 2 int8, np.power(array, 2) int64, np.True_ ** 2 int64, array ** 3 int64.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import numpy as np

mask = np.array([True, False])
print((mask**2).dtype, np.power(mask, 2).dtype, (np.True_**2).dtype, (mask**3).dtype)
PYTHON
)
echo "$seen"
[ "$seen" = "int8 int64 int64 int64" ]
