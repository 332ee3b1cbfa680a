"""Numbers from the user: what is read, as what, and what is refused."""

import math

import numpy as np
import pytest

from tinygrad_seq.engine.numbers import integer, number


@pytest.mark.parametrize("given", [0.5, np.float32(0.5), np.float64(0.5), np.array(0.5), np.float16(0.5)])
def test_a_number_becomes_one_of_python(given):
    assert type(number("SGD", "lr", given, "[0, 1]")) is float
    assert number("SGD", "lr", given, "[0, 1]") == 0.5


@pytest.mark.parametrize("given", [3, np.int64(3), np.uint8(3), np.array(3)])
def test_an_integer_becomes_one_of_python(given):
    assert type(integer("Decoder", "steps", given, "[1, inf)")) is int
    assert integer("Decoder", "steps", given, "[1, inf)") == number("Decoder", "steps", given, "[1, inf)") == 3


@pytest.mark.parametrize(
    ("interval", "inside", "outside"),
    [
        ("[0, 1]", [0, 1, 0.5], [-1e-9, 1 + 1e-9]),
        ("(0, 1)", [1e-9, 0.5], [0, 1]),
        ("[0, 1)", [0, 0.5], [1, -0.1]),
        ("(0, inf)", [1e308, 10**300], [math.inf, 0, 10**400]),
        ("(0, inf]", [math.inf, 10**400], [0, -(10**400)]),
        ("(-inf, 0]", [-(10**300), 0], [-math.inf, -(10**400), 1e-9]),
    ],
)
def test_the_ends_of_an_interval(interval, inside, outside):
    for x in inside:
        assert number("f", "x", x, interval) == (math.inf if x == 10**400 else float(x))
    for x in [*outside, math.nan]:
        with pytest.raises(ValueError, match=r"f needs a number x in .*, got"):
            number("f", "x", x, interval)


@pytest.mark.parametrize("given", [True, np.True_, "0.5", None, [0.5], np.array([0.5]), 1j])
def test_other_things_are_no_numbers(given):
    with pytest.raises(TypeError, match="SGD needs a number lr in"):
        number("SGD", "lr", given, "[0, 1]")
    with pytest.raises(TypeError, match="SGD needs an integer lr in"):
        integer("SGD", "lr", given, "[0, 1]")


@pytest.mark.parametrize("given", [2.0, np.float32(2)])
def test_a_whole_float_is_no_integer(given):
    with pytest.raises(TypeError, match="Decoder needs an integer steps in"):
        integer("Decoder", "steps", given, "[1, inf)")


@pytest.mark.parametrize("given", [0, -1, 4])
def test_an_integer_outside(given):
    with pytest.raises(ValueError, match=r"needs an integer steps in \[1, 4\), got"):
        integer("Decoder", "steps", given, "[1, 4)")
