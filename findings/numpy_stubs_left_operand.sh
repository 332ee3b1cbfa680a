#!/usr/bin/env bash
# numpy 2.4.6 and mypy 2.4.1: for a class that answers NumPy's ufuncs (__array_ufunc__, NEP 13) and can also be
# converted (__array__), `array * x` is typed as an ndarray, although at run time it is what x.__array_ufunc__ returns.
#
# One would guess Any, or the type that x.__rmul__ declares: a library of tensors declares both, and PyTorch, JAX and
# autograd-like packages all have this shape. NumPy's stubs accept every object with __array__ as an ArrayLike right
# operand of ndarray.__mul__, so a type checker never looks at __rmul__ or __array_ufunc__. Without __array__ it does.
#
# Seen:   scalar_on_left Tensor, array_on_left ndarray, without __array__ Tensor; at run time Tensor each time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 mypy==2.4.1
cat >"$folder/tensors.py" <<'PYTHON'
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np


class Base:
    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: object, **kwargs: object) -> object:
        return type(self)(getattr(ufunc, method)(*(x.values if isinstance(x, Base) else x for x in inputs)))


class Tensor(Base):
    def __rmul__(self, other: float | np.ndarray) -> Tensor:
        return Tensor(np.multiply(other, self.values))

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        return self.values


class Opaque(Base):
    def __rmul__(self, other: float | np.ndarray) -> Opaque:
        return Opaque(np.multiply(other, self.values))


array = np.ones(3)
scalar_on_left = 2.0 * Tensor(array)
array_on_left = array * Tensor(array)
opaque_on_left = array * Opaque(array)
if TYPE_CHECKING:
    reveal_type(scalar_on_left)
    reveal_type(array_on_left)
    reveal_type(opaque_on_left)
print(type(scalar_on_left).__name__, type(array_on_left).__name__, type(opaque_on_left).__name__)
PYTHON
cd "$folder"
types=$(venv/bin/python -m mypy tensors.py | sed -n 's/.*Revealed type is "\([a-zA-Z_.]*\).*/\1/p' | paste -sd' ')
made=$(venv/bin/python tensors.py)
echo "typed:       $types"
echo "at run time: $made"
[ "$types" = "tensors.Tensor numpy.ndarray tensors.Opaque" ] && [ "$made" = "Tensor Tensor Opaque" ]
