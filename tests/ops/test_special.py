"""Special functions: derivatives against complex steps, recurrences and many digits; edges, dtypes, SciPy.

For an analytic function f, f(x + ih) = f(x) + ih f'(x) + O(h^2): with a tiny h the imaginary part is the
derivative, and nothing cancels. Edges are conventions, as in `test_conventions.py`.
"""

import math
import subprocess
import sys
from decimal import Decimal, localcontext

import doors
import numpy as np
import pytest
from points import INF, NAN, gradient, leaf, nth
from results import assert_allclose, assert_array_equal
from scipy import special as scipys

import tinygrad_seq as ts
from tinygrad_seq.engine import backend

STEP = 1e-30
LINE = np.array([-20.0, -4.0, -1.1, -1e-3, 1e-9, 0.4, 2.0, 5.0, 25.0])
ANALYTIC = {  # the name: SciPy's function of complex numbers, and points where it keeps a tiny imaginary part
    "erf": (scipys.erf, LINE),
    "erfc": (scipys.erfc, LINE),
    "erfcx": (scipys.erfcx, LINE),
    "ndtr": (scipys.ndtr, LINE),
    "log_ndtr": (scipys.log_ndtr, LINE[LINE < 4]),
    "gamma": (scipys.gamma, np.array([0.1, 1.0, 4.2, 100.0])),
    "rgamma": (scipys.rgamma, np.array([0.1, 0.6, 4.2, 100.0])),
    "gammaln": (scipys.loggamma, np.array([0.1, 1.0, 1.5, 30.0, 1e6])),
    "digamma": (scipys.psi, np.array([0.1, 1.0, 1.5, 30.0, 1e6])),
}


@pytest.mark.parametrize("name", ANALYTIC)
def test_a_derivative_is_that_of_a_complex_step(name):
    f, x = ANALYTIC[name]
    assert_allclose(gradient(getattr(ts.special, name), x)[1], f(x + 1j * STEP).imag / STEP, rtol=1e-11)


# --- near 0, and where a closed form cancels ----------------------------------------------------------


BESSEL = {"j0": (scipys.jv, -1), "j1": (scipys.jv, -1), "i0": (scipys.iv, 1), "i1": (scipys.iv, 1)}
BESSEL |= {"y0": (scipys.yv, -1), "y1": (scipys.yv, -1)}


@pytest.mark.parametrize("order", range(1, 6))
@pytest.mark.parametrize("name", BESSEL)
def test_bessel_functions_have_their_derivatives_near_zero_and_far_from_it(name, order):
    """2^k times the k-th derivative is the sum of binomial(k, m) sign^m J_(n - k + 2m): DLMF 10.6.7."""
    f, sign = BESSEL[name]
    x = np.array([-7.0, -1.0001, -0.9999, -1e-3, 0.0, 1e-9, 0.5, 1.5, 4.0])
    x = x[x > 0.1] if name[0] == "y" else x
    terms = [math.comb(order, m) * sign**m * f(int(name[1]) - order + 2 * m, x) for m in range(order + 1)]
    exact = np.sum(terms, axis=0) / 2**order
    assert_allclose(nth(getattr(ts.special, name), x, order), exact, rtol=1e-9, atol=1e-11)


def test_gamma_of_negative_numbers():
    """Its derivative, by digamma, and that of its reciprocal, by reflection, agree."""
    x = np.array([-0.5, -3.5, -10.2])
    z, dx = gradient(ts.special.rgamma, x)
    assert_allclose(gradient(ts.special.gamma, x)[1], -dx / z**2, rtol=1e-11)


def erfcx_in_many_digits(x):
    """erfcx and its first two derivatives for x > 5, by the continued fraction DLMF 7.9.2."""
    with localcontext() as context:
        context.prec = 60
        x, root = Decimal(x), Decimal("3.14159265358979323846264338327950288419716939937510582097494").sqrt()
        fraction = x
        for k in range(400, 0, -1):
            fraction = x + Decimal(k) / 2 / fraction
        z = 1 / root / fraction
        slope = 2 * x * z - 2 / root
        return float(z), float(slope), float(2 * z + 2 * x * slope)


@pytest.mark.parametrize("x", [6.0, 11.99, 12.01, 20.0, 300.0, 1e5, 1e9])
def test_erfcx_has_its_derivatives_where_their_closed_form_cancels(x):
    for order, exact in enumerate(erfcx_in_many_digits(x)):
        assert_allclose(nth(ts.special.erfcx, [x], order), [exact], rtol=1e-12 if order < 1 else 1e-11)


@pytest.mark.parametrize("x", [-7.0, -30.0, -100.0, -1e4, -1e8])
def test_the_slope_of_log_ndtr_far_below_zero(x):
    """It is sqrt(2 / pi) / erfcx(-x / sqrt 2), which is nearly -x."""
    exact = math.sqrt(2 / math.pi) / erfcx_in_many_digits(-x / math.sqrt(2))[0]
    assert_allclose(gradient(ts.special.log_ndtr, [x])[1], [exact], rtol=1e-13)
    assert_allclose(nth(ts.special.log_ndtr, [x], 2), [-exact * (x + exact)], rtol=max(1e-10, 1e-15 * x * x))


def test_where_i1_overflows_its_derivative_is_infinite():
    z, dx = gradient(ts.special.i1, [1e3, -1e3])
    assert_array_equal([z, dx], [[INF, -INF], [INF, INF]])
    _, dx = gradient(ts.special.i1e, [1e3])
    assert_allclose(dx, scipys.ive(0, [1e3]) - scipys.ive(1, [1e3]) * (1 + 1e-3), rtol=1e-10)


def test_kl_div_of_close_numbers():
    """x log(x/y) - x + y = x (d^2 / 2 - d^3 / 3 + ...) for y = x (1 + d)."""
    d = 2.0**-20
    z, dx, _ = gradient(ts.special.kl_div, [3.0], [3.0 * (1 + d)])
    assert_allclose(z, [3 * (d**2 / 2 - d**3 / 3 + d**4 / 4)], rtol=1e-9)
    assert_allclose(dx, [-math.log1p(d)], rtol=1e-9)


def test_logit_is_exact_near_one_half():
    x = 0.5 + 2.0**-40
    assert_allclose(ts.special.logit(x), 4 * 2.0**-40, rtol=1e-15)


# --- edges --------------------------------------------------------------------------------------------


def test_entropies_at_zero():
    """0 log 0 = 0, with the slope to which the function tends from inside."""
    z, dx = gradient(ts.special.entr, [0.0, 1.0, -1.0])
    assert_array_equal([z, dx], [[0.0, 0.0, -INF], [INF, -1.0, NAN]])
    z, dx, dy = gradient(ts.special.xlogy, [0.0, 0.0, 2.0], [0.0, 3.0, 0.0])
    assert_array_equal(z, [0.0, 0.0, -INF])
    assert_allclose(dx, [-INF, math.log(3), -INF])
    assert_array_equal(dy, [0.0, 0.0, INF])
    z, dx, dy = gradient(ts.special.xlog1py, [0.0, 0.0], [-1.0, 2.0])
    assert_array_equal(z, [0.0, 0.0])
    assert_allclose(dx, [-INF, math.log(3)])
    assert_array_equal(dy, [0.0, 0.0])
    z, dx, dy = gradient(ts.special.rel_entr, [0.0, 1.0, -1.0], [2.0, 0.0, 1.0])
    assert_array_equal(z, [0.0, INF, INF])
    assert_array_equal(dx, [-INF, INF, NAN])
    assert_array_equal(dy, [0.0, -INF, 1.0])
    z, dx, dy = gradient(ts.special.kl_div, [0.0], [2.0])
    assert_array_equal([z, dx, dy], [[2.0], [-INF], [1.0]])


def test_a_mask_times_a_logarithm_has_finite_gradients():
    """The cross entropy -sum x log y, with a probability of 0 where x is 0."""
    y = leaf([0.0, 0.5, 0.5])
    loss = -ts.sum(ts.special.xlogy(np.array([0.0, 1.0, 0.0]), y))
    assert_array_equal(ts.grad(loss, y).numpy(), [0.0, -2.0, 0.0])


def test_inverse_functions_at_the_ends_of_their_domains():
    for f, x, values, slopes in (
        (ts.special.erfinv, [1.0, -1.0, 2.0], [INF, -INF, NAN], [INF, INF, NAN]),
        (ts.special.erfcinv, [0.0, 2.0, 3.0], [INF, -INF, NAN], [-INF, -INF, NAN]),
        (ts.special.ndtri, [0.0, 1.0, 2.0], [-INF, INF, NAN], [INF, INF, NAN]),
        (ts.special.logit, [0.0, 1.0], [-INF, INF], [INF, INF]),
    ):
        assert_array_equal(gradient(f, x), [values, slopes])


def test_at_the_poles_of_gamma_there_is_no_derivative():
    x = [0.0, -1.0, -2.0]
    for f in (ts.special.gamma, ts.special.gammaln, ts.special.digamma):
        assert not np.any(np.isfinite(gradient(f, x)[1]))
    _, dx = gradient(lambda x: ts.where(x > 0, ts.special.gammaln(x), 0.0), [0.0, -1.0, 1.0])
    assert_allclose(dx, [0.0, 0.0, -np.euler_gamma])


@pytest.mark.parametrize("n", range(5))
def test_the_reciprocal_of_gamma_has_a_derivative_at_the_poles(n):
    """(-1)^n n!, DLMF 5.7.1; and at second order it agrees with points nearby."""
    z, dx = gradient(ts.special.rgamma, [-float(n)])
    assert_array_equal(z, [0.0])
    assert_allclose(dx, [(-1) ** n * math.factorial(n)], rtol=1e-13)
    near = nth(ts.special.rgamma, [-n - 1e-6, -n + 1e-6], 2)
    assert_allclose(nth(ts.special.rgamma, [-float(n)], 2), [near.mean()], rtol=1e-6, atol=1e-6)


def test_multigammaln_is_nan_where_its_argument_is_too_small():
    z, dx = gradient(lambda x: ts.special.multigammaln(x, 3), [1.0, 0.5, 1.5])
    assert_array_equal(np.isnan(z), [True, True, False])
    assert_array_equal(dx[:2], [0.0, 0.0])
    with pytest.raises(ValueError, match="whole dimension"):
        ts.special.multigammaln(2.0, 1.5)


def test_bessel_functions_at_zero():
    z, dx = gradient(ts.special.i0e, [0.0])
    assert_array_equal([z, dx], [[1.0], [0.0]])
    assert_array_equal(gradient(ts.special.i1e, [0.0]), [[0.0], [0.5]])
    z, dx = gradient(ts.special.y0, [0.0, -1.0])
    assert_array_equal([z, dx], [[-INF, NAN], [INF, NAN]])


@pytest.mark.host("CuPy has no such functions")
@pytest.mark.parametrize("name", ["jv", "jn", "yv", "yn", "iv", "ive"])
def test_an_order_is_constant(name):
    f = getattr(ts.special, name)
    assert_allclose(f(ts.tensor(1), leaf([2.0])).numpy(), f(1, np.array([2.0])))
    with pytest.raises(TypeError, match="no derivative with respect to its order"):
        f(leaf(1.0), leaf([2.0]))


def test_weights_of_a_logsumexp():
    """A weight of 0 removes an element, however large, and still has a derivative; a negative sum is NaN."""
    z, da, db = gradient(lambda a, b: ts.special.logsumexp(a, b=b), [1e3, 1.0, 2.0], [0.0, 1.0, 1.0])
    assert_allclose(z, np.logaddexp(1.0, 2.0))
    assert_allclose(da, [0.0, *np.exp([1.0, 2.0]) / np.sum(np.exp([1.0, 2.0]))])
    assert_allclose(db, [INF, *np.exp([1.0, 2.0]) / np.sum(np.exp([1.0, 2.0]))])
    _, _, db = gradient(lambda a, b: ts.special.logsumexp(a, b=b), [1.0, 2.0], [0.0, 1.0])
    assert_allclose(db, [math.exp(-1), 1.0])
    assert np.isnan(gradient(lambda a: ts.special.logsumexp(a, b=[1.0, -1.0]), [0.0, 1.0])[0])


# --- dtypes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["erf", "digamma", "i0", "entr", "log_expit", "expit", "xlogy", "beta"])
def test_dtypes_are_those_of_every_op(name):
    """float16 stays, a Python number is weak, and integers count as float64."""
    f = getattr(ts.special, name)
    binary = name in ("xlogy", "beta")
    for dtype in ("f2", "f4", "f8"):
        x = doors.placed(np.array([0.5, 0.75], dtype))
        for z in (f(2, x), f(2.0, x)) if binary else (f(x),):
            assert z.dtype == np.dtype(dtype)
    for dtype in ("?", "i1", "u1", "i8"):
        x = doors.placed(np.ones(2, dtype))
        assert (f(2, x) if binary else f(x)).dtype == np.float64


def test_float16_is_rounded_once():
    x = np.linspace(0.5, 4, 50, dtype=np.float16)
    for name in ("gammaln", "erf", "i0"):
        exact = getattr(scipys, name)(x.astype(np.float64)).astype(np.float16)
        assert_allclose(getattr(ts.special, name)(x), exact, rtol=1e-3)


# --- SciPy --------------------------------------------------------------------------------------------


UFUNCS = [name for name in ts.special.__all__ if isinstance(getattr(scipys, name), np.ufunc)]
UFUNCS = sorted(set(UFUNCS) - doors.missing())


@pytest.mark.parametrize("name", UFUNCS)
def test_a_ufunc_of_scipy_answers_for_tensors(name):
    f, x = getattr(scipys, name), np.array([0.25, 0.5])
    first = [1] if name in ("jv", "jn", "yv", "yn", "iv", "ive") else [x] * (f.nin - 1)
    z = f(*first, leaf(x))
    assert isinstance(z, ts.Tensor)
    assert z.requires_grad == (name != "gammasgn")
    assert_allclose(z.numpy(), f(*first, x), rtol=1e-12)


@pytest.mark.parametrize("name", ["expm1", "log1p", "cbrt", "exp2"])
def test_a_function_that_numpy_and_scipy_have(name):
    x = leaf([0.25, 0.5])
    z = getattr(scipys, name)(x)
    assert_array_equal(z.numpy(), getattr(np, name)(x.numpy()))
    assert z.requires_grad
    assert np.i0(x).requires_grad


@pytest.mark.host("a device is another error")
@pytest.mark.parametrize(
    "f",
    [
        scipys.logsumexp,
        scipys.softmax,
        scipys.log_softmax,
        lambda x: scipys.polygamma(1, x),
        lambda x: scipys.multigammaln(x, 1),
    ],
)
def test_a_function_of_scipy_that_is_no_ufunc_is_refused_on_the_tape(f):
    """NumPy does not pass such a call on: SciPy makes an array of its argument.

    A constant becomes an array, as everywhere.
    """
    x = leaf([1.0, 2.0])
    with pytest.raises(TypeError, match="on the tape and is not converted to an array"):
        f(x)
    assert isinstance(f(x.detach()), (np.ndarray, np.generic))


@pytest.mark.skipif(not doors.missing(), reason="NumPy's backend has all functions")
def test_a_function_that_cupy_lacks_is_refused():
    with pytest.raises(TypeError, match="CuPy has no jv: compute it on the host"):
        ts.special.jv(1, leaf([2.0]))


def test_a_function_of_scipy_that_we_lack_is_refused():
    with pytest.raises(TypeError, match="exprel has no counterpart for tensors"):
        scipys.exprel(leaf([1.0]))


@pytest.fixture
def _without_scipy(monkeypatch):
    backend.special.cache_clear()
    for name in ("scipy", "scipy.special", "cupyx", "cupyx.scipy", "cupyx.scipy.special"):
        monkeypatch.setitem(sys.modules, name, None)
    yield
    backend.special.cache_clear()


@pytest.mark.usefixtures("_without_scipy")
def test_without_scipy_the_error_says_what_to_install():
    with pytest.raises(ImportError, match=r'special.erf needs SciPy.*pip install -e "\.\[special\]"'):
        ts.special.erf(leaf([1.0]))


@pytest.mark.usefixtures("_without_scipy")
@pytest.mark.parametrize("name", ["expit", "log_expit", "logit", "entr", "softmax", "log_softmax", "logsumexp"])
def test_without_scipy_logarithms_work(name):
    x = leaf([0.25, 0.5])
    z, dx = gradient(getattr(ts.special, name), x.numpy())
    assert np.all(np.isfinite(z))
    assert np.all(np.isfinite(dx))
    for f in (ts.special.xlogy, ts.special.xlog1py, ts.special.rel_entr, ts.special.kl_div):
        assert np.all(np.isfinite(gradient(f, x.numpy(), x.numpy())))


def test_scipy_is_imported_at_the_first_call():
    text = (
        "import sys, tinygrad_seq as ts; t = ts.special.expit(ts.tensor(0.5)); "
        "assert 'scipy' not in sys.modules; ts.special.erf(t); assert 'scipy.special' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", text], check=True)
