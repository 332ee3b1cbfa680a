"""Anomaly mode: the op and the user's line that first produced NaN or infinity, forward or backward."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tinygrad_seq.engine.declaration import Declaration
from tinygrad_seq.engine.errors import call_of, describe, spelled
from tinygrad_seq.engine.mode import mode, watching
from tinygrad_seq.engine.record import Handle, Record

HERE = str(Path(__file__).parents[1])


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """In this block and this thread, the first NaN or infinity raises an error.

    Raises FloatingPointError if an op returns NaN or infinity for finite arguments, or a derivative rule for a
    finite cotangent. The error names the op, its arguments, and the line of the program that called it.
    Arguments that already contain NaN or infinity (a mask of -inf) are accepted. Every value is checked, which
    is slow: use it for debugging.

    >>> import tinygrad_seq as ts
    >>> with ts.detect_anomaly():
    ...     ts.log(ts.tensor([1.0, -1.0]))
    Traceback (most recent call last):
    FloatingPointError: log made NaN of finite arguments: log(x: float32[2]), in <doctest ...
    """
    with watching(_Anomaly()), np.errstate(all="ignore"):  # NumPy's warnings would not name the line
        yield


class _Anomaly:
    """Looks at every value that calls and derivative rules compute."""

    def called(self, op: Declaration, given: tuple, arrays: tuple, meta: tuple, out: Handle | tuple) -> None:
        """Look at the outputs of a call, and note in its record where it was made."""
        if mode.walking:  # rules may divide by zero where a zero cotangent makes that harmless
            return
        outputs = out if isinstance(out, tuple) else (out,)
        where = _line_of_the_user()
        if outputs and outputs[0].line is not None:
            outputs[0].line[0].where = where
        wrong = [t._array for t in outputs if not _finite(t._array)]
        if wrong and all(map(_finite, arrays)):
            call = spelled(op, list(map(describe, arrays)), meta)
            raise FloatingPointError(f"{op.name} made {_what(wrong[0])} of finite arguments: {call}, {where}")

    def walked(self, record: Record, cotangents: Sequence, shares: Sequence) -> None:
        """Look at what the rules of a record computed from its cotangents."""
        wrong = [_array(share) for _, share in shares if not _finite(_array(share))]
        if wrong and all(c is None or _finite(_array(c)) for c in cotangents):
            where = getattr(record, "where", "outside of detect_anomaly")
            raise FloatingPointError(
                f"the derivative of {record.op.name} made {_what(wrong[0])} of a finite cotangent: "
                f"{call_of(record)}, {where}"
            )


def _array(x):
    return getattr(x, "_array", x)


def _finite(x) -> bool:
    dtype = getattr(x, "dtype", None)
    return (dtype is not None and dtype.kind != "f") or bool(np.all(np.isfinite(x)))


def _what(x) -> str:
    return "NaN" if bool(np.any(np.isnan(x))) else "infinity"


def _line_of_the_user() -> str:
    """The innermost line on the stack that is outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith((HERE, "<the call of")):
        frame = frame.f_back
    name, number = frame.f_code.co_filename, frame.f_lineno
    code = linecache.getline(name, number, frame.f_globals).strip()
    return f"in {name}, line {number}" + (f": {code}" if code else "")
