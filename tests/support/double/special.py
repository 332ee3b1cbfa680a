"""`cupyx.scipy.special`: the functions that CuPy has, with SciPy's values."""

from __future__ import annotations

from types import ModuleType

import numpy as np
from scipy import special

from double.array import host, wrap
from double.reaching import reach
from double.ufuncs import ufunc

NAMES = """beta betaln digamma entr erf erfc erfcinv erfcx erfinv gamma gammaln gammasgn i0 i0e i1 i1e j0 j1
    kl_div log_ndtr ndtr ndtri psi rel_entr rgamma xlog1py xlogy y0 y1 yn""".split()  # noqa: SIM905

module = ModuleType("cupyx.scipy.special")
for name in NAMES:
    setattr(module, name, ufunc(getattr(special, name)))


def polygamma(n, x):
    """It is not a ufunc."""
    reach("function", "special.polygamma", 2)
    return wrap(np.asarray(special.polygamma(host(n, "n") if hasattr(n, "_host") else n, host(x))))


module.polygamma = polygamma  # type: ignore[attr-defined]
