"""Between devices: a move changes no element, so its gradient is the move back."""

from __future__ import annotations

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import primitive
from tinygrad_seq.engine.signature import example


@primitive(examples=[example("(a,b)", device="cpu", source="cpu"), example("()", device="cpu", source="cpu")])
def _move(x, /, device, source):
    """z = x, on `device` in the place of `source`"""
    return backend.asarray(x, device)


_move.linear(lambda g, device, source: _move(g, source, device))
_move.rides(device=lambda device: device)


def moved(x, device: str):
    """`x` on `device`, as `t.to(device)`."""
    source = x.device
    if backend.parse_device(device) == backend.parse_device(source):
        return x
    return _move(x, device, source)
