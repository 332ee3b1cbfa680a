"""Recording the step of a scan: it is called once with placeholders, and what it returns is checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.mode import mode, tracing
from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.engine.record import Line
from tinygrad_seq.engine.tape import tape
from tinygrad_seq.scan.backward import reached
from tinygrad_seq.scan.naming import named
from tinygrad_seq.scan.program import Numbering, Program
from tinygrad_seq.scan.recording.places import place_of
from tinygrad_seq.scan.recording.trace import Trace, refuse_history
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor

WHOLE = (int, bool)  # numbers that are a part of the program


class Step:
    """One recording of a step: its carries and inputs, the values that it captured, and its program.

    key   recordings with equal keys have the same program
    """

    def __init__(self, step: Callable, init, xs) -> None:
        if not callable(step):
            raise TypeError(f"scan needs a function step(carry, x), got {describe(step)}")
        trace = self.trace = Trace()
        self.step = step
        self.carried = [as_tensor(c) for c in tree.leaves(init)]
        self.inputs = [as_tensor(x) for x in tree.leaves(xs)]
        with tracing(trace):
            self.before = [trace.placeholder(c._array, None, c.line) for c in self.carried]
            self.rows = [trace.placeholder(x._array[0, ...], None, x.line) for x in self.inputs]
            try:
                made = step(tree.like(init, self.before), None if xs is None else tree.like(xs, self.rows))
                self.after, self.ys, self.tree_of_ys = self._outcome(made, init)
            finally:
                trace.end()
        ends = (tuple([trace.numbers[line] for line in lines]) for lines in (self.after, self.ys))
        self.key = len(self.rows), *ends, trace.walked, tuple(trace.key)
        if trace.derivatives:
            self._look_back()

    @cached_property
    def program(self) -> Program:
        """The program; its numbers are those of `self.number`."""
        number = self.number = Numbering(self.trace)
        pairs = zip(self.before, self.after, strict=True)
        carries = tuple((number(before.line), number(line)) for before, line in pairs)
        inputs = tuple(number(x.line) for x in self.rows)
        operations = number.operations([*self.after, *self.ys])
        outputs = tuple(number(line) for line in self.ys)
        captured = {number.number[line]: x for line, x in self.trace.captured.items() if line in number.number}
        numbers = {v: x for v, x in captured.items() if type(x) in WHOLE}
        constants = tuple(v for v in captured if v not in numbers)
        return Program(
            number.specs(),
            operations,
            carries,
            inputs,
            constants,
            numbers,
            outputs,
            walked=self.trace.walked,
            device=self._device([captured[v] for v in constants]),
        )

    @cached_property
    def used(self) -> tuple[int, ...]:
        """Which of the captured values the program uses."""
        known = {*self.program.constants, *self.program.numbers}
        numbers = map(self.number.number.get, self.trace.captured)
        return tuple(i for i, v in enumerate(numbers) if v in known)

    def captured(self, used: Sequence[int]) -> list[tuple[Line, Any]]:
        """Those of the captured values that the program uses, with their lines."""
        captured = list(self.trace.captured.items())
        return [captured[i] for i in used]

    def _look_back(self) -> None:
        """RuntimeError if a derivative in the step leads to a carry that depends on the same tensor.

        In the Python loop, dy/dw counts the w of all earlier steps, through the carry. Here the carry is a
        given value, so dy/dw would count the w of this step only.
        """
        given = zip(self.program.arguments, self.arguments(), strict=True)
        lines = {v: x.line for v, x in given if isinstance(x, Tensor) and x.line is not None}
        number = self.number.number
        for line, ends in self.trace.derivatives:
            stops = {number[end] for end in ends if end in number}
            on_it = {v for v, origin in lines.items() if line[0] in tape([origin])}
            if not stops.isdisjoint(reached(self.program, on_it)):
                refuse_history(line)
            if mode.trace is not None:  # in the step of an outer scan, they may depend on it through its carry
                before = [lines[v] for v in lines if not stops.isdisjoint(reached(self.program, {v}))]
                mode.trace.differentiated(before, [line])

    def _device(self, captured: Sequence) -> str:
        """The one device of all arguments of the program."""
        given = {
            "the carry": self.carried,
            "the input": self.inputs,
            "the captured tensors": captured,
        }
        places = {device_of(x): name for name, xs in given.items() for x in xs if not isinstance(x, np.generic)}
        if len(places) > 1:
            where = " and ".join(f"{name} on {device}" for device, name in places.items())
            raise TypeError(
                f"a scan needs all its tensors on one device, got {where}; move them with t.to(device)"
            )
        return next(iter(places), "cpu")

    def _outcome(self, made, init):
        """The lines of the carry after the step and of its outputs, checked."""
        if not isinstance(made, tuple) or len(made) != 2:
            given = (
                f"a tuple of {len(made)}"
                if isinstance(made, tuple)
                else f"a {'Tensor' if isinstance(made, Tensor) else type(made).__name__}"
            )
            raise TypeError(
                f"the step of a scan must return (carry, y), with y None for no output, got {given}"
            )
        carry, ys = made
        try:
            after = tree.matching(init, carry)
        except ValueError as error:
            raise TypeError(
                f"the step of a scan must return a carry of the form that it receives: {error}"
            ) from None
        for was, now in zip(self.before, after, strict=True):
            if not isinstance(now, Tensor):
                raise TypeError(f"a carry of a scan must be a tensor like {describe(was)}, got {describe(now)}")
            if (now.shape, now.dtype) != (was.shape, was.dtype):
                place = place_of(now.line and now.line[0])
                raise TypeError(
                    f"the carry {describe(was)} became {describe(now)} in a scan{place}: a carry "
                    f"must keep its shape and dtype; start with one like it, or use astype in the step (a "
                    f"NumPy float widens, as in x / np.sqrt(3); write math.sqrt)"
                )
        if tree.form(init) != tree.form(carry):
            raise TypeError(
                f"the step of a scan must return a carry of the form that it receives, with the same classes "
                f"of tuples, lists and dicts: expected one like {init!r:.80}, got {carry!r:.80}"
            )
        outputs = tree.leaves(ys)
        for y in outputs:
            if not isinstance(y, Tensor):
                raise TypeError(
                    f"an output of the step of a scan must be a tensor, got {describe(y)}, which would be the "
                    f"same at every step"
                )
        line = self.trace.line
        return [line(c, c._array) for c in after], [line(y, y._array) for y in outputs], ys

    def use_of(self, line: Line) -> str:
        """The place in the user's code where a captured value is used first."""
        return place_of(next((record for record in self.trace.records if line in record.arguments), None))

    def named_program(self) -> Program:
        """The program, with the user's names of its values."""
        program, names = self.program, self.trace.names
        for holders, name in zip((self.before, self.rows), parameter_names(self.step), strict=True):
            if len(holders) == 1:
                names[holders[0].line] = name
        return replace(program, names=named(self.trace, self.number.number))

    def arguments(self, used: Sequence[int] | None = None) -> list:
        """The arguments of the program: carries before the first step, inputs of all steps, constants."""
        constants = [x for _, x in self.captured(self.used if used is None else used) if type(x) not in WHOLE]
        return [*self.carried, *self.inputs, *constants]


def device_of(x) -> str:
    return x.device if isinstance(x, Tensor) else backend.device_of(x)


def steps_of(xs, length: int | None) -> int:
    """The number of steps."""
    sizes = set()
    for x in tree.leaves(xs):
        if not np.ndim(x):
            raise ValueError(f"an input of a scan needs time as its first axis, got {describe(x)}")
        sizes.add(np.shape(x)[0])
    sizes |= set() if length is None else {integer("scan", "length", length, "[1, inf)")}
    if len(sizes) != 1:
        raise ValueError(
            f"the inputs of a scan (and length=) must have one number of steps, got {sorted(sizes)}"
            if sizes
            else "a scan without inputs needs the number of steps; pass length="
        )
    (n,) = sizes
    if n < 1:
        raise ValueError(f"a scan needs at least one step, got T = {n}")
    return n


def parameter_names(step: Callable) -> tuple[str, str]:
    """The names of the carry and the input in the code of the step."""
    called = step if hasattr(step, "__code__") else inspect.unwrap(type(step).__call__)
    code = getattr(called, "__code__", None)
    names = [] if code is None else [n for n in code.co_varnames[: code.co_argcount] if n != "self"]
    return (names[0], names[1]) if len(names) == 2 else ("c", "x")
