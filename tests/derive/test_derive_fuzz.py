"""Awkward calls of the functional derivatives and of scan, compared with differences, and with the loop.

The calls are drawn in `fuzzing/derivatives.py` and `fuzzing/loops.py`.
"""

import pytest
from fuzzing.calls import hold, names_in

from tinygrad_seq import derive

NAMES = names_in("derivatives", "loops")


@pytest.mark.parametrize("name", NAMES)
def test_awkward_calls(name):
    hold(name)


def test_every_derivative_is_called():
    functions = {name for name, f in vars(derive).items() if getattr(f, "__module__", "") == derive.__name__}
    assert {name for name in functions if name.islower() and not name.startswith("_")} | {"scan"} == set(NAMES)
