"""The pointers of the function of a loop: what each one points to, and what all loops of a source share."""

from __future__ import annotations

from typing import NamedTuple

from tinygrad_seq.scan.c.products import Product as Kernel


class Slot(NamedTuple):
    """What one pointer of the function points to.

    kind   "constant", "input", "carry", "stack", "total"; "panels": packed constants, which all threads read;
           "scratch": memory of one thread; "matrix": a constant in any layout, whose stride is that of its
           rows, in elements; "columns": the stride of its columns alone
    value  the number of the value, or of the carry; of scratch memory and panels, which of them it is
    size   bytes, of scratch memory and of panels
    """

    kind: str
    value: int = 0
    size: int = 0

    @property
    def given(self) -> bool:
        """Whether the caller gives the memory."""
        return self.kind in ("input", "constant", "matrix", "columns")


class Shared:
    """What all loops of one source share: slots, kernels, and the names that are taken."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self.kernels: dict[Kernel, None] = {}  # in the order in which they are met
        self.taken: set[str] = set()
        self.loops = 0

    def slot(self, slot: Slot) -> int:
        """The index of a slot."""
        if slot not in self.slots:
            self.slots.append(slot)
        return self.slots.index(slot)
