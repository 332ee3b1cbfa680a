"""A strict double of CuPy for a machine without a device: put in its place, it is what `import cupy` finds.

It computes with NumPy, but keeps CuPy's borders: what CuPy refuses it refuses, with CuPy's exceptions, and
where CuPy gives undefined or surprising results without a word, so does it. `watch()` counts the copies
across the border, `reached` lists what the project has asked for.

array         the opaque array, and the tables by which it answers NumPy's protocols
ufuncs        the ufuncs and the operators
creation, indexing, rearranging, reductions, arithmetic, linear    the functions
methods       the methods and attributes
counting      uploads, downloads, synchronisations
reaching      what the project reaches of CuPy
cuda          two devices

What it answers is measured on CuPy, in tests/devices/test_double.py. It is a double of what the project may
need: what is missing here may exist in CuPy.
"""

from types import SimpleNamespace

import numpy as np

from double import cuda, linear, methods
from double.array import FUNCTIONS, UFUNCS, ndarray
from double.counting import watch
from double.reaching import reached
from double.ufuncs import ufunc

__version__ = "14.2.0"
__all__ = ["cuda", "cupyx", "linear", "methods", "ndarray", "reached", "ufunc", "watch"]

linalg, stride_tricks = SimpleNamespace(), SimpleNamespace()
lib = SimpleNamespace(stride_tricks=stride_tricks)
cupyx = SimpleNamespace(errstate=linear.errstate)  # a module of its own beside CuPy
for name, function in FUNCTIONS.items():
    *owner, last = name.split(".")
    if owner:
        setattr({"linalg": linalg, "stride_tricks": stride_tricks}[owner[-1]], last, function)
    else:
        globals()[name] = function
for name, function in vars(np).items():
    if isinstance(function, np.ufunc) and function.__name__ in UFUNCS:  # under all of its names
        globals()[name] = UFUNCS[function.__name__]
