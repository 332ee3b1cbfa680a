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
from collections.abc import Iterable, Iterator
from types import FunctionType
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe, explain, refuse, refuse_mixed
from tinygrad_seq.engine.generated import write_out
from tinygrad_seq.engine.tape import Record, mode, next_serial, watchers
from tinygrad_seq.study.anomaly import look

if TYPE_CHECKING:
    from tinygrad_seq.engine.primitive import Primitive

# --- the arrays of a call -----------------------------------------------------------------------------


def operand(x, op: Primitive):
    """`x` as a forward function takes it: a number, or an array of numbers; lists become arrays."""
    if isinstance(x, (float, int)):
        return x
    if isinstance(x, (list, tuple)):
        x = array_of(x, op)
    if (isinstance(x, np.generic) or backend.is_array(x)) and x.dtype.kind in "fiub":
        return x
    raise TypeError(f"{op.name} takes tensors, arrays and numbers, not {describe(x)}")


def array_of(given: list | tuple, op: Primitive) -> np.ndarray:
    """A list of numbers, or of such lists, as an array."""
    if any(hasattr(part, "line") for part in given):
        raise TypeError(f"{op.name} takes no list of tensors: join them with stack or concatenate first")
    try:
        return np.asarray(given)
    except ValueError as error:  # ragged
        error.add_note(f"in {op.name}")
        raise


def immutable(x) -> bool:
    """Whether nobody can change the array: it and the owner of its memory are read-only, as op outputs are."""
    if not isinstance(x, np.ndarray) or x.flags.writeable:
        return False
    return x.base is None or (isinstance(x.base, np.ndarray) and not x.base.flags.writeable)


def keep(x, ours: bool = False):
    """A constant that a rule will read: if it is not `ours` it is copied if the caller can still change it."""
    return x if ours or immutable(x) or not backend.is_array(x) else frozen(backend.copy(x))


def frozen(array):
    """The array, read-only where its library can make it so."""
    if isinstance(array, np.ndarray):
        array.setflags(write=False)
    return array


def settle(op: Primitive, z, *sources: tuple):
    """A result made ready to be the data of a Tensor, and its buffer.

    Each of `sources` is an array, its buffer, and whether it is the caller's. A result that is a view of
    one (or is one) takes over its buffer; of the caller's memory it is a copy, since he may change it.
    """
    if not backend.is_array(z) and not isinstance(z, np.generic):
        z = np.asarray(z)[()]
    if z.dtype.kind not in "fiub":  # of Python's unbounded integers, say
        raise TypeError(f"a tensor holds floats, integers or booleans, not {describe(z)}")
    if isinstance(z, np.generic):
        return z, None
    if not isinstance(z, np.ndarray):
        of_one_device(op, sources)
    base = z.base
    for array, buffer, callers in sources:
        if z is array or (base is not None and (base is array or base is getattr(array, "base", None))):
            return frozen(backend.copy(z) if callers else z.view()), buffer
    return frozen(z), None


def of_one_device(op: Primitive, sources: tuple) -> None:
    """TypeError unless all that a result on a device was made of is there.

    CuPy takes some arrays of the host in silence. A number of the caller's is nowhere, but a Tensor is
    somewhere, even one that holds a scalar of NumPy's; unless it was made of numbers in the step of a scan.
    """
    given = [
        (x, i)
        for i, (x, _, callers) in enumerate(sources)
        if backend.is_array(x) or not (callers or mode.trace)
    ]
    refuse_mixed(op, given, len(sources))


def watch(op: Primitive, given: tuple, arrays: tuple, meta: tuple, out) -> None:
    """Note a call in the step of a scan that is being recorded; look at its values in anomaly mode."""
    if mode.trace is not None:
        mode.trace.note(op, given, arrays, meta, out)
    if mode.watching:
        look(op, arrays, meta, out)


# --- the call -----------------------------------------------------------------------------------------


def stub(op: Primitive) -> FunctionType:
    """The function of a primitive before its first call, which compiles it in place."""
    namespace: dict = {"finish": op.finish, "__name__": op.forward.__module__}
    text = f"def {op.name}(*args, **kwargs):\n    finish()\n    return function(*args, **kwargs)"
    exec(compile(text, f"<the call of {op.name}>", "exec"), namespace)
    function: FunctionType = namespace[op.name]
    namespace["function"] = function
    function.__doc__ = op.forward.__doc__
    function.__dict__["__signature__"] = inspect.signature(op.forward)
    return function


def specialise(op: Primitive) -> None:
    """Compile the call of `op` for its arguments, and put it into the function of `op`."""
    from tinygrad_seq.tensor.tensor import Tensor

    namespace = op.function.__globals__
    helpers = (operand, keep, settle, plain, explain, refuse, watch, Record, Tensor, isinstance)
    namespace.update({f"_{helper.__name__}": helper for helper in helpers})
    namespace.update({f"_default_{p.name}": p.default for p in op.metadata})
    namespace.update(_op=op, _forward=op.forward, _mode=mode, _watchers=watchers, _next_serial=next_serial)
    namespace.update(_new=object.__new__, _shape=np.shape, _ndarray=np.ndarray, _atoms=ATOMS, _scalars=SCALARS)
    write_out(source(op), f"<the call of {op.name}>", namespace)
    call, function = namespace["call"], op.function
    function.__defaults__, function.__kwdefaults__ = call.__defaults__, call.__kwdefaults__
    function.__code__ = call.__code__  # last: another thread may be calling


SCALARS = frozenset(np.dtype(code).type for code in "?bhilqBHILQefd")  # NumPy's 0-d results: no memory to share
ATOMS = frozenset({int, float, bool, str, type(None), slice, tuple, type})


def plain(value):
    """Metadata that nobody can change later, in forms that either library takes: of Python's own types.

    Lists and arrays become tuples.
    """
    if isinstance(value, (np.ndarray, np.integer, np.floating)):
        value = value.tolist()
    return tuple(map(plain, value)) if isinstance(value, (list, tuple)) else value


def source(op: Primitive) -> Iterator[str]:
    """The lines of the call.

    >>> import tinygrad_seq as ts
    >>> next(source(ts.sum.primitive))
    'def call(x, /, axis=_default_axis, *, keepdims=_default_keepdims, **_unknown):'
    """
    yield f"def call({_parameters(op)}):"
    if op.metadata:
        takes = _tuple(repr(p.name) for p in op.metadata)
        yield f"    if _unknown: _refuse({op.name!r}, {takes}, _unknown)"
    yield "    raw = True"
    for x in op.arguments:
        yield f"    if _isinstance({x}, _Tensor):"
        yield f"        {x}_, {x}_line, {x}_buffer, raw = {x}._data, {x}.line, {x}.buffer, False"
        yield f"    else: {x}_, {x}_line, {x}_buffer = _operand({x}, _op), None, None"
    if op.variadic:
        yield f"    tensors = [_isinstance(x, _Tensor) for x in {op.variadic}]"
        yield f"    rest = [x._data if t else _operand(x, _op) for x, t in zip({op.variadic}, tensors)]"
        yield f"    rest_lines = [x.line if t else None for x, t in zip({op.variadic}, tensors)]"
        yield f"    rest_buffers = [x.buffer if t else None for x, t in zip({op.variadic}, tensors)]"
        yield "    raw = raw and not any(tensors)"
    for p in op.metadata:
        yield f"    if {p.name}.__class__ not in _atoms: {p.name} = _plain({p.name})"
    arrays = [*(f"{x}_" for x in op.arguments), *(["*rest"] if op.variadic else [])]
    meta = [f"{p.name}={p.name}" if p.kind is p.KEYWORD_ONLY else p.name for p in op.metadata]
    yield f"    try: z = _forward({', '.join([*arrays, *meta])})"
    yield "    except Exception as error:"
    given = f"{_tuple(arrays)}, {_tuple(p.name for p in op.metadata)}"
    yield f"        _explain(_op, error, {given})"
    yield "        raise"
    yield "    if raw: return z"
    yield from _wrap(op)
    yield from _record(op)
    originals = _tuple([*op.arguments, *([f"*{op.variadic}"] if op.variadic else [])])
    yield f"    if _watchers: _watch(_op, {originals}, {given}, out)"
    yield "    return out"


def _wrap(op: Primitive) -> Iterator[str]:
    """Make `out` of z: a Tensor, or a tuple of them."""
    sources = "".join(f", ({x}_, {x}_buffer, {x}_ is {x})" for x in op.arguments)
    sources += ", *zip(rest, rest_buffers, [not t for t in tensors])" if op.variadic else ""
    if op.many:
        yield f"    z, buffer = zip(*[_settle(_op, part{sources}) for part in z]) if z else ((), ())"
        yield "    out = tuple([_Tensor(*part) for part in zip(z, (None,) * len(z), buffer)])"
        return
    own = "".join(f" and z is not {x}_" for x in op.arguments)
    yield f"    if z.__class__ is _ndarray and z.base is None{own}{' and not rest' if op.variadic else ''}:"
    yield "        z.setflags(False)"  # write; a keyword would take twice the time
    yield "        buffer = None"
    yield "    elif z.__class__ in _scalars: buffer = None"
    yield f"    else: z, buffer = _settle(_op, z{sources})"
    yield "    out = _new(_Tensor)"
    yield "    out._data, out.line, out.buffer = z, None, buffer"


def _record(op: Primitive) -> Iterator[str]:
    """Put `out` on the tape if an argument that has a rule is on it."""
    ruled = [x for x, rule in zip(op.arguments, op.rules, strict=False) if rule]
    on_tape = [f"{x}_line is not None" for x in ruled] + (["any(rest_lines)"] if op.joint_rule else [])
    if not on_tape:
        return
    inputs = [f"{x}_line" if x in ruled else "None" for x in op.arguments]
    if op.variadic:
        inputs.append("*rest_lines" if op.joint_rule else "*[None] * len(rest)")
    saved, buffers = [], []
    for name in op.reads:
        if name == "s":
            value, buffer = "tuple(map(_shape, rest))", "None"
        elif name == op.variadic:
            value = "tuple(map(_keep, rest, tensors))"
            buffer = "(tuple(rest_buffers) if any(rest_buffers) else None)"
        elif name == "z":
            value, buffer = "z", "buffer"
        else:  # an array of the caller's is copied, if he can still change it
            value, buffer = f"({name}_ if {name}_ is not {name} else _keep({name}_))", f"{name}_buffer"
        readers = [f"{x}_line is not None" for x in ruled if x in op.readers[name]]
        saved.append(value if len(readers) == len(ruled) else f"{value} if {' or '.join(readers)} else None")
        buffers.append(buffer)
    yield f"    if _mode.recording and ({' or '.join(on_tape)}):"
    yield "        record = _new(_Record)"
    yield "        record.op, record.serial = _op, _next_serial()"
    yield f"        record.inputs = {_tuple(inputs)}"
    yield f"        record.meta = {_tuple(p.name for p in op.metadata)}"
    yield f"        record.saved = {_tuple(saved)}"
    owned = " or ".join(f"{buffer} is not None" for buffer in dict.fromkeys(buffers) if buffer != "None")
    yield f"        record.buffers = ({_tuple(buffers)} if {owned or False} else ())"
    if op.many:
        yield "        record.shapes = tuple([part.shape for part in z])"
        yield "        record.dtypes = tuple([part.dtype for part in z])"
        yield "        for i, t in enumerate(out): t.line = (record, i)"
    else:
        yield "        record.shapes, record.dtypes = (z.shape,), (z.dtype,)"
        yield "        out.line = (record, 0)"


def _parameters(op: Primitive) -> str:
    """The parameter list: the forward function's own, and a net for metadata that it does not have."""
    parts = [*op.arguments, *(["/"] if op.arguments else []), *([f"*{op.variadic}"] if op.variadic else [])]
    star = not op.variadic
    for p in op.metadata:
        if star and p.kind is p.KEYWORD_ONLY:
            parts, star = [*parts, "*"], False
        parts.append(p.name if p.default is p.empty else f"{p.name}=_default_{p.name}")
    return ", ".join([*parts, *(["**_unknown"] if op.metadata else [])])


def _tuple(parts: Iterable[str]) -> str:
    return "(" + "".join(f"{part}, " for part in parts) + ")"
