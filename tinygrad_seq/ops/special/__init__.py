"""Special functions, `ts.special`, under the names of scipy.special.

>>> ts.special.erf(ts.tensor([0.0, 1.0])).numpy().round(3)
array([0.   , 0.843], dtype=float32)

Their values are SciPy's, or on a device CuPy's, imported at the first call. Logistic functions, logarithms and
entropies need neither. `scipy.special.erf(t)` of a tensor is `ts.special.erf(t)`.
"""

from tinygrad_seq.ops.special.bessel import i0, i0e, i1, i1e, iv, ive, j0, j1, jn, jv, y0, y1, yn, yv
from tinygrad_seq.ops.special.errors import erf, erfc, erfcinv, erfcx, erfinv, log_ndtr, ndtr, ndtri
from tinygrad_seq.ops.special.gamma import (
    beta,
    betaln,
    digamma,
    gamma,
    gammaln,
    gammasgn,
    multigammaln,
    polygamma,
    psi,
    rgamma,
)
from tinygrad_seq.ops.special.logarithms import (
    entr,
    expit,
    kl_div,
    log_expit,
    log_softmax,
    logit,
    logsumexp,
    rel_entr,
    softmax,
    xlog1py,
    xlogy,
)

__all__ = [
    # error functions
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "erfcinv",
    "ndtr",
    "ndtri",
    "log_ndtr",
    # gamma
    "gamma",
    "rgamma",
    "gammaln",
    "gammasgn",
    "digamma",
    "psi",
    "polygamma",
    "beta",
    "betaln",
    "multigammaln",
    # logarithms
    "expit",
    "log_expit",
    "logit",
    "xlogy",
    "xlog1py",
    "entr",
    "rel_entr",
    "kl_div",
    "logsumexp",
    "softmax",
    "log_softmax",
    # Bessel functions
    "j0",
    "j1",
    "jv",
    "jn",
    "y0",
    "y1",
    "yv",
    "yn",
    "i0",
    "i1",
    "iv",
    "i0e",
    "i1e",
    "ive",
]
