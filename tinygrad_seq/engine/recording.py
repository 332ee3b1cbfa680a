"""How a call of a primitive becomes a line of the tape.

Every primitive gets its own function, whose source is generated for its arguments and compiled at the first
call. Unwrapping, recording and wrapping then need no loop, no `*args` and no lookup, so a call takes about a
third less time than with one general function. The steps, for multiply(x, y):

    take the arrays out of the Tensors
    z = forward(x, y); if no argument was a Tensor, return z
    make z read-only: Tensors are values
    if x or y is on the tape: make the Record, which keeps only the arrays that rules will read
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.declaration import Declaration
from tinygrad_seq.engine.errors import describe, explain, refuse, refuse_mixed, refuse_undeclared
from tinygrad_seq.engine.generated import write_out
from tinygrad_seq.engine.mode import mode, observed
from tinygrad_seq.engine.record import Handle, Record, next_serial

# --- the arrays of a call -----------------------------------------------------------------------------


def operand(x, op: Declaration):
    """`x` as forward functions accept it: a number or an array of numbers; lists become arrays."""
    if isinstance(x, (float, int)):
        return x
    if isinstance(x, (list, tuple)):
        x = array_of(x, op)
    if (isinstance(x, np.generic) or backend.is_array(x)) and x.dtype.kind in "fiub":
        return x
    foreign = hasattr(x, "__array__") and not (backend.is_array(x) or isinstance(x, np.generic))
    what = f"a {type(x).__name__}: give its values, as in np.asarray(x)" if foreign else describe(x)
    raise TypeError(f"{op.name} takes tensors, arrays and numbers, not {what}")


def array_of(given: list | tuple, op: Declaration) -> np.ndarray:
    """A list of numbers, or of such lists, as an array."""
    if any(hasattr(part, "line") for part in given):
        raise TypeError(f"{op.name} does not take a list of tensors: join them with stack or concatenate first")
    try:
        return np.asarray(given)
    except ValueError as error:  # ragged
        error.add_note(f"in {op.name}")
        raise


def immutable(x) -> bool:
    """Whether the array cannot change: it and the owner of its memory are read-only, as results of ops are."""
    if not isinstance(x, np.ndarray) or x.flags.writeable:
        return False
    return x.base is None or (isinstance(x.base, np.ndarray) and not x.base.flags.writeable)


def keep(x, ours: bool = False):
    """A constant that a rule will read: a copy, if it is not `ours` and the caller could still change it."""
    return x if ours or immutable(x) or not backend.is_array(x) else frozen(backend.copy(x))


def frozen(array: np.ndarray) -> np.ndarray:
    """The array, made read-only if its library can."""
    if isinstance(array, np.ndarray):
        array.setflags(write=False)
    return array


def settle(op: Declaration, z, *sources: tuple):
    """A result in a form that a Tensor can hold, and its buffer.

    Each of `sources` is an argument's array, its buffer, and whether it is the caller's own array. A result
    that is a view of an argument, or the argument itself, shares its buffer; a view of the caller's memory is
    copied, since the caller may change it.
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


def of_one_device(op: Declaration, sources: tuple) -> None:
    """TypeError unless all arguments of a result on a device are on that device.

    CuPy accepts some host arrays without a word. The caller's numbers are on no device, but a Tensor always is,
    even if it holds a NumPy scalar; except one computed from numbers in the step of a scan.
    """
    given = [
        (x, i)
        for i, (x, _, callers) in enumerate(sources)
        if backend.is_array(x) or not (callers or mode.trace)
    ]
    refuse_mixed(op, given, len(sources))


def notify(op: Declaration, given: tuple, arrays: tuple, meta: tuple, out) -> None:
    """Tell the trace of a step and the watchers of this thread of a call."""
    if mode.trace is not None:
        mode.trace.called(op, given, arrays, meta, out)
    for watcher in mode.watchers:
        watcher.called(op, given, arrays, meta, out)


# --- the call -----------------------------------------------------------------------------------------


# the code of a first call, compiled once: each stub gets a copy with its own name
FIRST: CodeType = eval("lambda *args, **kwargs: (finish(), function(*args, **kwargs))[1]").__code__


def stub(op: Declaration, finish: Callable[[], None]) -> FunctionType:
    """The function of a primitive before its first call, when `finish` compiles it in place."""
    file = f"<the call of {op.name}>"
    namespace: dict = {"finish": finish, "__name__": op.forward.__module__}
    function = FunctionType(
        FIRST.replace(co_name=op.name, co_qualname=op.name, co_filename=file), namespace, op.name
    )
    namespace["function"] = function
    function.__doc__ = op.forward.__doc__
    function.__dict__["__signature__"] = op.accepts
    return function


def specialise(op: Declaration) -> None:
    """Compile the call of `op` for its arguments, and put the code into the function of `op`."""
    namespace = op.function.__globals__
    helpers = (
        operand,
        keep,
        frozen,
        settle,
        plain,
        explain,
        refuse,
        refuse_undeclared,
        notify,
        Record,
        isinstance,
    )
    namespace.update({f"_{helper.__name__}": helper for helper in helpers})
    namespace.update({f"_default_{p.name}": p.default for p in op.metadata})
    namespace.update(_op=op, _forward=op.forward, _keeping=op.keeping)
    namespace.update(_mode=mode, _observed=observed, _next_serial=next_serial)
    namespace.update(_Tensor=Handle.result)
    namespace.update(_new=object.__new__, _shape=np.shape, _ndarray=np.ndarray, _atoms=ATOMS, _scalars=SCALARS)
    write_out(source(op), f"<the call of {op.name}>", namespace)
    call, function = namespace["call"], op.function
    function.__defaults__, function.__kwdefaults__ = call.__defaults__, call.__kwdefaults__
    function.__code__ = call.__code__  # last, since another thread may be calling


SCALARS = frozenset(
    np.dtype(code).type for code in "?bhilqBHILQefd"
)  # NumPy's 0-d results, which share no memory
ATOMS = frozenset({int, float, bool, str, type(None), slice, tuple, type})


def plain(value):
    """Metadata as immutable Python values, which NumPy and CuPy accept: lists, arrays, Tensors become tuples.

    It is an error that the value of a Tensor cannot be read while a step is recorded.
    """
    if isinstance(value, Handle):
        value = value.numpy()  # type: ignore[attr-defined]
    if isinstance(value, (np.ndarray, np.integer, np.floating)):
        value = value.tolist()
    return tuple(map(plain, value)) if isinstance(value, (list, tuple)) else value


def source(op: Declaration) -> Iterator[str]:
    """The source lines of the call.

    >>> import tinygrad_seq as ts
    >>> next(source(ts.argmax.primitive))
    'def call(x, /, axis=_default_axis, *, keepdims=_default_keepdims, **_unknown):'
    """
    yield f"def call({_parameters(op)}):"
    if op.metadata:
        takes = _tuple(repr(p.name) for p in op.metadata)
        yield f"    if _unknown: _refuse({op.name!r}, {takes}, _unknown)"
    yield "    raw = True"
    for x in op.arguments:
        yield f"    if _isinstance({x}, _Tensor):"
        yield f"        {x}_, {x}_line, {x}_buffer, raw = {x}._array, {x}.line, {x}.buffer, False"
        yield f"    else: {x}_, {x}_line, {x}_buffer = _operand({x}, _op), None, None"
    if op.variadic:
        yield f"    tensors = [_isinstance(x, _Tensor) for x in {op.variadic}]"
        yield f"    rest = [x._array if t else _operand(x, _op) for x, t in zip({op.variadic}, tensors)]"
        yield f"    rest_lines = [x.line if t else None for x, t in zip({op.variadic}, tensors)]"
        yield f"    rest_buffers = [x.buffer if t else None for x, t in zip({op.variadic}, tensors)]"
        yield "    raw = raw and not any(tensors)"
    for p in op.metadata:
        yield f"    if {p.name}.__class__ not in _atoms: {p.name} = _plain({p.name})"
    arrays = [*(f"{x}_" for x in op.arguments), *(["*rest"] if op.variadic else [])]
    meta = [f"{p.name}={p.name}" if p.kind is p.KEYWORD_ONLY else p.name for p in op.metadata]
    values = f"({', '.join([*arrays, *meta])})"
    if op.keeping:
        yield f"    try: z, kept = _keeping{values} if {_recorded(op)} else (_forward{values}, None)"
    else:
        yield f"    try: z = _forward{values}"
    yield "    except Exception as error:"
    given = f"{_tuple(arrays)}, {_tuple(p.name for p in op.metadata)}"
    yield f"        _explain(_op, error, {given})"
    yield "        raise"
    yield "    if raw: return z"
    yield from _wrap(op)
    yield from _record(op)
    originals = _tuple([*op.arguments, *([f"*{op.variadic}"] if op.variadic else [])])
    yield f"    if _observed: _notify(_op, {originals}, {given}, out)"
    yield "    return out"


def _wrap(op: Declaration) -> Iterator[str]:
    """The lines that make `out` from z: a Tensor, or a tuple of Tensors."""
    sources = "".join(f", ({x}_, {x}_buffer, {x}_ is {x})" for x in op.arguments)
    sources += ", *zip(rest, rest_buffers, [not t for t in tensors])" if op.variadic else ""
    if op.keeping:
        yield "    z, buffer = tuple([_frozen(part) for part in z]), (None,) * len(z)"
        yield "    out = tuple([_Tensor(part) for part in z])"
        return
    if op.many:
        yield f"    z, buffer = zip(*[_settle(_op, part{sources}) for part in z]) if z else ((), ())"
        yield "    out = tuple([_Tensor(*part) for part in zip(z, (None,) * len(z), buffer)])"
        return
    own = "".join(f" and z is not {x}_" for x in op.arguments)
    yield f"    if z.__class__ is _ndarray and z.base is None{own}{' and not rest' if op.variadic else ''}:"
    yield "        z.setflags(False)"  # write=False; a keyword would take twice the time
    yield "        buffer = None"
    yield "    elif z.__class__ in _scalars: buffer = None"
    yield f"    else: z, buffer = _settle(_op, z{sources})"
    yield "    out = _new(_Tensor)"
    yield "    out._array, out.line, out.buffer = z, None, buffer"


def _record(op: Declaration) -> Iterator[str]:
    """The lines that put `out` on the tape if an argument that has a rule is on it."""
    if op.undeclared:  # in the step of a scan, what is on the tape is known when the loop is differentiated
        lines = [f"{x}_line is not None" for x in op.arguments] + (["any(rest_lines)"] if op.variadic else [])
        yield f"    if _mode.recording and _mode.trace is None and ({' or '.join(lines)}):"
        yield "        _refuse_undeclared(_op)"
        return
    if op.variadic and op.rules:  # no rule covers the variadic arguments, which are indices, say
        yield "    if any(rest_lines) and _mode.recording:"
        yield "        if any([x.dtype.kind == 'f' for x, line in zip(rest, rest_lines) if line is not None]):"
        yield "            _refuse_undeclared(_op)"
    if not (recorded := _recorded(op)):
        return
    ruled = _ruled(op)
    inputs = [f"{x}_line" if x in ruled else "None" for x in op.arguments]
    if op.variadic:
        inputs.append("*rest_lines" if op.joint_rule else "*[None] * len(rest)")
    saved, buffers = [], []
    for name in op.reads:
        if name == "s":
            shapes = _tuple([*(f"{x}_" for x in op.arguments), *(["*rest"] if op.variadic else [])])
            value, buffer = f"tuple(map(_shape, {shapes}))", "None"
        elif name == op.variadic:
            value = "tuple(map(_keep, rest, tensors))"
            buffer = "(tuple(rest_buffers) if any(rest_buffers) else None)"
        elif name == "z":
            value, buffer = "z", "buffer"
        elif name == "kept":
            value, buffer = "kept", "None"
        else:  # the caller's own array is copied, if the caller can still change it
            value, buffer = f"({name}_ if {name}_ is not {name} else _keep({name}_))", f"{name}_buffer"
        readers = [f"{x}_line is not None" for x in ruled if x in op.readers[name]]
        saved.append(value if len(readers) == len(ruled) else f"{value} if {' or '.join(readers)} else None")
        buffers.append(buffer)
    traced = "_observed and _mode.trace is not None"  # then the trace makes the record
    yield f"    if not ({traced}) and {recorded}:"
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
        yield "        for _i, _t in enumerate(out):"
        yield "            if _t.dtype.kind == 'f': _t.line = (record, _i)"
    else:
        yield "        record.shapes, record.dtypes = (z.shape,), (z.dtype,)"
        yield "        out.line = (record, 0)"


def _ruled(op: Declaration) -> list[str]:
    """The arguments that have a rule."""
    return [x for x, on in zip(op.arguments, op.differentiable(len(op.arguments)), strict=True) if on]


def _recorded(op: Declaration) -> str:
    """The condition for a record: an argument that has a rule is on the tape. Empty if none has."""
    on_tape = [f"{x}_line is not None" for x in _ruled(op)]
    on_tape += ["any(rest_lines)"] if op.joint_rule and op.variadic else []
    return f"_mode.recording and ({' or '.join(on_tape)})" if on_tape else ""


def _parameters(op: Declaration) -> str:
    """The parameter list: that of the forward function, and one more that collects unknown keywords."""
    parts = [*op.arguments, *(["/"] if op.arguments else []), *([f"*{op.variadic}"] if op.variadic else [])]
    star = not op.variadic
    for p in op.metadata:
        if star and p.kind is p.KEYWORD_ONLY:
            parts, star = [*parts, "*"], False
        parts.append(p.name if p.default is p.empty else f"{p.name}=_default_{p.name}")
    return ", ".join([*parts, *(["**_unknown"] if op.metadata else [])])


def _tuple(parts: Iterable[str]) -> str:
    return "(" + "".join(f"{part}, " for part in parts) + ")"
