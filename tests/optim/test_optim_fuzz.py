"""Awkward calls of everything in `optim`: the value of its formula, or an error that names the class.

The calls are drawn in `fuzzing/optimizers.py` and `fuzzing/schedules.py`.
"""

import pytest
from fuzzing.calls import hold, names_in

from tinygrad_seq import optim

NAMES = names_in("optimizers", "schedules")


@pytest.mark.parametrize("name", NAMES)
def test_awkward_calls(name):
    hold(name)


def test_every_public_name_is_called():
    assert set(NAMES) == set(optim.__all__)
