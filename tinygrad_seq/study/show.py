"""Show a tape: print it, draw it, and go through its reverse pass step by step."""

from __future__ import annotations

import html
import inspect
import sys
import textwrap
from collections.abc import Iterator
from types import FrameType
from typing import NamedTuple

import numpy as np

from tinygrad_seq.engine.declaration import Declaration
from tinygrad_seq.engine.mode import walking
from tinygrad_seq.engine.record import Handle, Line, Record
from tinygrad_seq.engine.tape import reverse
from tinygrad_seq.engine.tape import tape as records_of
from tinygrad_seq.study import drawing
from tinygrad_seq.study.folding import loops
from tinygrad_seq.study.listing import Listing
from tinygrad_seq.tensor.tensor import Tensor, own, seed_of

PICTURE = 60  # a notebook draws a tape of at most so many records


def tape(*outputs: Tensor) -> Tape:
    """The tape of `outputs`: the records that they depend on, oldest first.

    Raises RuntimeError if an output is not on a tape.

    >>> import tinygrad_seq as ts
    >>> x = ts.tensor([1.0, 2.0], requires_grad=True)
    >>> print(ts.tape((x * x).sum()))
    %0  f32[2]  leaf
    %1  f32[2]  multiply  %0 %0
    %2  f32[]   sum       %1
    """
    lines = [y.line for y in outputs if y.line is not None]
    if len(lines) < len(outputs):
        raise RuntimeError("there is no tape: nothing that this was computed from requires a gradient")
    return Tape(records_of(lines), names=_names_in(sys._getframe(1)))


def _names_in(frame: FrameType) -> dict[Line, str]:
    """The names by which the code in `frame` knows lines: variables, and the parameters of its models."""
    names: dict[Line, str] = {}
    for variables in (frame.f_locals, frame.f_globals):
        for name, value in list(variables.items()):
            if name.startswith("_") or not name.isidentifier():  # not a variable that somebody wrote
                continue
            tensors = [("", value)] if isinstance(value, Handle) else _parameters_of(value)
            for path, t in tensors:
                if t.line is not None:
                    owner = "" if name == "self" else f"{name}."
                    names.setdefault(t.line, f"{owner}{path}" if path else name)
    return names


def _parameters_of(value: object) -> list[tuple[str, Handle]]:
    """The named tensors of a model; of anything else, none."""
    named = getattr(type(value), "named_tensors", None)
    return list(named(value)) if callable(named) else []


class Tape(Listing):
    """The records of a tape, oldest first; print it, or call `to_svg()`.

    >>> import tinygrad_seq as ts
    >>> x = ts.tensor(0.5, requires_grad=True)
    >>> y = x
    >>> for _ in range(100):
    ...     y = ts.tanh(y) * x
    >>> len(ts.tape(y)), ts.tape(y)[-1].op.name
    (201, 'multiply')
    >>> print(ts.tape(y).folded())
    %0  f32[]  leaf
    %1  f32[]  tanh      %0
    %2  f32[]  multiply  %1 %0
    ... these 2 records 99 more times
    """

    def folded(self) -> Tape:
        """The same tape, showing only one step of every stretch that repeats, as a loop over time does."""
        return Tape(self.records, loops(self.records), self.names)

    def to_dot(self) -> str:
        """The tape as a graph in the language of Graphviz; leaves have the names of the caller's variables.

        >>> import tinygrad_seq as ts
        >>> print(ts.tape(ts.exp(ts.tensor(1.0, requires_grad=True))).to_dot().splitlines()[-2])
          "r0" -> "r1"
        """
        return drawing.dot(self)

    def to_svg(self) -> str:
        """The graph as a picture. Raises ModuleNotFoundError, with the install line, if Graphviz is missing.

        >>> import tinygrad_seq as ts
        >>> picture = ts.tape(ts.tensor(1.0, requires_grad=True) * 2.0).to_svg()
        >>> picture.count("<svg")
        1
        """
        return drawing.svg(self.to_dot())

    def _repr_html_(self) -> str:
        """Shown by notebooks: the folded tape, and a picture of it if it is small enough."""
        tape = self if self.folds else self.folded()
        table = f"<pre>{html.escape(str(tape))}</pre>"
        if len(tape.shown()) > PICTURE:
            return table
        try:
            picture = tape.to_svg()
        except ModuleNotFoundError as error:
            return f"{table}<small>{html.escape(f'no picture: {error.__notes__[0]}')}</small>"
        return table + picture[picture.index("<svg") :]


class Step(NamedTuple):
    """One step of a reverse pass.

    number      of the record, as `print(ts.tape(y))` shows it
    record      the record
    rules       the source of the rule of each argument, or of the joint rule
    cotangents  the incoming derivatives: of y by each output of the record
    shares      the outgoing derivatives: pairs of the number of a record, "%3", and its share
    """

    number: int
    record: Record
    rules: list[str]
    cotangents: list[Tensor | None]
    shares: list[tuple[str, Tensor]]

    def __str__(self) -> str:
        op = "leaf" if self.record.op is None else self.record.op.name
        lines = [f"%{self.number} {op}", *(f"    rule   {rule}" for rule in self.rules)]
        lines += [f"    in     {c}" for c in self.cotangents]
        lines += [f"    to {name:<4}{share}" for name, share in self.shares]
        return "\n".join(lines)


def step(y: Tensor, gradient: Tensor | np.ndarray | None = None) -> Iterator[Step]:
    """The reverse pass of `y`, one record at a time. It changes no `grad` and keeps the tape.

    gradient  the cotangent of y, required unless y has one element

    >>> import tinygrad_seq as ts
    >>> x = ts.tensor(3.0, requires_grad=True)
    >>> for s in ts.step(x * x):
    ...     print(s.number, [float(c) for c in s.cotangents], [(n, float(g)) for n, g in s.shares])
    1 [1.0] [('%0', 3.0), ('%0', 3.0)]
    0 [6.0] []
    """
    return _steps(tape(y), seed_of(y, gradient, recorded=False))


def _steps(shown: Tape, seed: tuple[Line, object]) -> Iterator[Step]:
    walk = reverse([seed], retain_graph=True, every=True)
    rules: dict[Declaration, list[str]] = {}
    while True:
        with walking(create_graph=False):  # ends before each yield, so that the caller's calls are recorded
            at = next(walk, None)
        if at is None:
            return
        record, cotangents, shares = at
        if record.op is not None and record.op not in rules:
            rules[record.op] = _rules(record.op)
        yield Step(
            shown.numbers[record],
            record,
            rules.get(record.op, []),
            [None if c is None else own(c) for c in cotangents],
            [(shown.name(line), own(share)) for line, share in shares],
        )


def _rules(op: Declaration) -> list[str]:
    """The source of the rules of an op: the statement that declares them."""
    rules = [op.joint_rule] if op.joint_rule else [rule for rule in op.rules if rule]
    texts = []
    for rule in rules:
        try:
            text = textwrap.dedent(inspect.getsource(rule.function)).strip()
        except (OSError, TypeError):  # typed at a prompt
            text = repr(rule.function)
        if text not in texts:
            texts.append(text)
    return texts
