#!/usr/bin/env bash
# numpy 2.4.6: a masked array takes the attribute `_data` of ANY other operand for its array.
#
# np.ma.getdata reads `a._data`, the private name of MaskedArray's own data, before it looks at anything else. So for a
# class that answers NumPy's ufuncs (__array_ufunc__, NEP 13) and refuses to be converted (__array__ raises),
# `np.ma.array(...) * x` does neither: it multiplies the array that happens to be called `_data` and returns a masked
# array. A library of tensors that names its array so loses its graph there, in silence. Under any other name the
# refusal is reached.
#
# Seen:   array * x: "ufunc"; masked * x with `_data`: MaskedArray [3. 8.]; with `_values`: TypeError "refused".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6
cat >"$folder/masked.py" <<'PYTHON'
import numpy as np


class Answers:
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return "ufunc"

    def __array__(self, dtype=None, copy=None):
        raise TypeError("refused")


class Named(Answers):
    _data = np.array([3.0, 4.0])


class Other(Answers):
    _values = np.array([3.0, 4.0])


def product(left, right):
    try:
        made = left * right
    except TypeError as error:
        return f"TypeError {error}"
    return made if isinstance(made, str) else f"{type(made).__name__} {made.data}"


plain, masked = np.array([1.0, 2.0]), np.ma.array([1.0, 2.0])
print(product(plain, Named()), "|", product(masked, Named()), "|", product(masked, Other()))
PYTHON
seen=$("$folder/venv/bin/python" "$folder/masked.py")
echo "$seen"
[ "$seen" = "ufunc | MaskedArray [3. 8.] | TypeError refused" ]
