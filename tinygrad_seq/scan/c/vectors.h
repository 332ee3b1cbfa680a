/* Vectors of numbers, by the extensions that gcc and clang share. INLINED: each constant argument gives code of its
   own. OUTLINED: one copy serves all callers. */

#include <stdint.h>
#include <string.h>

/* The bytes of a vector, and the most rows of a tile: three vectors wide, it fills the registers. */
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define MOST_ROWS 8
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#define MOST_ROWS 4
#elif defined(__aarch64__)
#define VECTOR_BYTES 16
#define MOST_ROWS 8
#else
#define VECTOR_BYTES 16
#define MOST_ROWS 4
#endif
#define MOST_VECTORS 8

#if defined(__clang__)
#define OUTLINED static __attribute__((unused, noinline))
#else
#define OUTLINED static __attribute__((unused, noinline, noclone))
#endif
#define INLINED static inline __attribute__((unused, always_inline))
#define UNROLLED _Pragma("GCC unroll 8")

/* The vectors of the next panel: as many as allowed, but the last two panels share evenly what is left. */
INLINED int64_t next_panel(int64_t left, int64_t most)
{
    return left >= 2 * most ? most : left > most ? (left + 1) / 2 : left;
}

/* The vectors that hold n columns, and whether one of their panels has so many; for constants. */
#define VECTORS(n, width) (((n) + (width)-1) / (width))
#define HAS_PANEL(vectors, left, most) \
    ((left) <= (most) ? (vectors) == (left) \
                      : ((vectors) == (most) && (left) >= 2 * (most)) || \
                        ((left) % (most) && ((vectors) == ((left) % (most) + (most) + 1) / 2 || \
                                             (vectors) == ((left) % (most) + (most)) / 2)))
