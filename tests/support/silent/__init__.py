"""The form of the list in `tests/test_never_silent.py`: input, what is right, by which oracle.

A row is a function without arguments. It returns a result, and `right` says what the result has to be; or it
must raise, and `refused` says which error. Either names the oracle: a formula, a complex step, another library
with its version. The name of the function is the title of the row; the file that it is in is its kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import tree

ROWS: list[Row] = []


@dataclass(frozen=True)
class Row:
    """A row: `run` is the input, `check(run)` asserts what is right, `oracle` is why that is right."""

    run: Callable[[], Any]
    check: Callable[[Callable[[], Any]], None]
    oracle: str

    def __repr__(self) -> str:
        return f"{self.run.__module__.removeprefix('silent.')}:{self.run.__name__}"


def right(expected: Any, *, by: str, rtol: float = 1e-6, atol: float = 0.0) -> Callable[[Callable], Callable]:
    """The row returns `expected`: a number, an array, a tuple of them, or a function that computes it."""

    def check(run: Callable[[], Any]) -> None:
        found = run()
        wanted = expected() if callable(expected) else expected
        parts = tree.leaves(found) if isinstance(wanted, tuple) else [found]
        wanted = tree.leaves(wanted) if isinstance(wanted, tuple) else [wanted]
        assert len(parts) == len(wanted)
        for part, value in zip(parts, wanted, strict=True):
            assert np.shape(part) == np.shape(value)
            assert_allclose(part, value, rtol, atol)

    return lambda run: _row(run, check, by)


def refused(error: type[Exception], *texts: str, by: str) -> Callable[[Callable], Callable]:
    """The row raises `error`, whose message and notes contain all `texts`."""

    def check(run: Callable[[], Any]) -> None:
        with pytest.raises(error) as caught:
            run()
        said = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
        for text in texts:
            assert text in said

    return lambda run: _row(run, check, by)


def _row(run: Callable, check: Callable, oracle: str) -> Callable:
    ROWS.append(Row(run, check, oracle))
    return run


def T(data: Any, dtype: Any = None) -> ts.Tensor:  # noqa: N802  # as in the list of kinds
    """A tensor that requires a gradient."""
    return ts.tensor(data, dtype=dtype, requires_grad=True)
