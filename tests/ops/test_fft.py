"""Fourier transforms as pairs, compared with NumPy's complex ones: every length, axis and norm."""

import doors
import numpy as np
import pytest
from results import assert_allclose, host

import tinygrad_seq as ts
from tinygrad_seq.testing import check_grad

rng = np.random.default_rng(0)
X = rng.normal(size=(3, 4, 5))
NORMS = [None, "backward", "ortho", "forward"]


def paired(z):
    """Complex numbers as pairs."""
    return np.stack([z.real, z.imag], axis=-1)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n", [None, 1, 2, 3, 6, 9])
@pytest.mark.parametrize("axis", [0, 1, -1, -3])
def test_rfft_is_numpys_in_pairs(axis, n, norm):
    expected = paired(np.fft.rfft(X, n, axis, norm))
    for x in (ts.tensor(X), doors.placed(X)):
        assert_allclose(host(ts.fft.rfft(x, n, axis, norm)), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n", [None, 1, 2, 3, 6, 9])
@pytest.mark.parametrize("axis", [0, 1, -1, -2])
def test_irfft_is_numpys_in_pairs(axis, n, norm):
    z = X[..., :4] + 1j * X[..., 1:]
    expected = np.fft.irfft(z, n, axis, norm)
    for pairs in (ts.tensor(paired(z)), doors.placed(paired(z))):
        assert_allclose(host(ts.fft.irfft(pairs, n, axis, norm)), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("n", [None, 3, 4, 7])
def test_their_gradients(n):
    check_grad(lambda x: ts.tanh(ts.fft.rfft(x, n, 1, "ortho")), X)
    check_grad(lambda x: ts.tanh(ts.fft.irfft(x, n, 0, "forward")), X[..., :2])


@pytest.mark.parametrize("norm", NORMS)
def test_they_undo_each_other(norm):
    for n in (1, 4, 5):
        x = ts.tensor(X[..., :n])
        assert_allclose(ts.fft.irfft(ts.fft.rfft(x, norm=norm), n, norm=norm).numpy(), X[..., :n], atol=1e-14)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "?"])
def test_dtypes(dtype):
    """Floats keep theirs, which NumPy does not for float16; others become float64."""
    x = (np.arange(5) % 3).astype(dtype)
    z = ts.fft.rfft(ts.tensor(x))
    expected = dtype if dtype[0] == "f" else "f8"
    assert z.dtype == expected
    assert_allclose(z.numpy(), paired(np.fft.rfft(x)), rtol=1e-2 if dtype == "f2" else 1e-6, atol=1e-6)
    y = ts.fft.irfft(ts.tensor(np.stack([x, x], -1)))
    assert y.dtype == expected
    assert_allclose(y.numpy(), np.fft.irfft(x + 1j * x), rtol=1e-2 if dtype == "f2" else 1e-6, atol=1e-3)


def test_a_convolution_by_the_transform():
    """The product of transforms is the transform of the circular convolution; its gradient is right, too."""
    x, y = rng.normal(size=(2, 7))

    def convolved(x, y):
        (a, b), (c, d) = (ts.unstack(ts.fft.rfft(z), -1) for z in (x, y))
        return ts.fft.irfft(ts.stack([a * c - b * d, a * d + b * c], -1), 7)

    expected = [sum(x[i] * y[(k - i) % 7] for i in range(7)) for k in range(7)]
    assert_allclose(convolved(ts.tensor(x), ts.tensor(y)).numpy(), expected, rtol=1e-12)
    check_grad(convolved, x, y)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: ts.fft.rfft(ts.tensor(X), 0), ValueError, "rfft expects a length n of 1 or more, got 0"),
        (lambda: ts.fft.rfft(ts.tensor(X[..., :0])), ValueError, "1 or more, got 0"),
        (lambda: ts.fft.irfft(ts.tensor(X)), ValueError, r"irfft expects pairs.*got shape \(3, 4, 5\)"),
        (lambda: ts.fft.irfft(ts.tensor(X[..., :1, :2])), ValueError, "irfft expects a length n of 1 or more"),
        (lambda: ts.fft.rfft(ts.tensor(X), norm="both"), ValueError, "norm is .*got 'both'"),
        (lambda: ts.fft.rfft(ts.tensor(X), 1.5), TypeError, "integer"),
        (lambda: ts.fft.rfft(ts.tensor(X), axis=3), ValueError, "axis 3"),
        (lambda: np.fft.rfft(ts.tensor(X)), TypeError, r"np.fft.rfft.*complex.*ts\.fft\.rfft\(t\).*pairs"),
        (lambda: np.fft.irfft(ts.tensor(X)), TypeError, r"np.fft.irfft.*complex.*ts\.fft\.irfft\(t\)"),
        (lambda: np.fft.fft(ts.tensor(X)), TypeError, r"np.fft.fft.*complex numbers.*ts\.fft\.rfft\(t\)"),
        (lambda: np.fft.irfftn(ts.tensor(X)), TypeError, "one axis at a time"),
        (lambda: np.linalg.eig(ts.tensor(X)), TypeError, r"complex.*ts\.linalg\.eigh\(t\)"),
        (lambda: np.linalg.eigvals(ts.tensor(X)), TypeError, r"complex.*ts\.linalg\.eigvalsh\(t\)"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_frequencies_are_numpys():
    assert ts.fft.rfftfreq is np.fft.rfftfreq
    assert ts.fft.fftfreq is np.fft.fftfreq
