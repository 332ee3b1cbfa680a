"""The sizes of free axes: which numbers are taken for sizes, and for which."""

import itertools

import pytest

from tinygrad_seq.nn.onnx.sizes import RECORDED, DifferentError, Size, merged


def test_no_recorded_size_is_a_function_of_another_one():
    """Else a number could be taken for the wrong size."""
    axes = [Size(values) for values in RECORDED]
    sizes = [*axes, *(a * b for a, b in itertools.combinations_with_replacement(axes, 2))]
    assert len(set(sizes)) == len(RECORDED) * (len(RECORDED) + 3) / 2
    assert not any(a.line(b) for a, b in itertools.permutations(sizes, 2))


def test_a_size_is_a_linear_function_of_another_one():
    n = Size((11, 17, 13))
    assert Size((23, 35, 27)).line(n) == (2, 1)
    assert Size((-11, -17, -13)).line(n) == (-1, 0)
    assert n.line(n) == (1, 0)
    assert Size((11, 17, 14)).line(n) is None
    assert Size((22, 28, 24)).line(n) == (1, 11)
    assert Size((5, 8, 6)).line(n) is None  # n // 2


def test_numbers_that_differ_are_sizes():
    found = merged(
        [
            (True, 7, (2, 5), slice(5, None)),
            (True, 7, (2, 9), slice(9, None)),
            (True, 7, (2, 4), slice(4, None)),
        ]
    )
    assert found == (True, 7, (2, Size((5, 9, 4))), slice(Size((5, 9, 4)), None))


@pytest.mark.parametrize(
    "parts", [("a", "b"), (1.0, 2.0), ((1, 2), (1,)), (True, False), (1, True), (None, 3)], ids=str
)
def test_what_differs_otherwise_is_an_error(parts):
    with pytest.raises(DifferentError):
        merged(parts)


def test_equal_is_what_is_the_same_to_the_last_bit():
    nan = float("nan")
    assert merged([0.0, 0.0]) == 0
    assert merged([nan, float("nan")]) is nan
    with pytest.raises(DifferentError):
        merged([0.0, -0.0])


def test_a_size_is_never_taken_for_a_number():
    for use in (int, lambda n: n + 1, range, lambda n: [0][n]):
        with pytest.raises(TypeError):
            use(Size((1, 2, 3)))
