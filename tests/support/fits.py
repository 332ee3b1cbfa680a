"""The polynomials of elementary.h, computed: interpolation at Chebyshev points, in 60 digits.

    python tests/support/fits.py      prints them

Interpolation at Chebyshev points is within a small factor of the best polynomial of its degree. What is fitted
are the remainders of two series, whose leading terms stay exact:

    e^r = 1 + r + r^2 Q(r)                   |r| <= log(2)/2
    log((1 + s)/(1 - s)) = 2 s + s z L(z)    z = s^2, 0 <= s <= f/(2 + f), f = sqrt 2 - 1
"""

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import NamedTuple

import numpy as np

DIGITS = 60
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899")
FLOAT, DOUBLE = "float", "double"


class Fit(NamedTuple):
    """A function on an interval, and the degree of its polynomial for each type."""

    function: Callable[[Decimal], Decimal]
    low: Decimal
    high: Decimal
    degrees: dict[str, int]


def exp_remainder(r: Decimal) -> Decimal:
    """Q(r) = (e^r - 1 - r) / r^2 = sum of r^k / (k + 2)!"""
    return sum((r**k / math.factorial(k + 2) for k in range(45)), Decimal(0))


def log_remainder(z: Decimal) -> Decimal:
    """L(z) = sum of 2 z^k / (2 k + 3)"""
    return sum((2 * z**k / (2 * k + 3) for k in range(45)), Decimal(0))


def fits() -> dict[str, Fit]:
    """The remainders, on intervals that are wider by the rounding of the argument."""
    with localcontext() as context:
        context.prec = DIGITS
        r, f = Decimal(2).ln() / 2, Decimal(2).sqrt() - 1
        s, wider = f / (2 + f), Decimal("1.0001")
        return {
            "exp": Fit(exp_remainder, -r * wider, r * wider, {FLOAT: 5, DOUBLE: 10}),
            "log": Fit(log_remainder, Decimal(0), s * s * wider, {FLOAT: 2, DOUBLE: 6}),
        }


def cosine(x: Decimal) -> Decimal:
    """cos x, for 0 <= x <= pi, by its series."""
    total = term = Decimal(1)
    for k in range(2, 120, 2):
        term *= -x * x / (k * (k - 1))
        total += term
    return total


def coefficients(fit: Fit, degree: int) -> list[Decimal]:
    """The polynomial through the function at the Chebyshev points of the interval, lowest power first."""
    with localcontext() as context:
        context.prec = DIGITS
        n = degree + 1
        nodes = [
            (fit.low + fit.high) / 2 + (fit.high - fit.low) / 2 * cosine(PI * (2 * k + 1) / (2 * n))
            for k in range(n)
        ]
        newton = [fit.function(x) for x in nodes]  # divided differences, in place
        for step in range(1, n):
            for i in range(n - 1, step - 1, -1):
                newton[i] = (newton[i] - newton[i - 1]) / (nodes[i] - nodes[i - step])
        found = [Decimal(0)] * n
        for x, c in zip(reversed(nodes), reversed(newton), strict=True):  # found = found (t - x) + c
            found = [c - found[0] * x, *(found[i - 1] - found[i] * x for i in range(1, n))]
        return found


def rounded(x: Decimal, kind: str) -> str:
    """A number as C writes it: the shortest decimal that is read as the nearest float or double."""
    if kind == DOUBLE:
        return repr(float(x))
    return f"{np.float32(float(x))!s}f"


def table() -> dict[tuple[str, str], list[str]]:
    """For each function and type, the coefficients as C writes them."""
    return {
        (name, kind): [rounded(c, kind) for c in coefficients(fit, degree)]
        for name, fit in fits().items()
        for kind, degree in fit.degrees.items()
    }


def split_log2(bits: int) -> tuple[Decimal, Decimal]:
    """log 2 as the sum of a number of so many bits and the rest."""
    with localcontext() as context:
        context.prec = DIGITS
        whole = Decimal(2).ln()
        high = Decimal(math.floor(whole * 2**bits)) / Decimal(2**bits)
        return high, whole - high


if __name__ == "__main__":
    for (name, kind), found in table().items():
        print(name, kind, *found, sep="\n    ")
    for kind, bits in ((FLOAT, 15), (DOUBLE, 42)):
        print("log 2", kind, *(rounded(x, kind) for x in split_log2(bits)))
