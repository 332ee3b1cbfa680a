"""The chain rule at one record: what its rules read, pull back and push forward.

The steps that every rule needs are done here, once for all ops: a stale value is refused; a cotangent is summed
over the axes along which its argument was broadcast, and cast to its argument's dtype; a missing tangent is 0.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NoReturn, cast

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.broadcasting import unbroadcast
from tinygrad_seq.engine.declaration import Declaration
from tinygrad_seq.engine.errors import describe, refuse_undeclared
from tinygrad_seq.engine.generated import write_out
from tinygrad_seq.engine.precision import HALF, wide
from tinygrad_seq.engine.record import Buffer, Handle, Line, Record


def read(record: Record, as_tensors: bool) -> tuple:
    """The saved values that the rules of `record` read: as arrays, or as Tensors on their lines of the tape."""
    saved = record.saved or ()
    for i, buffer in enumerate(record.buffers):
        if buffer is not None and saved[i] is not None and _stamp(buffer) > record.serial:
            _refuse_stale(record, i)
    return tuple(_as_tensors(record, saved)) if as_tensors else saved


def _refuse_stale(record: Record, i: int) -> NoReturn:
    """RuntimeError: memory that the rules read was changed after the record was made."""
    name, value = record.op.reads[i], cast(tuple, record.saved)[i]
    raise RuntimeError(
        f"{name} of {record.op.name}, {describe(value)}, was changed in place, by assign_ or an "
        f"optimizer step, after {record.op.name} read it and before its derivative did: call "
        f"backward() first, or compute with a copy, x.detach()"
    )


def _stamp(buffer: Buffer | tuple) -> int:
    """The serial of the last change to a buffer, or to any of the buffers of several outputs."""
    if isinstance(buffer, tuple):
        return max((b.stamp for b in buffer if b is not None), default=0)
    return buffer.stamp


def _as_tensors(record: Record, saved: tuple) -> Iterator:
    op = record.op
    # in a step constants have lines, too
    origins = record.arguments if hasattr(record, "arguments") else record.inputs
    buffers = record.buffers or (None,) * len(saved)
    for name, value, buffer in zip(op.reads, saved, buffers, strict=True):
        if value is None or name in ("s", "kept"):
            yield value
        elif name == op.variadic:
            lines = origins[len(op.arguments) :]
            yield tuple(map(_handle, value, lines, buffer or (None,) * len(value)))
        elif name == "z" and op.many:
            made = [(record, i) for i in range(len(value))]
            yield tuple(map(_handle, value, made, buffer or (None,) * len(made)))
        else:
            line = (record, 0) if name == "z" else origins[op.arguments.index(name)]
            yield _handle(value, line, buffer)


def _handle(value, line: Line | None, buffer: Buffer | None):
    """A saved value as the Tensor that it was; a constant array or number stays one."""
    constant = (line is None and buffer is None) or type(value) in (float, int, bool)
    return value if constant else Handle.result(value, line, buffer)


def precise(record: Record, g: Any, values: tuple) -> tuple[Any, tuple]:
    """The incoming vectors and the values, in the dtype in which the rules of `record` compute.

    For float16 it is float32; the result is cast to its dtype once. In an op that mixes dtypes it is the dtype
    of the result: 1/y of a float16 y is imprecise for a float64 x. Joint rules are those of ops that join or
    separate arrays, which do not compute, and of whole loops, which consist of other ops.
    """
    dtype, op = record.dtypes[0], record.op
    if dtype == HALF and op.joint_rule is None:
        return wide(g), wide(values)
    if not op.mixes:
        return g, values
    narrow = [hasattr(v, "dtype") and v.dtype.kind == "f" and v.dtype != dtype for v in values]
    return g, tuple([v.astype(dtype) if is_narrow else v for v, is_narrow in zip(values, narrow, strict=True)])


def pull(
    record: Record, cotangents: list, values: tuple, needed: Collection[Record]
) -> list[tuple[Line, object]]:
    """The share of every `needed` input, paired with its line, from the cotangents of the outputs."""
    op = record.op
    g = cotangents if op.takes_none else cotangents[0]
    if op.many and not op.takes_none:
        like = next(c for c in cotangents if c is not None)
        g = [
            backend.shaped(np.zeros_like, like, shape) if c is None else c
            for c, shape in zip(cotangents, record.shapes, strict=True)
        ]
    return op.pull(record, *precise(record, g, values), needed)


SHARE = """\
    line = inputs[{i}]
    if line is not None and line[0] in needed:
        source, k = line
        s = source.shapes[k]
        share = {value}
        if share.shape != s or share.dtype is not source.dtypes[k]: share = fitted(share, record, {i})
        shares.append((line, share))"""
JOINT = "    for i, x in enumerate({}):\n        if x is None: continue\n" + textwrap.indent(
    SHARE.format(i="i", value="x"), "    "
)


def compiled_pull(op: Declaration, places: dict[str, str], scope: dict) -> Callable:
    """The function that `pull` calls for `op`: SHARE once per argument (a loop would take 10 % longer).

    `places` holds an expression for each name that the rules read; `scope` what their forms refer to.
    """
    names = {**scope, "fitted": fitted, "refuse_undeclared": refuse_undeclared, "op": op}
    lines = [
        "def pull(record, g, values, needed):",
        "    inputs, meta, shares = record.inputs, record.meta, []",
    ]
    if op.undeclared:
        lines.append("    refuse_undeclared(op)")
    elif op.joint_rule:
        names["rule"] = op.joint_rule.function
        asked = "[line is not None and line[0] in needed for line in inputs]"
        lines.append(JOINT.format(op.joint_rule.call("rule", {**places, "needed": asked})))
    else:
        for i, rule in enumerate(op.rules):
            if rule:
                names[f"rule{i}"] = rule.function
                lines.append(SHARE.format(i=i, value=rule.call(f"rule{i}", places)))
    write_out([*lines, "    return shares"], f"<the call of {op.name}, backwards>", names)
    return names["pull"]


def fitted(share, record: Record, i: int):
    """The share of the i-th input, summed to its shape where it was broadcast, and cast to its dtype."""
    source, k = cast("Line", record.inputs[i])
    shape = source.shapes[k]
    if share.shape != shape:
        share = unbroadcast(share, shape, *_axes(record, i, len(shape)))
    return _cast(share, source.dtypes[k])


def _axes(record: Record, i: int, ndim: int) -> tuple[int, tuple[int, ...]]:
    """How many core axes the i-th argument has, and the result's loop axes; none without a signature."""
    signature = record.op.signature
    if signature is None:
        return ndim, ()
    return len(signature.inputs[i]), record.shapes[0][: len(record.shapes[0]) - len(signature.outputs[0])]


def push(record: Record, tangents: Sequence, values: tuple) -> list:
    """The tangents of the outputs of `record`, from a tangent or None for each of its inputs."""
    op = record.op
    tangents, values = precise(record, tuple(tangents), values)
    if op.kind == "linear":
        z = _push_linear(record, tangents, values)
    elif op.kind == "bilinear":
        (dx, dy), (x, y), meta = tangents, values, _metadata(record)
        terms = [] if dx is None else [op.function(dx, y, **meta)]
        z = _total(terms if dy is None else [*terms, op.function(x, dy, **meta)])
    elif op.joint_push:
        z = op.joint_push(tangents, values, record.meta, None)
    elif op.pushing:
        z = _total(
            [
                rule(dx, values, record.meta, dx.shape)
                for rule, dx in zip(op.pushing, tangents, strict=True)
                if dx is not None
            ]
        )
    else:
        raise TypeError(f"{op.name} has no JVP: declare .jvp, or .partials or .linear, from which it follows")
    return [
        None if dz is None else _cast(dz if dz.shape == shape else np.broadcast_to(dz, shape), dtype)
        for dz, shape, dtype in zip(z if op.many else [z], record.shapes, record.dtypes, strict=True)
    ]


def _cast(x, dtype: np.dtype):
    return x if x.dtype == dtype else x.astype(dtype)


def _push_linear(record: Record, tangents: Sequence, values: tuple):
    """The op on the tangents; an argument without one is constant, and its tangent is zero."""
    op = record.op
    saved = dict(zip(op.reads, values, strict=True))
    if op.joint_rule:
        like = next(dx for dx in tangents if dx is not None)
        arrays = [
            backend.shaped(np.zeros_like, like, shape) if dx is None else dx
            for dx, shape in zip(tangents, saved["s"], strict=True)
        ]
    else:
        arrays = [
            saved[name] if rule is None else 0.0 if dx is None else dx
            for name, rule, dx in zip(op.arguments, op.rules, tangents, strict=False)
        ]
        arrays += saved[op.variadic] if op.variadic else ()
    return op.function(*arrays, **_metadata(record))


def _metadata(record: Record) -> dict[str, object]:
    return {p.name: value for p, value in zip(record.op.metadata, record.meta, strict=True)}


def _total(terms: list):
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
