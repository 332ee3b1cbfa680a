"""The C products against NumPy in higher precision, for every width of vectors that this machine can run.

A product is right within the standard bound |c - a b| <= k eps |a| |b|. It reads and writes nothing but its
matrices: the memory around a and b is NaN, the memory around c and the panels is compared afterwards.
"""

import re

import numpy as np
import pytest
from c_products import GUARD, MARK, WIDTHS, Products, compiled, runs, untouched
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tinygrad_seq.scan.c.products import PREAMBLE, Product, functions

pytestmark = pytest.mark.host("C runs on the CPU")

DTYPES = [np.float32, np.float64]
HIGHER = {np.float32: np.float64, np.float64: np.longdouble}
# Every example compiles several shapes, so examples are few, and none is made smaller.
few = settings(max_examples=settings.default.max_examples // 5, phases=[Phase.explicit, Phase.generate])


@pytest.fixture(params=WIDTHS, ids="{} bytes".format, scope="module")
def width(request):
    runs(request.param)
    return request.param


@st.composite
def shapes(draw):
    """A few shapes of few different m, so that they share kernels."""
    ms = draw(st.lists(st.integers(1, 40), min_size=1, max_size=2))
    sizes = st.one_of(st.integers(1, 9), st.integers(10, 70))
    columns = st.one_of(st.integers(1, 20), st.integers(20, 140), st.sampled_from([8, 16, 32, 48, 64, 96]))
    return draw(st.lists(st.tuples(st.sampled_from(ms), sizes, columns), min_size=3, max_size=6))


def matrix(rng, rows, columns, dtype, layout="C"):
    """A random matrix amid NaN: rows contiguous ("C") or columns ("F"), every second element of both ("apart"),
    or all rows the same memory ("broadcast").
    """
    if layout == "F":
        return matrix(rng, columns, rows, dtype).T
    if layout == "broadcast":
        return np.broadcast_to(matrix(rng, 1, columns, dtype), (rows, columns))
    step = 2 if layout == "apart" else 1
    around = np.full((step * rows + 3, step * columns + 5), np.nan, dtype)
    inside = around[1 : 1 + step * rows : step, 2 : 2 + step * columns : step]
    inside[...] = rng.standard_normal((rows, columns))
    return inside


def result(rows, columns, dtype):
    """An unaligned matrix for c, and a function that tells whether the memory around it was left alone."""
    around = np.full((rows + 2, columns + 2 * GUARD + 1), MARK, dtype)
    inside = around[1 : 1 + rows, GUARD + 1 : GUARD + 1 + columns]
    inside[...] = np.nan
    outside = np.ones(around.shape, bool)
    outside[1 : 1 + rows, GUARD + 1 : GUARD + 1 + columns] = False
    return inside, lambda: untouched([around[outside]])


def assert_product(c, a, b, dtype):
    a, b = a.astype(HIGHER[dtype]), b.astype(HIGHER[dtype])
    bound = a.shape[1] * np.finfo(dtype).eps * (abs(a) @ abs(b))
    assert (abs(c - a @ b) <= bound).all()


def test_the_preprocessor_chooses_the_width(width):
    assert Products([], np.float32, width).library.vector_bytes() == width


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(data=st.data())
def test_products_of_all_shapes_and_strides(width, dtype, data):
    """From panels, and directly where a row of b fills a vector: the same bits."""
    sizes = data.draw(shapes())
    products = Products(sizes, dtype, width)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    layouts = st.sampled_from(["C", "F", "apart", "broadcast"])
    for m, k, n in sizes:
        a = matrix(rng, m, k, dtype, data.draw(layouts))
        b = matrix(rng, k, n, dtype, data.draw(layouts))
        c, alone = result(m, n, dtype)
        assert_product(products(a, b, c), a, b, dtype)
        assert alone()
        if products.products[m, k, n].direct:
            again, alone = result(m, n, dtype)
            rows = b if b.strides[1] == b.itemsize else b.copy()
            assert (products.direct(a, rows, again) == c).all()
            assert alone()


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(data=st.data())
def test_rows_have_the_same_bits_in_any_company(width, dtype, data):
    """A batch that is split, over threads or into single rows, gives the product of the whole batch."""
    m = data.draw(st.integers(2, 40))
    k, n = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 140))
    cut = data.draw(st.integers(1, m - 1))
    products = Products([(rows, k, n) for rows in (m, cut, m - cut, 1)], dtype, width)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    a, b = matrix(rng, m, k, dtype), matrix(rng, k, n, dtype)
    whole, _ = result(m, n, dtype)
    products(a, b, whole)
    for parts in ([a[:cut], a[cut:]], [a[i : i + 1] for i in range(m)]):
        found = [products(part, b, result(len(part), n, dtype)[0]) for part in parts]
        assert (np.concatenate(found) == whole).all()


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(data=st.data())
def test_blocks_of_rows_are_one_product(width, dtype, data):
    """The rows in blocks have the bits of the whole product, from panels and directly."""
    m, blocks = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 4))
    k, n = data.draw(st.integers(1, 70)), data.draw(st.integers(16, 140))
    products = Products([(m, k, n), (blocks * m, k, n)], dtype, width)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    a, b = matrix(rng, blocks * m, k, dtype), matrix(rng, k, n, dtype)
    whole, _ = result(blocks * m, n, dtype)
    products(a, b, whole)
    rows = matrix(rng, k, n, dtype)
    rows[...] = b
    for multiply in (products, products.direct):
        found, alone = result(blocks * m, n, dtype)
        assert (multiply(a, rows, found, blocks) == whole).all()
        assert alone()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [5, 50])
def test_nan_and_infinity_propagate_as_in_numpy(width, dtype, n):
    """A zero times infinity is NaN; a row or column without such values has none."""
    m, k = 9, 12
    products = Products([(m, k, n)], dtype, width)
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
    a[1, 3], a[2, 5], a[4, 0], a[5, 1], a[5, 2], a[6] = np.nan, np.inf, -np.inf, np.inf, -np.inf, 0
    b[5, 1], b[0, 2], b[7, 3], b[9, n - 1] = 0, 0, np.inf, np.nan
    with np.errstate(invalid="ignore"):
        terms = a[:, :, None] * b
        right = terms.sum(axis=1)
    c = products(a, b, np.empty((m, n), dtype))
    assert (np.isnan(c) == np.isnan(right)).all()
    assert (c[np.isinf(right)] == right[np.isinf(right)]).all()
    assert (np.isinf(c) == np.isinf(right)).all()
    assert {np.isnan(right).sum() > 0, np.isinf(right).sum() > 0, np.isfinite(right).sum() > 0} == {True}


@pytest.mark.parametrize(("dtype", "n"), [(np.float32, 16), (np.float64, 8)])
def test_a_product_is_direct_where_a_row_fills_the_widest_vector(dtype, n):
    """A narrower row would be read beyond its end."""
    assert [Product(2, 3, columns, np.dtype(dtype)).direct for columns in (n - 1, n, n + 1)] == [
        False,
        True,
        True,
    ]


def test_products_with_the_same_rows_share_a_kernel():
    found = [Product(8, 5, n, np.dtype(dtype)) for n, dtype in [(16, "f4"), (40, "f4"), (16, "f8")]]
    assert len({p.name for p in found}) == 3
    kernels = re.findall(r"^OUTLINED void (\w+)", functions(found), re.MULTILINE)
    assert kernels == ["rows_8_f32", "rows_8_f64"]


PANELS = """
int panels_that_are_missing(int most)
{
    int missing = 0;
    for (int n = 1; n < 60; n++) {
        int64_t widths = 0;
        for (int64_t left = n; left; left -= next_panel(left, most))
            widths |= 1 << next_panel(left, most);
        for (int v = 1; v <= most; v++)
            missing += (widths >> v & 1) != HAS_PANEL(v, n, most);
    }
    return missing;
}
"""


@pytest.mark.parametrize("most", [3, 6, 8])
def test_a_kernel_has_code_for_the_panels_that_occur(most):
    assert compiled(PREAMBLE + PANELS).panels_that_are_missing(most) == 0


def test_the_text_is_iso_c_without_warnings():
    products = [Product(5, 6, 70, np.dtype(np.float32)), Product(1, 6, 7, np.dtype(np.float64))]
    compiled(PREAMBLE + functions(products), "-std=c11", "-pedantic")
