"""The *double*: a strict stand-in for CuPy that runs on the CPU. In a test run `import cupy` imports it.

It computes with NumPy, but has CuPy's limits: where CuPy raises an error, it raises the same error, and where
CuPy silently gives undefined or surprising results, so does the double. `watch()` counts copies between host
and device; `reached` lists the calls that the project has made.

array         the opaque array, and the tables of functions with which it implements NumPy's protocols
ufuncs        the ufuncs and the operators
creation, indexing, rearranging, reductions, arithmetic, linear, fourier    the functions
methods       the methods and attributes
counting      uploads, downloads, synchronisations
reaching      the part of CuPy that the project uses
special       special functions, which are in a package of their own
cuda          two devices

Its results are compared with measurements of CuPy in tests/devices/test_double.py. It has only what the project
may need: a function that is missing here may exist in CuPy.
"""

from types import SimpleNamespace

import numpy as np

from double import cuda, fourier, linear, methods, special
from double.array import FUNCTIONS, UFUNCS, ndarray
from double.counting import watch
from double.reaching import reached
from double.ufuncs import ufunc

__version__ = "14.2.0"
__all__ = [
    "cuda", "cupyx", "fourier", "linear", "methods", "ndarray", "reached", "special", "ufunc", "watch",
]  # fmt: skip

linalg, fft, stride_tricks = SimpleNamespace(), SimpleNamespace(), SimpleNamespace()
lib = SimpleNamespace(stride_tricks=stride_tricks)
cupyx = SimpleNamespace(errstate=linear.errstate)  # a separate module of CuPy's package
for name, function in FUNCTIONS.items():
    *owner, last = name.split(".")
    if owner:
        setattr({"linalg": linalg, "fft": fft, "stride_tricks": stride_tricks}[owner[-1]], last, function)
    else:
        globals()[name] = function
for name, function in vars(np).items():
    if isinstance(function, np.ufunc) and function.__name__ in UFUNCS:  # a ufunc may have several names
        globals()[name] = UFUNCS[function.__name__]
