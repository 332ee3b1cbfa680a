"""Matrix products inside a loop over time, as C: c = a b with fixed sizes, in float or double.

A matrix b that is the same for all steps is packed once per run of the loop, from any strides, so a transposed
weight needs no copy. A matrix that changes at every step is read where it is: packing it for one product takes
longer than it saves. `products.h` says how a product is computed. One text serves all machines, because the
preprocessor chooses the size of vectors and tiles (`vectors.h`).

Each element of c is one sum over k in ascending order, whatever the number of rows. So a batch that is split
over threads gives the same bits. NaN and infinities propagate as in NumPy.

Kernels take most of the time to compile: 0.03 s for panels of one width by gcc 12. So all products of a source
with the same number of rows share one, for the panels that they have. Tried: constant k and n, or a named
variable for each sum in the place of an array; neither is faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

HERE = Path(__file__).parent
VECTOR_BYTES = 64  # of the widest vectors of all machines
REALS = {np.dtype(np.float32): ("float", "f32"), np.dtype(np.float64): ("double", "f64")}


def preamble() -> str:
    """The helpers of all products, for each type."""
    vectors, products = ((HERE / name).read_text(encoding="utf-8") for name in ("vectors.h", "products.h"))
    typed = (
        f"#define ELEMENT {real}\n#define OF(name) name##_{suffix}\n\n{products}\n#undef ELEMENT\n#undef OF\n"
        for real, suffix in REALS.values()
    )
    return "\n".join((vectors, *typed))


PREAMBLE = preamble()


class Product(NamedTuple):
    """The product of an m x k and a k x n matrix, for sizes of at least 1, and its C functions.

        pack_NAME(b, row, column, panels)                               b[i * row + j * column]
        repack_NAME(b, row, column, panels)                             the same, at every step
        NAME(blocks, a, a_row, a_column, panels, c, c_row)              c[i * c_row + j] = a b
        NAME_direct(blocks, a, a_row, a_column, b, b_row, c, c_row)     the same, for b[i * b_row + j]

    a and c have blocks * m rows. Strides are in elements, as int64_t. The memory of `panels` elements begins at
    a multiple of 64 bytes.
    """

    m: int
    k: int
    n: int
    dtype: np.dtype

    @property
    def name(self) -> str:
        return f"product_{self.m}_{self.k}_{self.n}_{REALS[self.dtype][1]}"

    @property
    def panels(self) -> int:
        """The size of packed b for vectors of any size."""
        width = VECTOR_BYTES // self.dtype.itemsize
        return self.k * -(-self.n // width) * width

    @property
    def direct(self) -> bool:
        """Whether NAME_direct exists: a row of b fills a vector on every machine."""
        return self.n >= VECTOR_BYTES // self.dtype.itemsize


def functions(products: Iterable[Product]) -> str:
    """The functions of products; what follows PREAMBLE."""
    alike: dict[tuple, list[Product]] = {}
    for each in products:
        alike.setdefault((each.m, each.dtype), []).append(each)
    return "\n".join(part for group in alike.values() for part in (_rows(group), *map(_calls, group)))


def _most(m: int) -> int:
    """The vectors of a panel: enough sums to keep the arithmetic units busy, also with few rows."""
    return {1: 8, 2: 6}.get(m, 3)


def _rows(products: Sequence[Product]) -> str:
    """The kernel for m rows of c and a panel of the widths that these products have; all have m rows."""
    m, suffix = products[0].m, REALS[products[0].dtype][1]
    columns, most = sorted({each.n for each in products}), _most(m)
    lines = []
    for v in range(1, most + 1):
        needed = [f"HAS_PANEL({v}, VECTORS({n}, width_{suffix}), {most})" for n in columns]
        lines += [f"    case {v}:", f"        if ({' || '.join(needed)})"]
        lines += [f"            tiles_{suffix}({m}, {v}, *p);", "        break;"]
    cases = "\n".join(lines)
    return f"""
/* {m} rows of c, as wide as a panel */
OUTLINED void rows_{m}_{suffix}(int vectors, const panel_{suffix} *p)
{{
    switch (vectors) {{
{cases}
    }}
}}
"""


def _calls(p: Product) -> str:
    real, suffix = REALS[p.dtype]
    text = f"""
/* Pack b of c = a b, ({p.m} x {p.k}) ({p.k} x {p.n}) */
INLINED void pack_{p.name}(const {real} *b, int64_t row, int64_t column, {real} *panels)
{{
    pack_{suffix}({_most(p.m)}, {p.k}, {p.n}, b, row, column, panels);
}}

INLINED void repack_{p.name}(const {real} *b, int64_t row, int64_t column, {real} *panels)
{{
    repack_{suffix}({_most(p.m)}, {p.k}, {p.n}, b, row, column, panels);
}}

/* c = a b, with packed b */
INLINED void {p.name}(int64_t blocks, const {real} *a, int64_t a_row, int64_t a_column,
    const {real} *panels, {real} *c, int64_t c_row)
{{
    multiply_{suffix}(rows_{p.m}_{suffix}, {_most(p.m)}, {p.k}, {p.n}, blocks,
        a, a_row, a_column, 1, panels, 0, c, c_row);
}}
"""
    if not p.direct:
        return text
    return f"""{text}
/* c = a b, with the rows of b where they are */
INLINED void {p.name}_direct(int64_t blocks, const {real} *a, int64_t a_row, int64_t a_column,
    const {real} *b, int64_t b_row, {real} *c, int64_t c_row)
{{
    multiply_{suffix}(rows_{p.m}_{suffix}, {_most(p.m)}, {p.k}, {p.n}, blocks,
        a, a_row, a_column, 0, b, b_row, c, c_row);
}}
"""
