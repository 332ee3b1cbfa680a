"""Fourier transforms of real numbers."""

import numpy as np

from double.array import function, host, wrap


@function("fft.rfft")
def rfft(a, n=None, axis=-1, norm=None):
    return wrap(np.fft.rfft(host(a), n, axis, norm))


@function("fft.irfft")
def irfft(a, n=None, axis=-1, norm=None):
    return wrap(np.fft.irfft(host(a), n, axis, norm))
