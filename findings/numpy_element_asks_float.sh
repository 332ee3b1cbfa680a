#!/usr/bin/env bash
# numpy 2.4.6: `array[0] = x` asks an object with __array__ for float(x), `array[...] = x` for np.asarray(x).
#
# One would guess that both use the array protocol. For one element NumPy calls x.__float__; so a tensor that refuses
# to become an array, because it belongs to a graph, but allows float(), as PyTorch's, JAX's and autograd's do, gives its
# value away there. And if __float__ raises, with a message of what to do, and x has __len__ and __getitem__, the user
# sees "setting an array element with a sequence", with that message only as the cause.
#
# Seen:   [0]: __float__, [...] and [:1]: __array__; the error: ValueError, cause TypeError "write x.numpy()".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6
cat >"$folder/element.py" <<'PYTHON'
import numpy as np


class Number:
    def __array__(self, dtype=None, copy=None):
        asked.append("__array__")
        return np.array(1.0)

    def __float__(self):
        asked.append("__float__")
        return 1.0


class Refusing:
    def __len__(self):
        return 0

    def __getitem__(self, key):
        raise IndexError

    def __array__(self, dtype=None, copy=None):
        return np.array(1.0)

    def __float__(self):
        raise TypeError("write x.numpy()")


asked, a = [], np.zeros(2)
a[0] = Number()
a[...] = Number()
a[:1] = Number()
try:
    a[0] = Refusing()
except Exception as error:
    asked += [type(error).__name__, type(error.__cause__).__name__, str(error.__cause__)]
print(*asked)
PYTHON
seen=$("$folder/venv/bin/python" "$folder/element.py")
echo "$seen"
[ "$seen" = "__float__ __array__ __array__ ValueError TypeError write x.numpy()" ]
