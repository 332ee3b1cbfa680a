"""What NumPy has for complex numbers, of tensors, which hold real numbers only: for them it is simple."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.record import Handle
from tinygrad_seq.ops.comparison import equal, not_equal
from tinygrad_seq.ops.creation import zeros_like


@primitive("()->()")
def conjugate(x, /):
    """z = x, for a real x

    >>> ts.conjugate(ts.tensor([1.0, -2.0])).numpy()
    array([ 1., -2.], dtype=float32)
    """
    return np.conjugate(x)


conj = conjugate
conjugate.linear(lambda g: g)
conjugate.c("x")


@numpy_function
def real(val):
    """The real part: a tensor itself.

    >>> import tinygrad_seq as ts
    >>> ts.real(ts.tensor([1.0, -2.0])).numpy()
    array([ 1., -2.], dtype=float32)
    """
    return val if isinstance(val, Handle) else np.real(val)


@numpy_function
def imag(val):
    """The imaginary part: for a tensor zeros, which are never on the tape.

    >>> import tinygrad_seq as ts
    >>> ts.imag(ts.tensor([1.0, -2.0])).numpy()
    array([0., 0.], dtype=float32)
    """
    return zeros_like(val) if isinstance(val, Handle) else np.imag(val)


@numpy_function
def real_if_close(a, tol=100):
    """`a` as a real number where its imaginary part is small: a tensor itself.

    >>> import tinygrad_seq as ts
    >>> ts.real_if_close(ts.tensor([1.0, -2.0])).numpy()
    array([ 1., -2.], dtype=float32)
    """
    return a if hasattr(a, "dtype") and a.dtype.kind != "c" else np.real_if_close(a, tol)


@numpy_function
def isreal(x):
    """True where the imaginary part is 0.

    >>> import tinygrad_seq as ts
    >>> ts.isreal(ts.tensor([1.0, -2.0])).numpy()
    array([ True,  True])
    """
    return equal(imag(x), 0)


@numpy_function
def iscomplex(x):
    """True where the imaginary part is not 0.

    >>> import tinygrad_seq as ts
    >>> ts.iscomplex(ts.tensor([1.0, -2.0])).numpy()
    array([False, False])
    """
    return not_equal(imag(x), 0)
