#!/usr/bin/env bash
# numpy 2.4.6: quantile and percentile of small integers can lie outside the data, without a warning for arrays.
#
# The interpolation is a + (b - a) t, and b - a is computed in the dtype of the data: in int8 the difference of -100
# and 100 wraps around to -56. The quantiles 0.1, 0.25 and 0.5 of these two are then -105.6, -114 and 128. np.median is
# right, since it is a mean, and that is computed in float64. Only a numpy scalar warns of the overflow. Quantised
# signals (int8, int16) need .astype(float) first.
#
# Seen:   np.median 0.0, np.quantile 128.0, along an axis 128.0 with no warning, of floats 0.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import warnings

import numpy as np

x = np.array([[-100, 100], [-100, 100]], np.int8)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    along = np.quantile(x, 0.5, axis=1)
with np.errstate(over="ignore"):
    print(np.median(x[0]), np.quantile(x[0], 0.5), along[0], len(caught), np.quantile(x[0] * 1.0, 0.5))
PYTHON
)
echo "$seen"
[ "$seen" = "0.0 128.0 128.0 0 0.0" ]
