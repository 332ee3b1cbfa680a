"""docs/numpy.md says of every function of the NumPy that runs what tensors do with it."""

import re

import numpy_page
import pytest
from numpy_page import MODULES, PAGE, sorted_out

TEXT = PAGE.read_text(encoding="utf-8")


def section(module):
    """The part of the page about a module."""
    return re.split(r"^## ", TEXT, flags=re.MULTILINE)[1 + list(MODULES).index(module)]


def names(text):
    return {name.rpartition(".")[2] for name in re.findall(r"`(np\.[\w.]+)`", text)}


@pytest.mark.parametrize("module", MODULES)
def test_the_page_is_right_for_this_numpy(module):
    """It may list functions of other versions too."""
    recorded, values, plain, refused = sorted_out(module)
    lines = {line.partition(":")[0]: names(line) for line in section(module).splitlines()}
    assert set(recorded) <= lines.get("Recorded", set())
    assert set(values) <= lines.get("Value only", set())
    assert set(plain) <= lines.get("Plain value, computed by NumPy", set())
    rows = dict(row for row in re.findall(r"^\| (`.*`) \| (.*) \|$", section(module), re.MULTILINE))
    reasons = {name: reason for found, reason in rows.items() for name in names(found)}
    for reason, found in refused.items():
        assert {reasons[name] for name in found} == {reason.replace("|", "&#124;")}


def test_every_refusal_says_more_than_that_there_is_nothing():
    bare = "compose it from the ops in tinygrad_seq.__all__, or leave the tape with t.numpy()"
    for module in MODULES:
        assert bare not in sorted_out(module)[3], sorted_out(module)[3].get(bare)


def test_a_change_is_noticed(monkeypatch):
    """A function that is refused, and that the page calls recorded, fails the comparison."""
    monkeypatch.setattr(numpy_page, "passes", lambda name: False)
    with pytest.raises(AssertionError):
        test_the_page_is_right_for_this_numpy("numpy.linalg")
