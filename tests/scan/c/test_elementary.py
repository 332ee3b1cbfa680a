"""elementary.h: its functions are right to a few units in the last place, and compilers vectorise them."""

import re
from decimal import Decimal, localcontext

import fits
import numpy as np
import pytest
from c_loops import COMPILERS, FLOATS, applied, compiled, found, loop, needs_compiler, source

from tinygrad_seq.engine.expression import FUNCTIONS
from tinygrad_seq.testing.expressions import HEADER

pytestmark = needs_compiler

TEXT = HEADER.read_text(encoding="utf-8")
DIGITS, SMALL = 60, Decimal("1e-15")  # below SMALL, three terms of a series have 30 digits
BOUNDS = {  # units in the last place
    "exp": 1.1, "expm1": 2.0, "log": 0.9, "log1p": 1.5, "tanh": 2.6, "sigmoid": 2.5, "softplus": 1.8,
}  # fmt: skip
LIBRARY = {"sin_", "cos_", "arctan2_", "pow_float64"}  # loops over functions of the C library


# --- in many digits -------------------------------------------------------------------------------------


def expm1(x):
    return x + x * x / 2 + x**3 / 6 if abs(x) < SMALL else x.exp() - 1


def log1p(x):
    return x - x * x / 2 + x**3 / 3 if abs(x) < SMALL else (1 + x).ln()


def tanh(x):
    m = expm1(2 * x)
    return m / (m + 2)


EXACT = {
    "exp": Decimal.exp,
    "expm1": expm1,
    "log": Decimal.ln,
    "log1p": log1p,
    "tanh": tanh,
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "softplus": lambda x: log1p(x.exp()),
}
IN_DOUBLE = {  # the same for arrays, with an error that does not count in float32
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": lambda x: np.where(x < 0, np.exp(-np.abs(x)), 1) / (1 + np.exp(-np.abs(x))),
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
}


def points(name, dtype, count):
    """Numbers of every size, and near the places where a function is reduced or ends."""
    rng = np.random.default_rng(0)
    bits = np.dtype(f"u{dtype.itemsize}")
    any_bits = rng.integers(0, np.iinfo(bits).max, count, bits).view(dtype)
    most = np.log(np.finfo(dtype).max)
    near = [rng.uniform(-1.1 * most, 1.1 * most, count), *(rng.normal(0, d, count) for d in (1, 0.1))]
    x = np.concatenate([any_bits, *(part.astype(dtype) for part in (*near, 1 + near[-1] / 10))])
    low = {"log": 0, "log1p": -1}.get(name, -1.2 * most)
    high = np.inf if name in ("log", "log1p") else 1.2 * most
    return x[(x > low) & (x < high)]


def errors_of_double(name, apply=applied):
    x = points(name, np.dtype("f8"), 700)
    z = apply(f"{name}_", x)
    x, z = x[np.isfinite(z)], z[np.isfinite(z)]
    assert len(z) > 1500
    with localcontext() as context:
        context.prec = DIGITS
        exact = [EXACT[name](Decimal(float(v))) for v in x]
        units = map(Decimal, np.spacing(np.abs(z)).tolist())
        return [
            float(abs(Decimal(float(one)) - right) / unit)
            for one, right, unit in zip(z, exact, units, strict=True)
        ]


def errors_of_float(name, apply=applied):
    x = points(name, np.dtype("f4"), 80_000)
    z = apply(f"{name}_", x)
    with np.errstate(all="ignore"):
        exact = IN_DOUBLE[name](x.astype("f8"))
        rounded = exact.astype("f4")
    finite = np.isfinite(rounded)
    assert np.count_nonzero(finite) > 150_000
    assert np.array_equal(z[~finite], rounded[~finite])
    return np.abs(z[finite] - exact[finite]) / np.spacing(np.abs(rounded[finite])).astype("f8")


@pytest.mark.parametrize("errors", [errors_of_float, errors_of_double])
@pytest.mark.parametrize("name", EXACT)
def test_units_in_the_last_place(name, errors):
    assert max(errors(name)) <= BOUNDS[name]


WRONG = {  # digits of a coefficient, and the function whose error they are
    "0.0083333105f": ("0.0083300000f", "expm1", errors_of_float),
    "0.39988777f": ("0.39968777f", "log", errors_of_float),
    "2.75572736431103e-07": ("2.76572736431103e-07", "expm1", errors_of_double),
    "0.18182889455674947": ("0.18192889455674947", "log", errors_of_double),
    "x - (u - 1)": ("0", "log1p", errors_of_float),
    "? x * (real)": ("? x + (real)", "log", errors_of_float),
}


@pytest.mark.parametrize("right", WRONG)
def test_a_wrong_place_is_found(right):
    wrong, name, errors = WRONG[right]
    assert source().count(right) == 1

    def apply(name, x):
        return loop(name, x.dtype, source().replace(right, wrong))(x)

    assert max(errors(name, apply)) > BOUNDS[name]


def test_the_power_of_floats_is_rounded_once():
    rng = np.random.default_rng(0)
    x, p = np.abs(rng.normal(0, 3, 200_000)).astype("f4"), rng.normal(0, 8, 200_000).astype("f4")
    with np.errstate(all="ignore"):
        exact = np.power(x.astype("f8"), p.astype("f8"))
        rounded = exact.astype("f4")
    finite = np.isfinite(rounded)
    errors = np.abs(applied("pow_", x, p)[finite] - exact[finite]) / np.spacing(rounded[finite]).astype("f8")
    assert errors.max() <= 0.51


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_logaddexp_is_right_to_the_last_places_of_its_terms(dtype):
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 10, (2, 2000)).astype(dtype)
    z = applied("logaddexp_", x, y)
    with localcontext() as context:
        context.prec = DIGITS
        pairs = zip(map(float, x), map(float, y), strict=True)
        exact = [(Decimal(a).exp() + Decimal(b).exp()).ln() for a, b in pairs]
        errors = [abs(Decimal(float(one)) - other) for one, other in zip(z, exact, strict=True)]
    terms = np.spacing(np.maximum(np.maximum(abs(x), abs(y)), 1)).astype("f8")
    assert np.max(np.array(errors, "f8") / terms) <= 2


# --- the text -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "numbers"), fits.table().items(), ids=map("-".join, fits.table()))
def test_the_polynomials_are_the_fits(key, numbers):
    letter = {"exp": "Q", "log": "L"}[key[0]]
    body = re.search(rf"INLINE {key[1]} {letter}_{key[1]}\(.*?\n}}", TEXT, re.DOTALL)[0]
    assert re.findall(r"\d\.\d[\de.-]*f?", body) == numbers


@pytest.mark.parametrize(("kind", "bits"), [("float", 15), ("double", 42)])
def test_log_2_is_the_sum_of_its_parts(kind, bits):
    high, low = (fits.rounded(part, kind) for part in fits.split_log2(bits))
    assert f"LOG2_HIGH_{kind} = {high}, LOG2_LOW_{kind} = {low};" in TEXT


def test_expressions_may_name_what_the_header_defines():
    assert set(re.findall(r"^#define (\w+_)\(", TEXT, re.MULTILINE)) == FUNCTIONS


@pytest.mark.parametrize("name", COMPILERS)
def test_no_compiler_warns(name, tmp_path):
    if not found(name):
        pytest.skip(f"{name} is not installed")
    assert compiled(COMPILERS[name], source(), tmp_path, "-Wall", "-Wextra", "-Werror") == ""
    whole = ("maximum_", "minimum_", "abs_", "sign_", "square_", "safe_product_")
    dtypes = [np.dtype(f"{sign}{size}") for sign in "iu" for size in (1, 2, 4, 8)]
    assert compiled(COMPILERS[name], source(whole, dtypes), tmp_path, "-Wall", "-Wextra", "-Werror") == ""


@pytest.mark.parametrize("name", COMPILERS)
def test_every_loop_becomes_vectors(name, tmp_path):
    """But for those over functions of the C library: so there is no branch in it, and no call."""
    if not found(name):
        pytest.skip(f"{name} is not installed")
    text = source()
    report = compiled(
        COMPILERS[name], text, tmp_path, "-fopt-info-vec" if name == "gcc" else "-Rpass=loop-vectorize"
    )
    lines = {int(line) for line in re.findall(r"loops\.c:(\d+):\d+: .*vectorized", report)}
    expected = {
        number
        for number, line in enumerate(text.splitlines(), 1)
        if (loop := re.match(r"void (\w+)", line)) and not loop[1].startswith(tuple(LIBRARY))
    }
    assert {number for number in expected if not lines & {number, number + 2, number + 3}} == set()
