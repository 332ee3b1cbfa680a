"""Awkward calls of the functional derivatives and of scan, compared with differences, and with the loop.

The calls are drawn in `fuzzing/derivatives.py` and `fuzzing/loops.py`.
"""

import pytest
from fuzzing.calls import hold, names_in

import tinygrad_seq as ts
from tinygrad_seq.batching import matrices, vmap
from tinygrad_seq.derive import functions, gradient

NAMES = names_in("derivatives", "loops")


@pytest.mark.parametrize("name", NAMES)
def test_awkward_calls(name):
    hold(name)


def test_every_derivative_is_called():
    homes = (gradient, functions, matrices, vmap)
    public = {
        name
        for home in homes
        for name, f in vars(home).items()
        if getattr(f, "__module__", "") == home.__name__
    } & set(ts.__all__)
    assert public | {"scan"} == set(NAMES)
