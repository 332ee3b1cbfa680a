"""No wrong number in silence: for every kind of input on which a framework may go wrong, what is right.

The rows are in `tests/support/silent/`, a file for each kind, all in one form: input, what is right, by which
oracle. A new row is a function in the file of its kind; a new kind is a file there and a name in the import
below.
"""

import warnings

import pytest
import silent
from silent import loops, numbers  # noqa: F401  # each import adds the rows of its kind


@pytest.mark.parametrize("row", silent.ROWS, ids=repr)
def test_never_silent(row):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        row.check(row.run)


def test_every_row_names_its_oracle_and_has_a_name_of_its_own():
    assert all(row.oracle for row in silent.ROWS)
    assert len(set(map(repr, silent.ROWS))) == len(silent.ROWS)
