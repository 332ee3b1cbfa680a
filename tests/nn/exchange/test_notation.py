"""The notation of tables: every form, with numbers that were laid out by hand."""

import numpy as np
import pytest

from tinygrad_seq.nn.exchange.notation import Own, pairs, parsed, shape_of


def own():
    """A cell with two inputs, two units and the gates r, z, n."""
    x = np.arange(12.0).reshape(2, 6)
    arrays = {
        "Wx": x,
        "Wh": x + 20,
        "b": np.arange(40.0, 46),
        "bh": np.arange(50.0, 56),
        "p": np.arange(60.0, 62),
    }
    return Own(arrays, "rzn")


ROWS = {
    "Wx": [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]],
    "Wx'": [[0, 6], [1, 7], [2, 8], [3, 9], [4, 10], [5, 11]],
    "Wx n": [[4, 5], [10, 11]],
    "Wx z r": [[2, 3, 0, 1], [8, 9, 6, 7]],
    "Wx' z r": [[2, 8], [3, 9], [0, 6], [1, 7]],
    "Wx -z r": [[-2, -3, 0, 1], [-8, -9, 6, 7]],
    "b n z-1 r+2": [44, 45, 41, 42, 42, 43],
    "b -n-1": [-45, -46],
    "b nzr": [44, 42, 40, 45, 43, 41],
    "Wx' nz": [[4, 10], [2, 8], [5, 11], [3, 9]],
    "b r, bh n, p": [40, 41, 54, 55, 60, 61],
    "Wx n; Wh n": [[4, 5], [10, 11], [24, 25], [30, 31]],
    "Wx n; Wh n; Wx r": [[4, 5], [10, 11], [24, 25], [30, 31], [0, 1], [6, 7]],
    "b n; bh n": [[44, 45], [54, 55]],
    "b+bh r": [90, 92],
    "b+bh r, b n": [90, 92, 44, 45],
    "+b n": [0, 0],
    "b r 0 n": [40, 41, 0, 0, 44, 45],
}


@pytest.mark.parametrize("row", ROWS)
def test_a_row_describes_an_array(row):
    array = np.full(shape_of(row, own()), np.nan)
    for pair in pairs(row, array, own()):
        pair.theirs[...] = pair.value()
    np.testing.assert_array_equal(array, np.array(ROWS[row], float))


def read(row, array):
    """The cell after it has read the array; all of its numbers were NaN."""
    ours = own()
    for parameter in ours.arrays.values():
        parameter[...] = np.nan
    for pair in pairs(row, np.array(array, float), ours):
        pair.read()
    return ours.arrays


@pytest.mark.parametrize("row", [row for row in ROWS if not row.startswith("+")])
def test_reading_is_the_way_back(row):
    array = np.full(shape_of(row, own()), np.nan)
    for pair in pairs(row, array, Own(read(row, ROWS[row]), "rzn")):
        pair.theirs[...] = pair.value()
    np.testing.assert_array_equal(array, np.array(ROWS[row], float))


def test_blocks_that_are_not_in_the_row_are_not_read():
    found = read("Wx' z r", ROWS["Wx' z r"])
    np.testing.assert_array_equal(found["Wx"], [[0, 1, 2, 3, np.nan, np.nan], [6, 7, 8, 9, np.nan, np.nan]])
    assert np.isnan(found["Wh"]).all()


def test_one_block_for_two_of_ours():
    found = read("b n r=z", [1, 2, 3, 4])
    np.testing.assert_array_equal(found["b"], [3, 4, 3, 4, 1, 2])
    values = [list(pair.value()) for pair in pairs("b n r=z", np.zeros(4), own())]
    assert values == [[44, 45], [40, 41], [42, 43]]


def test_of_a_sum_the_first_is_all_and_the_others_are_0():
    found = read("b+bh r", [90, 92])
    np.testing.assert_array_equal(found["b"][:2], [90, 92])
    np.testing.assert_array_equal(found["bh"][:2], [0, 0])


def test_an_added_array_adds_to_what_was_read():
    ours = own()
    for pair in pairs("+b -z", np.array([1.0, 2.0]), ours):
        pair.read()
    np.testing.assert_array_equal(ours.arrays["b"], [40, 41, 41, 41, 44, 45])


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("Wx'z", '"Wx\'z" in the row'),
        ("", "'' in the row"),
        ("Wx z,", "'' in the row"),
        ("Wx z+", "needs gates such as i, -z or f-1"),
        ("Wx Z r", "needs gates"),
        ("b -zr", "needs gates"),
        ("b z r nz", "needs gates"),
    ],
)
def test_what_is_not_a_row_is_refused(row, words):
    with pytest.raises(ValueError, match=words):
        parsed(row)
