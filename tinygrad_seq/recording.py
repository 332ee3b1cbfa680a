"""How a call of a primitive becomes a line of the tape.

Every primitive gets a function of its own, written out for its arguments from the template below and
compiled at its first call: unwrapping, recording and wrapping then cost no loop, no `*args` and no
lookup, about a third less time per call than one general function. What it does, for multiply(x, y):

    take the arrays out of the Tensors; without any Tensor, raw in means raw out
    z = forward(x, y)
    flag z read-only: Tensors are values
    if x or y is on the tape: make the Record, keeping only what the rules that can run will read
"""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Iterator
from types import FunctionType
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_seq import backend
from tinygrad_seq.tape import Buffer, Line, Record, mode, next_serial

if TYPE_CHECKING:
    from tinygrad_seq.primitive import Primitive
    from tinygrad_seq.tensor import Tensor

# --- the arrays of a call -----------------------------------------------------------------------------


def operand(x):
    """`x` as a forward function takes it: an array or a number; anything else is an error."""
    if x.__class__ is np.ndarray or isinstance(x, (float, int, np.generic)) or backend.is_array(x):
        return x
    if isinstance(x, (list, tuple)):
        if any(hasattr(part, "line") for part in x):
            raise TypeError("a list of tensors is no operand: join them with stack or concatenate first")
        return np.asarray(x)
    raise TypeError(f"expected a tensor, an array or a number, not {describe(x)}")


def keep(x):
    """A constant array that a rule will read: copied unless nobody can change it."""
    if not isinstance(x, np.ndarray):
        return backend.copy(x) if backend.is_array(x) else x
    base = x.base
    if not x.flags.writeable and (base is None or (isinstance(base, np.ndarray) and not base.flags.writeable)):
        return x
    x = x.copy()
    x.setflags(write=False)
    return x


def shared(z, *sources: tuple[object, Buffer | None]) -> Buffer | None:
    """The buffer of the source that `z` is a view of, if it has one."""
    for array, buffer in sources:
        if buffer is not None and z.base is (array if array.base is None else array.base):
            return buffer
    return None


def settle(z, *sources: tuple[object, Buffer | None]):
    """A result made ready to be the data of a Tensor, and its buffer."""
    if isinstance(z, np.ndarray):
        if any(z is array for array, _ in sources):
            z = z.view()
        z.setflags(write=False)
    elif not backend.is_array(z):
        return (z if isinstance(z, np.generic) else np.asarray(z)[()]), None
    return z, (None if z.base is None else shared(z, *sources))


def handle(value, line: Line | None, buffer: Buffer | None):
    """A saved value as the Tensor that it was, so that a rule can be recorded; constants stay arrays."""
    from tinygrad_seq.tensor import Tensor

    return value if line is None and buffer is None else Tensor(value, line, buffer)


def changed_since(serial: int, buffer: Buffer | tuple) -> bool:
    """Whether the memory of a saved value changed after the record of that serial was made."""
    if isinstance(buffer, tuple):
        return any(b is not None and changed_since(serial, b) for b in buffer)
    return buffer.stamp > serial


# --- words for errors ---------------------------------------------------------------------------------


def describe(x: object) -> str:
    """A value in an error message: float32[3,4] for arrays, the type for anything else."""
    if hasattr(x, "dtype") and hasattr(x, "shape"):
        return f"{x.dtype}[{','.join(map(str, x.shape))}]"
    return f"{type(x).__name__} {x!r:.40}"


def explain(op: Primitive, error: Exception, arrays: tuple, meta: tuple) -> None:
    """Add to `error` what was called with what, and where the signature tells, why it cannot work."""
    names = [*op.arguments, *(f"{op.variadic}[{i}]" for i in range(len(arrays) - len(op.arguments)))]
    given = [f"{name}: {describe(array)}" for name, array in zip(names, arrays, strict=True)]
    given += [f"{p.name}={value!r}" for p, value in zip(op.metadata, meta, strict=True)]
    reason = op.signature and op.signature.mismatch(names, [np.shape(array) for array in arrays])
    error.add_note(f"in {op.name}({', '.join(given)})" + (f": {reason}" if reason else ""))


def refuse(op: Primitive, unknown: dict[str, object]) -> None:
    """Metadata that the op does not have; habits from PyTorch get a translation."""
    habits = {"dim": "axis", "dim0": "axis1", "dim1": "axis2", "keepdim": "keepdims", "dims": "axes"}
    hints = [f"{name} is called {habits[name]} here, as in NumPy" for name in unknown if name in habits]
    takes = ", ".join(p.name for p in op.metadata)
    raise TypeError(
        f"{op.name} has no argument {', '.join(unknown)}; besides arrays it takes {takes}"
        + "".join(f"; {hint}" for hint in hints)
    )


# --- the call -----------------------------------------------------------------------------------------


def stub(op: Primitive) -> FunctionType:
    """The function of a primitive before its first call, which compiles it in place."""
    namespace = {"finish": op.finish, "__name__": op.forward.__module__}
    exec(f"def {op.name}(*args, **kwargs):\n    finish()\n    return function(*args, **kwargs)", namespace)
    function = namespace["function"] = namespace[op.name]
    function.__doc__ = op.forward.__doc__
    function.__signature__ = inspect.signature(op.forward)
    return function


def specialise(op: Primitive) -> None:
    """Compile the call of `op` for its arguments, and put it into the function of `op`."""
    from tinygrad_seq.tensor import Tensor

    text = "\n".join(source(op)) + "\n"
    filename = f"<the call of {op.name}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)  # debuggers show it
    namespace = op.function.__globals__
    helpers = (operand, keep, shared, settle, plain, explain, refuse, Record, Tensor, isinstance)
    namespace.update({f"_{helper.__name__}": helper for helper in helpers})
    namespace.update({f"_default_{p.name}": p.default for p in op.metadata})
    namespace.update(_op=op, _forward=op.forward, _mode=mode, _next_serial=next_serial)
    namespace.update(_new=object.__new__, _shape=np.shape, _ndarray=np.ndarray, _atoms=ATOMS)
    exec(compile(text, filename, "exec"), namespace)
    compiled = namespace["call"]
    function = op.function
    function.__code__ = compiled.__code__
    function.__defaults__, function.__kwdefaults__ = compiled.__defaults__, compiled.__kwdefaults__


ATOMS = frozenset({int, float, bool, str, type(None), slice, tuple, type})


def plain(value):
    """Metadata that nobody can change later: lists and arrays become tuples."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return tuple(map(plain, value)) if isinstance(value, (list, tuple)) else value


def source(op: Primitive) -> Iterator[str]:
    """The lines of the call."""
    slots = [*op.arguments, *([f"*{op.variadic}"] if op.variadic else [])]
    arrays = ", ".join(f"{slot}_" for slot in slots)
    meta = [p.name for p in op.metadata]
    passed = [f"{p.name}={p.name}" if p.kind is p.KEYWORD_ONLY else p.name for p in op.metadata]
    pairs = "".join(f", ({name}_, {name}_buffer)" for name in op.arguments)
    ruled = [name for name, rule in zip(op.arguments, op.rules, strict=False) if rule]
    lines = [f"{name}_line" if name in ruled else "None" for name in op.arguments]
    on_tape = [f"{name}_line is not None" for name in ruled]
    if op.variadic:
        lines.append(f"*{op.variadic}_lines" if op.joint else f"*[None] * len({op.variadic})")
        on_tape += [f"any({op.variadic}_lines)"] if op.joint else []

    yield f"def call({_parameters(op, slots)}):"
    if meta:
        yield "    if _unknown: _refuse(_op, _unknown)"
    yield "    raw = True"
    for x in op.arguments:
        yield f"    if _isinstance({x}, _Tensor): {x}_, {x}_line, {x}_buffer, raw = {x}._data, {x}.line, {x}.buffer, False"
        yield f"    else: {x}_, {x}_line, {x}_buffer = _operand({x}), None, None"
    if x := op.variadic:
        yield f"    {x}_ = [a._data if _isinstance(a, _Tensor) else _operand(a) for a in {x}]"
        yield f"    {x}_lines = [a.line if _isinstance(a, _Tensor) else None for a in {x}]"
        yield f"    raw = raw and not any([_isinstance(a, _Tensor) for a in {x}])"
    yield f"    try: z = _forward({', '.join([arrays, *passed])})"
    yield "    except Exception as error:"
    yield f"        _explain(_op, error, ({arrays},), ({''.join(f'{name}, ' for name in meta)}))"
    yield "        raise"
    yield "    if raw: return z"
    if op.many:
        yield f"    z, buffer = zip(*[_settle(part{pairs}) for part in z]) if z else ((), ())"
        yield "    out = tuple([_new(_Tensor) for part in z])"
        yield "    for t, part, b in zip(out, z, buffer): t._data, t.line, t.buffer = part, None, b"
    else:
        mine = " or ".join(f"z is {name}_" for name in op.arguments) or "True"
        yield f"    if z.__class__ is not _ndarray or {mine}: z, buffer = _settle(z{pairs})"
        yield "    else:"
        yield "        z.setflags(write=False)"
        yield f"        buffer = None if z.base is None else _shared(z{pairs})"
        yield "    out = _new(_Tensor)"
        yield "    out._data, out.line, out.buffer = z, None, buffer"
    if on_tape:
        yield f"    if _mode.recording and ({' or '.join(on_tape)}):"
        yield "        record = _new(_Record)"
        yield "        record.op = _op"
        yield f"        record.inputs = ({', '.join(lines)},)"
        yield f"        record.meta = ({''.join(f'{m} if {m}.__class__ in _atoms else _plain({m}), ' for m in meta)})"
        yield f"        record.saved = ({''.join(f'{_saved(op, name, ruled)}, ' for name in op.reads)})"
        places = {"z": "buffer", "s": "None", op.variadic: "None"}
        buffers = [places.get(name, f"{name}_buffer") for name in op.reads]
        yield f"        record.buffers = ({''.join(f'{buffer}, ' for buffer in buffers)})"
        yield "        record.serial = _next_serial()"
        if op.many:
            yield "        record.shapes, record.dtypes = tuple([part.shape for part in z]), tuple([part.dtype for part in z])"
            yield "        for i, t in enumerate(out): t.line = (record, i)"
        else:
            yield "        record.shapes, record.dtypes = (z.shape,), (z.dtype,)"
            yield "        out.line = (record, 0)"
    yield "    return out"


def _parameters(op: Primitive, slots: list[str]) -> str:
    """The parameter list: the forward function's own, and a net for metadata that it does not have."""
    parts = [*op.arguments, *(["/"] if op.arguments else []), *slots[len(op.arguments) :]]
    star = not op.variadic
    for p in op.metadata:
        if star and p.kind is p.KEYWORD_ONLY:
            parts, star = [*parts, "*"], False
        parts.append(p.name if p.default is p.empty else f"{p.name}=_default_{p.name}")
    return ", ".join([*parts, *(["**_unknown"] if op.metadata else [])])


def _saved(op: Primitive, name: str, ruled: list[str]) -> str:
    """The expression for a saved value: None if no rule that reads it can run, a copy if it could change."""
    if name == "s":
        return f"tuple(map(_shape, {op.variadic}_))"
    if name == op.variadic:
        return f"tuple(map(_keep, {name}_))"
    value = "z" if name == "z" else f"({name}_ if {name}_ is not {name} else _keep({name}_))"
    readers = [f"{x}_line is not None" for x in ruled if x in op.readers[name]]
    return value if len(readers) == len(ruled) else f"{value} if {' or '.join(readers)} else None"
