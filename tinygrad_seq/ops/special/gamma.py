"""The gamma function, its logarithm and its relatives.

At the poles, 0, -1, -2 ..., there are no derivatives: they are infinite or NaN. Equations are those of the
Digital Library of Mathematical Functions, DLMF, chapter 5.
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq.engine.primitive import numpy_function, primitive, safe_product
from tinygrad_seq.ops.elementwise import POSITIVE
from tinygrad_seq.ops.special.library import computed, in_one_dtype

FAR = (0.5, math.inf)  # from the pole at 0, so that derivatives are float16


@primitive("(),()->()", domain={"x": FAR})
@in_one_dtype
def _polygamma(n, x, /):
    """z = the n-th derivative of digamma at x, for whole n"""
    return computed("polygamma", n, x)


_polygamma.partials(None, lambda n, x: _polygamma(n + 1, x), singular=True)


@numpy_function(module="special")
def polygamma(n, x):
    """The n-th derivative of digamma at `x`, for whole numbers n, which are constant.

    >>> import tinygrad_seq as ts
    >>> ts.special.polygamma(1, ts.tensor([1.0, 2.0])).numpy().round(3)
    array([1.645, 0.645], dtype=float32)
    """
    return _polygamma(n, x)


@primitive("()->()", domain={"x": POSITIVE}, module="special")
@in_one_dtype
def digamma(x, /):
    """z = d/dx log gamma(x)

    >>> ts.special.digamma(ts.tensor([1.0, 2.0])).numpy().round(3)
    array([-0.577,  0.423], dtype=float32)
    """
    return computed("digamma", x)


psi = digamma
digamma.partials(lambda x: _polygamma(1, x), singular=True)


@primitive("()->()", domain={"x": POSITIVE}, module="special")
@in_one_dtype
def gammaln(x, /):
    """z = log |gamma(x)|

    >>> ts.special.gammaln(ts.tensor([1.0, 5.0])).numpy().round(3)
    array([0.   , 3.178], dtype=float32)
    """
    return computed("gammaln", x)


gammaln.partials(lambda x: digamma(x), singular=True)  # DLMF 5.2.2


@primitive("()->()", domain={"x": POSITIVE}, module="special")
@in_one_dtype
def gamma(x, /):
    """z = the integral of t^(x - 1) e^-t over t >= 0, continued to x < 0

    >>> ts.special.gamma(ts.tensor([1.0, 5.0])).numpy()
    array([ 1., 24.], dtype=float32)
    """
    return computed("gamma", x)


gamma.partials(lambda x, z: safe_product(z, digamma(x)), singular=True)


@primitive("()->()", domain={"x": POSITIVE}, module="special")
@in_one_dtype
def rgamma(x, /):
    """z = 1 / gamma(x), which is 0 and has a derivative at the poles of gamma

    >>> ts.special.rgamma(ts.tensor([0.0, 4.0])).numpy().round(3)
    array([0.   , 0.167], dtype=float32)
    """
    return computed("rgamma", x)


def rgamma_slope(x, z):
    """-z digamma(x); for x < 1/2, of sin(pi x) gamma(1 - x) / pi (DLMF 5.5.3), which has no poles there"""
    left = x < 0.5
    y, right = np.where(left, x, 0), np.where(left, 1, x)
    turned = np.cos(math.pi * y) - safe_product(np.sin(math.pi * y), digamma(1 - y)) / math.pi
    reflected = safe_product(gamma(1 - y), turned)
    return np.where(left, reflected, -z * digamma(right))


rgamma.partials(lambda x, z: rgamma_slope(x, z), singular=True)


@primitive("()->()", module="special")
@in_one_dtype
def gammasgn(x, /):
    """z = the sign of gamma(x)

    >>> ts.special.gammasgn(ts.tensor([0.5, -0.5])).numpy()
    array([ 1., -1.], dtype=float32)
    """
    return computed("gammasgn", x)


gammasgn.no_derivative()


@primitive("(),()->()", domain={"a": FAR, "b": FAR}, module="special")
@in_one_dtype
def betaln(a, b, /):
    """z = log |gamma(a) gamma(b) / gamma(a + b)|

    >>> ts.special.betaln(ts.tensor([1.0, 2.0]), 3.0).numpy().round(3)
    array([-1.099, -2.485], dtype=float32)
    """
    return computed("betaln", a, b)


betaln.partials(
    lambda a, b: digamma(a) - digamma(a + b), lambda a, b: digamma(b) - digamma(a + b), singular=True
)


@primitive("(),()->()", domain={"a": FAR, "b": FAR}, module="special")
@in_one_dtype
def beta(a, b, /):
    """z = gamma(a) gamma(b) / gamma(a + b)

    >>> ts.special.beta(ts.tensor([1.0, 2.0]), 3.0).numpy().round(3)
    array([0.333, 0.083], dtype=float32)
    """
    return computed("beta", a, b)


beta.partials(
    lambda a, b, z: safe_product(z, digamma(a) - digamma(a + b)),
    lambda a, b, z: safe_product(z, digamma(b) - digamma(a + b)),
    singular=True,
)


@numpy_function(module="special")
def multigammaln(a, d: int):
    """The logarithm of the gamma function of dimension `d`, for a > (d - 1) / 2; NaN for other a.

    log Gamma_d(a) = d (d - 1) / 4 log pi + sum_{j < d} log gamma(a - j / 2)

    >>> import tinygrad_seq as ts
    >>> ts.special.multigammaln(ts.tensor([1.0, 2.0]), 2).numpy().round(3)
    array([1.145, 0.452], dtype=float32)
    """
    if d != (d := int(d)) or d < 1:
        raise ValueError(f"multigammaln needs a whole dimension d >= 1, got {d}")
    a = np.where(np.greater(a, 0.5 * (d - 1)), a, math.nan)
    z = 0.25 * d * (d - 1) * math.log(math.pi)
    for j in range(d):
        z = z + gammaln(a - 0.5 * j)
    return z
