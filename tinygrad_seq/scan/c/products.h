/* c = a b for matrices of ELEMENT numbers. OF(name) is the name for this type, such as name_f32.

   b is packed into panels: a panel holds all rows of a few vectors of columns, in the order in which they are
   read. A tile is a few rows of c, as wide as a panel. Its sums stay in registers while the rows of the panel
   pass by, each multiplied by one element of every row of a.

   The last vector ends with the last column, so it overlaps its neighbour where the width does not divide n;
   both compute the same bits. A b that is narrower than one vector is padded with zeros. */

typedef ELEMENT OF(vector) __attribute__((vector_size(VECTOR_BYTES)));
typedef ELEMENT OF(unaligned) __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(ELEMENT)), may_alias));
enum { OF(width) = VECTOR_BYTES / sizeof(ELEMENT) };

/* A panel of b, all rows of a, which are blocks of m rows, and the place in c for their product. The vectors of a
   row of b or c are neighbours, but for the last one, which has its own offset. */
typedef struct {
    int64_t depth, blocks;
    const ELEMENT *a;
    int64_t a_row, a_column;
    const ELEMENT *b;
    int64_t b_row, b_last;
    ELEMENT *c;
    int64_t c_row, c_last, columns;
} OF(panel);

/* This function returns a vector, so that clang computes with vectors of this size. */
INLINED OF(vector) OF(load)(const ELEMENT *from)
{
    return *(const OF(unaligned) *)from;
}

INLINED void OF(store)(ELEMENT *to, int64_t columns, OF(vector) x)
{
    if (columns == OF(width))
        *(OF(unaligned) *)to = x;
    else
        memcpy(to, &x, columns * sizeof(ELEMENT));
}

/* The first rows of c, for constant `rows` and `vectors`. Each element of c is one sum over k in ascending order,
   so its bits do not depend on the size of the tile. */
INLINED void OF(tile)(const int rows, const int vectors, OF(panel) p)
{
    OF(vector) sum[MOST_ROWS][MOST_VECTORS], b[MOST_VECTORS];
    UNROLLED for (int i = 0; i < rows; i++)
        UNROLLED for (int j = 0; j < vectors; j++)
            sum[i][j] = (OF(vector)){0};
    for (int64_t k = 0; k < p.depth; k++, p.a += p.a_column, p.b += p.b_row) {
        UNROLLED for (int j = 0; j < vectors; j++) {
            if (rows > 2) /* with fewer rows, loads take all the time, and a prefetch is a load */
                __builtin_prefetch(p.b + 8 * p.b_row + j * OF(width));
            b[j] = OF(load)(p.b + (j < vectors - 1 ? j * OF(width) : p.b_last));
        }
        UNROLLED for (int i = 0; i < rows; i++)
            UNROLLED for (int j = 0; j < vectors; j++)
                sum[i][j] += p.a[i * p.a_row] * b[j];
    }
    UNROLLED for (int i = 0; i < rows; i++)
        UNROLLED for (int j = 0; j < vectors; j++)
            OF(store)(p.c + i * p.c_row + (j < vectors - 1 ? j * OF(width) : p.c_last),
                vectors > 1 ? OF(width) : p.columns, sum[i][j]);
}

/* All blocks of m rows of c, for constant m: tiles whose heights differ by one at most. */
INLINED void OF(tiles)(const int m, const int vectors, OF(panel) p)
{
    const int count = (m + MOST_ROWS - 1) / MOST_ROWS, rows = m / count, higher = m % count;
    for (int64_t block = 0; block < p.blocks; block++) {
        for (int i = 0; i < higher; i++, p.a += (rows + 1) * p.a_row, p.c += (rows + 1) * p.c_row)
            OF(tile)(rows + 1, vectors, p);
        for (int i = higher; i < count; i++, p.a += rows * p.a_row, p.c += rows * p.c_row)
            OF(tile)(rows, vectors, p);
    }
}

/* All columns of c, a panel at a time. `rows(vectors, panel)` computes its rows. */
OUTLINED void OF(multiply)(void (*rows)(int, const OF(panel) *), int most, int64_t depth, int64_t n, int64_t blocks,
    const ELEMENT *a, int64_t a_row, int64_t a_column, int packed, const ELEMENT *b, int64_t b_row, ELEMENT *c,
    int64_t c_row)
{
    OF(panel) p = {depth, blocks, a, a_row, a_column, b, b_row, 0, c, c_row, 0, n < OF(width) ? n : OF(width)};
    int64_t left = VECTORS(n, OF(width));
    while (left) {
        const int64_t vectors = next_panel(left, most), wide = vectors * OF(width);
        left -= vectors;
        p.c_last = left ? wide - OF(width) : c + n - p.columns - p.c;
        p.b_last = packed ? wide - OF(width) : p.c_last;
        p.b_row = packed ? wide : b_row;
        rows(vectors, &p);
        p.b += packed ? wide * depth : wide;
        p.c += wide;
    }
}

INLINED void OF(packed)(int most, int64_t depth, int64_t n, const ELEMENT *b, int64_t row, int64_t column,
    ELEMENT *panels)
{
    const int64_t columns = n < OF(width) ? n : OF(width);
    int64_t left = VECTORS(n, OF(width)), j = 0;
    if (n < OF(width))
        memset(panels, 0, depth * sizeof(OF(vector)));
    while (left) {
        const int64_t vectors = next_panel(left, most);
        for (int64_t v = 0; v < vectors; v++, left--, j += OF(width)) {
            const ELEMENT *from = b + (left > 1 ? j : n - columns) * column;
            ELEMENT *to = panels + v * OF(width);
            for (int64_t k = 0; k < depth; k++, from += row, to += vectors * OF(width))
                if (column == 1 && columns == OF(width))
                    OF(store)(to, columns, OF(load)(from));
                else
                    for (int64_t l = 0; l < columns; l++)
                        to[l] = from[l * column];
        }
        panels += vectors * OF(width) * depth;
    }
}

/* Pack b, once per run of a loop. It is compiled for size, which takes 50 ms less. */
__attribute__((cold)) OUTLINED void OF(pack)(int most, int64_t depth, int64_t n, const ELEMENT *b, int64_t row,
    int64_t column, ELEMENT *panels)
{
    OF(packed)(most, depth, n, b, row, column, panels);
}

/* Pack b at every step. A call of a cold function would make the whole step cold. */
OUTLINED void OF(repack)(int most, int64_t depth, int64_t n, const ELEMENT *b, int64_t row, int64_t column,
    ELEMENT *panels)
{
    OF(packed)(most, depth, n, b, row, column, panels);
}
