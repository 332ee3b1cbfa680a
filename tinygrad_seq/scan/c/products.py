"""Matrix products inside a loop over time, as C: c = a b with fixed sizes, in float or double.

A matrix b that is the same for all steps is packed once per run of the loop, from any strides, so a transposed
weight needs no copy. A matrix that changes at every step is read where it is: packing it for one product takes
longer than it saves. `products.h` says how a product is computed. One text serves all machines, because the
preprocessor chooses the size of vectors and tiles (`vectors.h`).

Each element of c is one sum over k in ascending order, whatever the number of rows. So a batch that is split
over threads gives the same bits. NaN and infinities propagate as in NumPy.

Kernels take most of the time to compile: 0.05 to 0.1 s for 32 rows by gcc 12. So all products of a source with
the same number of rows share one. Tried: constant k and n, or a named variable for each sum in the place of an
array; neither is faster.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

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
    """The C functions of a product of fixed sizes.

        pack_NAME(b, row, column, panels)                               b[i * row + j * column]
        NAME(blocks, a, a_row, a_column, panels, c, c_row)              c[i * c_row + j] = a b
        NAME_direct(blocks, a, a_row, a_column, b, b_row, c, c_row)     the same, for b[i * b_row + j]

    a and c have blocks * m rows. Strides are in elements, as int64_t. The memory of `panels` elements begins at
    a multiple of 64 bytes.
    """

    name: str
    source: str
    panels: int  # the size of packed b for vectors of any size
    direct: bool  # whether NAME_direct exists: a row of b fills a vector on every machine


def product(m: int, k: int, n: int, dtype: DTypeLike) -> Product:
    """The product of an m x k and a k x n matrix, for sizes of at least 1; its source follows PREAMBLE."""
    dtype = np.dtype(dtype)
    real, suffix = REALS[dtype]
    name, width = f"product_{m}_{k}_{n}_{suffix}", VECTOR_BYTES // dtype.itemsize
    direct = n >= width
    parts = [_rows(m, suffix), _calls(name, m, k, n, real, suffix)]
    if direct:
        parts.append(_direct(name, m, k, n, real, suffix))
    return Product(name, "\n".join(parts), k * -(-n // width) * width, direct)


def _most(m: int) -> int:
    """The vectors of a panel: enough sums to keep the arithmetic units busy, also with few rows."""
    return {1: 8, 2: 6}.get(m, 3)


def _rows(m: int, suffix: str) -> str:
    """The kernel for m rows of c and a panel, shared by all products with m rows."""
    guard = f"ROWS_{m}_{suffix.upper()}"
    cases = "\n".join(f"    case {v}: tiles_{suffix}({m}, {v}, *p); break;" for v in range(1, _most(m) + 1))
    return f"""
#ifndef {guard}
#define {guard}
/* {m} rows of c, as wide as a panel */
OUTLINED void rows_{m}_{suffix}(int vectors, const panel_{suffix} *p)
{{
    switch (vectors) {{
{cases}
    }}
}}
#endif
"""


def _calls(name: str, m: int, k: int, n: int, real: str, suffix: str) -> str:
    return f"""\
/* Pack b of c = a b, ({m} x {k}) ({k} x {n}) */
INLINED void pack_{name}(const {real} *b, int64_t row, int64_t column, {real} *panels)
{{
    pack_{suffix}({_most(m)}, {k}, {n}, b, row, column, panels);
}}

/* c = a b, with packed b */
INLINED void {name}(int64_t blocks, const {real} *a, int64_t a_row, int64_t a_column,
    const {real} *panels, {real} *c, int64_t c_row)
{{
    multiply_{suffix}(rows_{m}_{suffix}, {_most(m)}, {k}, {n}, blocks, a, a_row, a_column, 1, panels, 0, c,
    c_row);
}}
"""


def _direct(name: str, m: int, k: int, n: int, real: str, suffix: str) -> str:
    return f"""\
/* c = a b, with the rows of b where they are */
INLINED void {name}_direct(int64_t blocks, const {real} *a, int64_t a_row, int64_t a_column,
    const {real} *b, int64_t b_row, {real} *c, int64_t c_row)
{{
    multiply_{suffix}(rows_{m}_{suffix}, {_most(m)}, {k}, {n}, blocks, a, a_row, a_column, 0, b, b_row, c,
    c_row);
}}
"""
