"""The real CuPy must have every call that reached the double. `conftest.py` runs these tests last."""

import os

import doors
import judging
import pytest

WITHOUT = "the double was not asked: run the suite with --backend=double"


def judged(calls):
    """A line for each of `calls` that CuPy does not support."""
    complaints = judging.judged(calls)
    if complaints is None:
        pytest.skip('CuPy is not installed: pip install -e ".[gpu]" to ask it for its signatures')
    return complaints


@pytest.mark.skipif(doors.NAME != "double", reason=WITHOUT)
def test_everything_that_was_reached_exists_in_cupy():
    """In this process; `judging` checks the notes of all workers together when they have ended."""
    calls = judging.reached()
    assert "PYTEST_XDIST_WORKER" in os.environ or len(calls) >= judging.LEAST
    assert judged(calls) == []


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("function", "unstack", 1, []), "has no function unstack"),
        (("function", "sum", 1, ["initial"]), "does not take it"),
        (("function", "linalg.vector_norm", 1, []), "has no function"),
        (("function", "take", 3, ["mode"]), "does not take it"),
        (("method", "reshape", 0, ["shape"]), "does not take it"),
        (("method", "setflags", 1, []), "has no method"),
        (("ufunc", "vecdot", 2, []), "has no ufunc"),
        (("ufunc", "add", 2, ["where"]), "does not take it"),
        (("ufunc", "add.reduce", 1, ["initial"]), "does not take it"),
        (("attribute", "ctypes", 0, []), "has no attribute"),
    ],
)
def test_the_judge_sees_what_cupy_lacks(call, said):
    (line,) = judged([[*call, "here:1"]])
    assert said in line
    assert "here:1" in line


def test_the_judge_lets_pass_what_cupy_has():
    lawful = [
        ("function", "sum", 1, ["axis", "keepdims"]),
        ("function", "linalg.solve", 2, []),
        ("method", "reshape", 3, []),
        ("method", "astype", 1, ["copy"]),
        ("ufunc", "add", 2, ["out"]),
        ("ufunc", "add.reduce", 3, ["keepdims", "out"]),
        ("ufunc", "add.at", 3, []),
        ("attribute", "mT", 0, []),
    ]
    assert judged([[*call, "here:1"] for call in lawful]) == []
