"""The C source of a loop: one function that runs steps, with one loop nest for every group.

    for (; step < steps; step++) {
        const float *restrict x_at = (const float *) (pointers[3] + step * strides[3]);
        float *restrict h_at = (float *) (pointers[4] + (step + 1) * strides[4]);
        ...
        product_10_128_512_f32(1, h_prev_at, 128, 1, panels1, t2_at, 512);
        for (int k0 = 0; k0 < 10; k0++) {
            for (int k1 = 0; k1 < 128; k1++) {
                const float sigmoid_i = sigmoid_(a_i);
                const float c = t3 + t4;
                c_at[128 * k0 + k1] = c;

The caller passes a pointer for every `Slot`, and the bytes by which it moves at every step. If the batch is
split, a call computes some of its blocks: those that begin where the pointers point.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tinygrad_seq.scan.c.expressions import ctype
from tinygrad_seq.scan.c.nest import indented
from tinygrad_seq.scan.c.products import PREAMBLE, functions
from tinygrad_seq.scan.c.products import Product as Kernel
from tinygrad_seq.scan.c.slots import Shared, Slot
from tinygrad_seq.scan.c.steps import Loop
from tinygrad_seq.scan.groups.assignments import Access
from tinygrad_seq.scan.groups.grouping import Grouped
from tinygrad_seq.scan.groups.maps import contiguous

HEADER = Path(__file__).with_name("elementary.h").read_text(encoding="utf-8")
INDICES = """
#include <float.h>

/* The elements of a vector of float, but no more than n. */
#define LANES(n) ((n) < VECTOR_BYTES / 4 ? (n) : VECTOR_BYTES / 4)

/* The index i of an axis of length n; negative ones count from the end. If there is none: 0, and wrong. */
static inline __attribute__((unused)) int64_t index_of(int64_t i, int64_t n, int *wrong)
{
    const int64_t found = i < 0 ? i + n : i;
    const int right = found >= 0 && found < n;
    *wrong |= !right;
    return right ? found : 0;
}
"""


class Source(NamedTuple):
    """C text, the names of its functions, and the meaning of their pointers.

    before    the functions that the loop calls: products, and what packs constants
    function  the function that runs steps, for a number of blocks
    name      its name
    slots     the meaning of the pointers
    pack      the name of the function that packs constants, which is called before; None if there are none
    """

    before: str
    function: str
    name: str
    slots: tuple[Slot, ...]
    pack: str | None

    @property
    def text(self) -> str:
        """The whole text; most of it is the same for all loops."""
        return "\n".join([HEADER, PREAMBLE, INDICES, self.before, self.function, ""])


def source(made: Grouped, name: str) -> Source:
    """The source of a loop whose function is called `name`."""
    shared = Shared()
    loop = Outermost(made, shared)
    body = list(loop.steps())
    arguments = "char *const *pointers, const int64_t *strides"
    pack = f"{name}_pack" if loop.packing else None
    packing = [f"void {pack}({arguments})", "{", *indented(loop.packing), "}", ""]
    before = "\n".join([functions(shared.kernels), *(packing if pack else [])])
    lines = [
        f"int64_t {name}({arguments}, int64_t blocks, int64_t step, int64_t steps)",
        "{",
        *indented(loop.once),
        *(["    int wrong = 0;"] if any("&wrong" in line for line in body) else []),
        "    for (; step < steps; step++) {",
        *indented(body, 2),
        "    }",
        "    return step;",
        "}",
    ]
    return Source(before, "\n".join(lines), name, tuple(shared.slots), pack)


class Outermost(Loop):
    """The loop of the function, whose memory the caller gives."""

    def __init__(self, made: Grouped, shared: Shared) -> None:
        super().__init__(made, shared)
        self.packing: list[str] = []  # before the calls that run steps
        used, loop, given = self.read(), self.given.program, self.given
        written = {v for item in self._items() for v in item.written}
        for v in loop.constants:
            if v in used:
                self._constant(v)
        for v in loop.inputs:
            if v in used:
                self.each.append(self.pointer(v, self._moving(Slot("input", v)), const=True))
        homes = {holder: Slot("stack", v) for v, holder in given.kept.items()}
        homes |= {total: Slot("total", v) for v, total in given.totals.items()}
        pairs = zip(loop.carries, given.carries, made.wide, strict=True)
        for j, ((before, _), after, wide) in enumerate(pairs):
            row, later = ("step", "(step + 1)") if wide else ("(step & 1)", "((step + 1) & 1)")
            if before in used:
                self.each.append(self.pointer(before, self._moving(Slot("carry", j), row), const=True))
            self.each.append(self.pointer(after, self._moving(Slot("carry", j), later)))
            homes.pop(before, None)
            homes.pop(after, None)
        for v, slot in homes.items():
            if slot.kind == "stack":
                self.each.append(self.pointer(v, self._moving(slot)))
            else:
                self.once.append(self.pointer(v, f"pointers[{shared.slot(slot)}]"))
        if made.size:
            k = shared.slot(Slot("scratch", size=made.size))
            self.once += [
                self.pointer(v, f"pointers[{k}] + {at}") for v, at in made.scratch.items() if v in written
            ]

    def _moving(self, slot: Slot, step: str = "step") -> str:
        k = self.shared.slot(slot)
        return f"pointers[{k}] + {step} * strides[{k}]"

    def _constant(self, v: int) -> None:
        address = f"pointers[{self.shared.slot(Slot('constant', v))}]"
        kind = ctype(self.given.values[v].dtype)
        if self.given.shape(v):
            self.once.append(self.pointer(v, address, const=True))
        else:
            self.once.append(f"const {kind} {self.names[v]} = *(const {kind} *) {address};")

    def whole(self, access: Access) -> bool:
        shape = self.given.shape(access.value)
        return self.fixed(access.value) and len(shape) == 2 and access.map == contiguous(shape)

    def fixed(self, v: int) -> bool:
        return v in self.given.program.constants

    def room(self, use: str, kernel: Kernel, kind: str) -> tuple[str, str]:
        size = kernel.panels * {"float": 4, "double": 8}[kind]
        count = 1 + sum(slot.size > 0 for slot in self.shared.slots)
        address = f"({kind} *) pointers[{self.shared.slot(Slot(use, count, size))}]"
        self.once.append(f"{kind} *restrict panels{count} = {address};")
        return f"panels{count}", address

    def _packed(self, kernel: Kernel, b: Access) -> str:
        kind = self.kind(b)
        panels, address = self.room("panels", kernel, kind)
        if self.whole(b):
            k, columns = (self.shared.slot(Slot(name, b.value)) for name in ("matrix", "columns"))
            matrix = f"(const {kind} *) pointers[{k}], strides[{k}], strides[{columns}]"
        else:
            k, (row, column) = self.shared.slot(Slot("constant", b.value)), b.map.strides
            matrix = f"(const {kind} *) pointers[{k}] + {b.map.offset}, {row}, {column}"
        self.packing.append(f"pack_{kernel.name}({matrix}, {address});")
        return panels
