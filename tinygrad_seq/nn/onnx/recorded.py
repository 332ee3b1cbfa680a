"""A model as one program: it is called on placeholders of several sizes, and the recordings are merged.

The program is that of a step of `scan` (`scan/program.py`) for a loop without time, whose `inputs` are the
inputs of the model. Its shapes and its metadata may hold a `Size`. A loop in it is an operation `scan` whose
metadata hold the program of its step, merged likewise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, NoReturn

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.mode import no_grad, tracing
from tinygrad_seq.nn.onnx.cells import Known, known, recognising
from tinygrad_seq.nn.onnx.sizes import RECORDED, DifferentError, Number, Shape, Size, merged
from tinygrad_seq.scan.naming import named
from tinygrad_seq.scan.op import Call
from tinygrad_seq.scan.program import Numbering, Operation, Program, Spec
from tinygrad_seq.scan.recording.places import place_of
from tinygrad_seq.scan.recording.trace import Trace
from tinygrad_seq.tensor.tensor import Tensor

INPUT = re.compile(r"\s*(\w+)\s*\[([^\]]*)\]\s*")


@dataclass(frozen=True)
class Given:
    """An input of a model: its name, its dtype, and its shape, in which a name is a free axis."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | str, ...]

    def array(self, sizes: Mapping[str, int]) -> np.ndarray:
        """A value to record with: 0 of integers, as an id or a length that no size makes invalid."""
        shape = [sizes[n] if isinstance(n, str) else n for n in self.shape]
        return np.full(shape, 0.5 if self.dtype.kind == "f" else 0, self.dtype)


@dataclass(frozen=True)
class Loop:
    """The metadata of an operation `scan` in a merged program.

    known  the cell whose step it is, if that is an operator of ONNX
    """

    program: Program
    n: Number
    reverse: bool
    known: Known | None


@dataclass(frozen=True)
class Recorded:
    """A model as a program.

    captured  the parameters, constants and numbers that it uses, by value
    outputs   the names of its outputs, in the order of `program.outputs`
    """

    program: Program
    captured: dict[int, Any]
    inputs: tuple[Given, ...]
    outputs: tuple[str, ...]
    free: dict[str, Size]


def parsed(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a model, as trees of `Given`, from trees of texts such as "float32[time, batch, 3]"."""
    if not isinstance(inputs, Mapping) or not inputs:
        raise TypeError(
            f"to_onnx needs a dict of the inputs by name, such as {{'xs': 'float32[time, batch, 3]'}}, got "
            f"{describe(inputs)}"
        )
    return {
        name: tree.like(value, (given(path, leaf) for path, leaf in paths(name, value)))
        for name, value in inputs.items()
    }


def given(name: str, text: object) -> Given:
    match = INPUT.fullmatch(text) if isinstance(text, str) else None
    try:
        if match is None:
            raise TypeError
        dtype = np.dtype(match[1])
        sizes = [size.strip() for size in match[2].split(",")] if match[2].strip() else []
        if dtype.kind not in "fiub" or not all(size.isidentifier() or size.isdecimal() for size in sizes):
            raise TypeError
    except TypeError:
        raise ValueError(
            f"to_onnx needs the dtype and the shape of {name}, with names for free axes, such as "
            f"'float32[time, batch, 3]', got {text!r}"
        ) from None
    return Given(name, dtype, tuple(int(size) if size.isdecimal() else size for size in sizes))


def paths(name: str, value: object) -> Iterator[tuple[str, Any]]:
    """The leaves of a tree, with the name of each: y, or y.0, y.1.0 and so on."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from paths(f"{name}.{key}", part)
    elif isinstance(value, (tuple, list)):
        for i, part in enumerate(value):
            yield from paths(f"{name}.{i}", part)
    elif value is not None:
        yield name, value


class Recording:
    """One call of the model: its trace, the lines of its inputs and outputs, and a tree of the outputs."""

    def __init__(self, model: Callable[..., Any], inputs: dict[str, Any], sizes: Mapping[str, int]) -> None:
        self.trace = trace = Trace(first_order=True)
        with no_grad(), recognising(), tracing(trace), np.errstate(all="ignore"):
            placed = {
                name: tree.each(lambda x: trace.placeholder(x.array(sizes), x.name), value)
                for name, value in inputs.items()
            }
            try:
                self.made = model(**placed)
                lines = [trace.line(y, y._array) for y in tensors_of(self.made)]
            except (TypeError, RuntimeError) as error:
                error.add_note(
                    "while to_onnx called the model, once for all sizes and values of its inputs, as a scan "
                    "calls its step; for dropout call model.eval() first"
                )
                raise
            finally:
                trace.end()
        self.number = number = Numbering(trace)
        self.inputs = tuple(number(x.line) for x in tree.leaves(placed))
        self.operations = number.operations(lines)
        self.outputs = tuple(map(number, lines))
        self.specs = number.specs()
        self.tensors = {number.number[line]: x for line, x in trace.captured.items() if line in number.number}
        self.records = {number.number[line]: line[0] for line in number.number}

    def place(self, call: Operation) -> str:
        return place_of(self.records.get(call.outputs[0]))


def tensors_of(made: object) -> list[Tensor]:
    """The leaves of what a model returned; TypeError unless they are tensors."""
    leaves = tree.leaves(made)
    if not leaves or not all(isinstance(y, Tensor) for y in leaves):
        raise TypeError(f"to_onnx needs a model that returns a tensor or a tree of tensors, got {made!r:.80}")
    return leaves


def recorded(model: Callable[..., Any], inputs: Mapping[str, Any]) -> Recorded:
    """The program of `model(**inputs)`, for every size of the free axes.

    ValueError for a model that does something else at other sizes.
    """
    asked = parsed(inputs)
    leaves: list[Given] = tree.leaves(asked)
    names = list(dict.fromkeys(n for x in leaves for n in x.shape if isinstance(n, str)))
    if len(names) > len(RECORDED):
        raise ValueError(f"to_onnx has at most {len(RECORDED)} free axes, got {len(names)}: {', '.join(names)}")
    free = {name: Size(sizes) for name, sizes in zip(names, RECORDED, strict=False)}
    count = len(RECORDED[0]) if free else 1
    runs = [
        Recording(model, asked, {name: size.values[i] for name, size in free.items()}) for i in range(count)
    ]
    program = one_program(runs)
    captured = {v: one_value([run.tensors[v] for run in runs], runs[0], v) for v in runs[0].tensors}
    outputs = tuple(name for name, _ in paths("output", runs[0].made))
    return Recorded(program, captured, tuple(leaves), outputs, free)


def one_program(runs: Sequence[Recording]) -> Program:
    """The merged program. ValueError if the recordings differ by anything but sizes."""
    first = runs[0]
    counts = [len(run.operations) for run in runs]
    if len(set(counts)) > 1:
        refuse(
            f"it has another number of operations, {', '.join(map(str, counts))} in the recordings: write a "
            f"loop over a free axis as ts.scan, or as a runner without unroll",
            "",
        )
    for calls in zip(*(run.operations for run in runs), strict=True):
        if len({call.op for call in calls}) > 1:
            ways = " and ".join(dict.fromkeys(call.op.name for call in calls))
            refuse(f"it calls {ways}", first.place(calls[0]))
    if len({(run.inputs, run.outputs) for run in runs}) > 1:
        refuse("its outputs are other values", "")
    operations = tuple(
        one_call(calls, first.place(calls[0])) for calls in zip(*(run.operations for run in runs), strict=True)
    )
    return Program(
        values=specs([run.specs for run in runs]),
        operations=operations,
        carries=(),
        inputs=first.inputs,
        constants=tuple(first.tensors),
        numbers={},
        outputs=first.outputs,
        names=named(first.trace, first.number.number),
    )


def specs(values: Sequence[Sequence[Spec]]) -> tuple[Spec, ...]:
    """The merged shapes and dtypes of values."""
    return tuple(
        Spec(merged([spec.shape for spec in each]), merged([spec.dtype for spec in each]))
        for each in zip(*values, strict=True)
    )


def one_call(calls: Sequence[Operation], place: str) -> Operation:
    first = calls[0]
    if len({(call.inputs, call.outputs) for call in calls}) > 1:
        refuse(f"{first.op.name} receives other values", place)
    try:
        if first.op.name == "scan":
            return first._replace(meta=(one_loop([call.meta[0] for call in calls]),))
        return first._replace(meta=merged([call.meta for call in calls]))
    except DifferentError as error:
        refuse(f"{first.op.name} receives {error}", place)


def one_loop(calls: Sequence[Call]) -> Loop:
    """The merged loop of several recordings."""
    programs = [call.what.program for call in calls]
    first = programs[0]
    if len({(p.carries, p.inputs, p.constants, tuple(p.numbers), p.outputs) for p in programs}) > 1 or (
        len({tuple(call.op for call in p.operations) for p in programs}) > 1
    ):
        raise DifferentError("steps with other operations")
    program = replace(
        first,
        values=specs([p.values for p in programs]),
        operations=tuple(one_call(each, "") for each in zip(*(p.operations for p in programs), strict=True)),
        numbers={v: merged([p.numbers[v] for p in programs]) for v in first.numbers},
    )
    n, reverse = (merged([getattr(call, name) for call in calls]) for name in ("n", "reverse"))
    return Loop(program, n, reverse, known(first))


class Repeated(NamedTuple):
    """A captured array with a free axis, along which it is constant: one slice, and the shape."""

    array: np.ndarray
    shape: Shape


def one_value(parts: Sequence[Any], run: Recording, v: int) -> Any:
    """A captured value: a tensor that is the same in all recordings, a number that may be a size, an array."""
    first = parts[0]
    if isinstance(first, Tensor) and all(part is first for part in parts):
        return first
    if all(isinstance(part, int) for part in parts):
        return merged(parts)
    arrays = [part.numpy() if isinstance(part, Tensor) else np.asarray(part) for part in parts]
    if len({array.ndim for array in arrays}) > 1 or len({array.dtype for array in arrays}) > 1:
        refuse("it uses arrays of other ranks or dtypes", use_of(run, v))
    shape: Shape = merged([array.shape for array in arrays])
    for axis, n in enumerate(shape):
        if isinstance(n, Size):
            cut = [array.take([0], axis) for array in arrays]
            if any(not equal(np.broadcast_to(one, a.shape), a) for one, a in zip(cut, arrays, strict=True)):
                refuse(
                    f"it makes an array {describe(arrays[0])} whose values at other sizes are not known "
                    f"(compute it from the inputs, by operations of tinygrad_seq)",
                    use_of(run, v),
                )
            arrays = cut
    if any(not equal(array, arrays[0]) for array in arrays):
        refuse(
            f"it uses other values of an array {describe(arrays[0])} at every call (a draw, or dropout: call "
            f"model.eval())",
            use_of(run, v),
        )
    return Repeated(arrays[0], shape) if any(isinstance(n, Size) for n in shape) else arrays[0]


def use_of(run: Recording, v: int) -> str:
    line = next(line for line, number in run.number.number.items() if number == v)
    return place_of(next((record for record in run.trace.records if line in record.arguments), None))


def equal(x: np.ndarray, y: np.ndarray) -> bool:
    return x.shape == y.shape and np.array_equal(x, y, equal_nan=x.dtype.kind == "f")


def refuse(what: str, place: str) -> NoReturn:
    raise ValueError(
        f"to_onnx needs a model that computes in one way at all sizes of its free axes, and at other sizes "
        f"{what}{place}"
    )
