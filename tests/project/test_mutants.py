"""The table of mutants, for `tests/mutants.py`: every mistake can still be planted, and its tests exist."""

import ast

import pytest
from places import TESTS
from planted import planted, source_of, table

MUTANTS = table()


@pytest.mark.parametrize("file", dict.fromkeys(mutant.file for mutant in MUTANTS))
def test_every_mistake_can_be_planted(file):
    for mutant in (mutant for mutant in MUTANTS if mutant.file == file):
        source = source_of(mutant)
        wrong = planted(mutant, source)  # a LookupError unless the text is found once
        assert meaning(file, wrong) != meaning(file, source), mutant


def meaning(file, source):
    """What a source says: in Python, comments and the layout do not matter."""
    return ast.dump(ast.parse(source)) if file.endswith(".py") else source


def test_the_tests_exist():
    for mutant in MUTANTS:
        assert mutant.tests, mutant
        for name in mutant.tests.split():
            assert (TESTS / name).is_file(), f"{name}, which should notice {mutant}"


def test_no_mutant_is_twice_in_the_table():
    assert len({mutant[:4] for mutant in MUTANTS}) == len(MUTANTS) >= 150
