"""`scan`: a loop over time whose step is recorded once and run as a program.

The loop is the meaning; scan is the speed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.errors import describe
from tinygrad_seq.ops.shape import stack, unstack
from tinygrad_seq.scan.differentiable import Differentiable, run_loop
from tinygrad_seq.scan.execute import execute
from tinygrad_seq.scan.program import Numbering, Program, key_of, named, taken_apart
from tinygrad_seq.scan.trace import Trace, tracing
from tinygrad_seq.tape import mode
from tinygrad_seq.tensor import Tensor, tensor

PROGRAMS: OrderedDict[tuple, Compiled] = OrderedDict()  # the steps met last
CAPACITY = 128
lock = threading.Lock()


class Compiled:
    """A recorded step: its program, where its operations run, and its loop for each set of gradients asked."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.parts = taken_apart(program)
        self.loops: dict[frozenset[int], Differentiable] = {}

    def loop(self, active: frozenset[int], values: Mapping[int, object]) -> Differentiable:
        """The loop that can give the gradients of the arguments `active`."""
        if active not in self.loops:
            self.loops[active] = Differentiable(self.parts.loop, active, values)
        return self.loops[active]


class Step:
    """One recording of a step: what it captured, its values, and the program that it is."""

    def __init__(self, step: Callable, init, xs) -> None:
        trace = self.trace = Trace()
        names = parameter_names(step)
        self.carried = [_tensor(c) for c in tree.leaves(init)]
        self.inputs = [_tensor(x) for x in tree.leaves(xs)]
        with tracing(trace):
            before = [trace.placeholder(c._data, None) for c in self.carried]
            rows = [trace.placeholder(x._data[0, ...], None) for x in self.inputs]
            for holders, name in ((before, names[0]), (rows, names[1])):
                if len(holders) == 1:
                    trace.names[holders[0].line] = name
            try:
                made = step(tree.like(init, before), None if xs is None else tree.like(xs, rows))
                self.after, self.ys, self.tree_of_ys = self._outcome(made, init, before)
            finally:
                trace.end()
        number = self.number = Numbering(trace)
        carries = tuple((number(b.line), number(line)) for b, line in zip(before, self.after, strict=True))
        inputs = tuple(number(x.line) for x in rows)
        operations = number.operations([*self.after, *self.ys])
        outputs = tuple(number(line) for line in self.ys)
        captured = {number.number[line]: x for line, x in trace.captured.items() if line in number.number}
        numbers = {v: x for v, x in captured.items() if type(x) in (int, bool)}
        self.captured = {v: x for v, x in captured.items() if v not in numbers}
        self.program = Program(
            number.specs(), operations, carries, inputs, tuple(self.captured), numbers, outputs
        )

    def _outcome(self, made, init, before):
        """The lines of the carry after the step and of its outputs, checked."""
        if not isinstance(made, tuple) or len(made) != 2:
            given = f"a tuple of {len(made)}" if isinstance(made, tuple) else f"a {type(made).__name__}"
            raise TypeError(f"the step of a scan returns (carry, y), None for no y, not {given}")
        carry, ys = made
        try:
            after = tree.beside(init, carry)
        except ValueError as error:
            raise TypeError(f"the step of a scan returns a carry of the form it was given: {error}") from None
        for was, now in zip(before, after, strict=True):
            if not isinstance(now, Tensor):
                raise TypeError(f"a carry of a scan is a tensor like {describe(was)}, not {describe(now)}")
            if (now.shape, now.dtype) != (was.shape, was.dtype):
                raise TypeError(
                    f"the carry {describe(was)} became {describe(now)} in the step of a scan{self._place(now)}: shape "
                    f"and dtype of a carry stay; start with one like it, or astype it (a float of NumPy widens, "
                    f"as in x / np.sqrt(3): write math.sqrt)"
                )
        for y in tree.leaves(ys):
            if not isinstance(y, Tensor):
                raise TypeError(
                    f"an output of the step of a scan is a tensor, not {describe(y)}, which would be the same at "
                    f"every step"
                )
        line = self.trace.line
        return [line(c, c._data) for c in after], [line(y, y._data) for y in tree.leaves(ys)], ys

    def _place(self, t: Tensor) -> str:
        place = t.line and self.trace.places.get(t.line[0])
        return f" ({place[0].co_filename}, line {place[1]})" if place else ""

    def values(self) -> dict[int, object]:
        return {v: self.trace.values[line] for line, v in self.number.number.items()}

    def compiled(self) -> Compiled:
        key = key_of(self.program)
        with lock:
            found = PROGRAMS.get(key)
            if found is not None:
                PROGRAMS.move_to_end(key)
                return found
        names = named(self.trace, self.number.number)
        made = Compiled(replace(self.program, names=names))
        with lock:
            PROGRAMS[key] = made
            while len(PROGRAMS) > CAPACITY:
                PROGRAMS.popitem(last=False)
        return made


def scan(
    step: Callable, init, xs=None, *, length: int | None = None, reverse: bool = False, remat: int | None = None
):
    """Run `step` over time: carry, y = step(carry, x) for every row x of xs.

    step     a function (carry, x) -> (carry, y); it is called once, with the tensors of the first step
    init     the carry before the first step, a tree of tensors
    xs       a tree of tensors with time for their first axis, or None
    length   the number of steps, needed where xs has no tensor
    reverse  run from the last step to the first; outputs stay in the order of the inputs

    Returns the carry after the last step, and y of every step, stacked along a first axis. Trees are tensors
    in tuples, lists and dicts; None is a tree without tensors. What else the step uses, parameters and
    constants, it simply uses; gradients flow to all of it.

    ValueError for no step, TypeError for a carry that changes its shape or dtype, for an output that is no
    tensor, and for a step that looks at the value of a tensor.

    >>> import tinygrad_seq as ts
    >>> total, sums = ts.scan(lambda c, x: (c + x, c + x), ts.tensor(0.0), ts.tensor([1.0, 2.0, 3.0]))
    >>> float(total), sums.numpy()
    (6.0, array([1., 3., 6.], dtype=float32))
    """
    n = steps_of(xs, length)
    if mode.anomaly:
        return unrolled(step, init, xs, length=length, reverse=reverse)
    recorded = Step(step, init, xs)
    compiled = recorded.compiled()
    program, parts = compiled.program, compiled.parts
    given: dict[int, object] = dict(recorded.captured)
    given.update(zip((before for before, _ in program.carries), recorded.carried, strict=True))
    given.update(zip(program.inputs, recorded.inputs, strict=True))

    def loop(env, n, reverse):
        sources = (*(b for b, _ in parts.loop.carries), *parts.loop.inputs, *parts.loop.constants)
        active = frozenset(v for v in sources if mode.recording and getattr(env[v], "line", None) is not None)
        return run_loop(compiled.loop(active, recorded.values()), env, n, reverse)

    found = execute(parts, program, loop, given, n, reverse)
    inside = {pair: j for j, pair in enumerate(parts.loop.carries)}
    finals = [found["finals"][inside[pair]] if pair in inside else given[pair[0]] for pair in program.carries]
    ys = [whole(v, found, program, n) for v in program.outputs]
    return tree.like(init, finals), tree.like(recorded.tree_of_ys, ys)


def whole(v: int, found: dict, program: Program, n: int) -> Tensor:
    """An output at all steps."""
    x = found["env"][v]
    x = x if isinstance(x, Tensor) else tensor(x)
    if v not in found["varying"]:
        return np.broadcast_to(x, (n, *x.shape))
    return np.reshape(x, x.shape) if v in program.inputs else x


def unrolled(step: Callable, init, xs=None, *, length: int | None = None, reverse: bool = False):
    """What `scan` means: the loop itself, every step of which is recorded."""
    n = steps_of(xs, length)
    carry = tree.each(_tensor, init)
    rows = [unstack(_tensor(x)) for x in tree.leaves(xs)]
    outputs = []
    for t in reversed(range(n)) if reverse else range(n):
        carry, y = step(carry, None if xs is None else tree.like(xs, [row[t] for row in rows]))
        outputs.append(y)
    outputs = outputs[::-1] if reverse else outputs
    parts = zip(*map(tree.leaves, outputs), strict=True)
    return carry, tree.like(outputs[0], [stack(part) for part in parts])


def steps_of(xs, length: int | None) -> int:
    """The number of steps."""
    sizes = set()
    for x in tree.leaves(xs):
        if not np.ndim(x):
            raise ValueError(f"the inputs of a scan have time for their first axis; {describe(x)} has no axis")
        sizes.add(np.shape(x)[0])
    sizes |= set() if length is None else {length}
    if len(sizes) != 1:
        raise ValueError(
            f"the inputs of a scan have one number of steps, not {sorted(sizes)}"
            if sizes
            else "a scan without inputs takes the number of steps, length="
        )
    (n,) = sizes
    if n < 1:
        raise ValueError(f"a scan has at least one step, T = {n} leaves nothing to record")
    return n


def parameter_names(step: Callable) -> tuple[str, str]:
    """What the step calls the carry and the input."""
    code = getattr(step, "__code__", None) or getattr(type(step).__call__, "__code__", None)
    names = [] if code is None else [n for n in code.co_varnames[: code.co_argcount] if n != "self"]
    return (names[0], names[1]) if len(names) == 2 else ("c", "x")


def _tensor(x) -> Tensor:
    return x if isinstance(x, Tensor) else tensor(x)
