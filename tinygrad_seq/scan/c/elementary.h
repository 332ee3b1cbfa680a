/* Elementary functions, of the elements of arrays: what the C expression of a primitive may call.

       tanh_(x)    x is a float or a double; the name chooses by its type

   The functions have no branches: a case is a choice between two values that are both computed. Compilers
   therefore turn a plain loop over them into vectors of any width, with -O2 -fno-math-errno -fno-trapping-math
   and without -ffast-math: NaN, infinities, signed zeros and subnormal numbers are as in NumPy. Integers wrap
   (-fwrapv). Four functions are the C library's, and a loop over them has no vectors: sin, cos and arctan2,
   because to reduce a large angle needs hundreds of bits, and the power of doubles, because p log x needs more
   than 53.

   One text serves float and double. `real` is the type, `bits` the unsigned integer of its size; a number is
   2^k (1 + mantissa), with MANTISSA bits after the binary point and the field k + BIAS above them.

   The largest errors found, in units of the last place, for floats and doubles: exp 1.0, expm1 1.5 and 1.9,
   tanh 2.4 and 2.6, sigmoid 2.3, log .8, log1p 1.4, softplus 1.7, the power of floats .5. The polynomials are
   interpolated at Chebyshev points, by tests/support/fits.py. */

#include <math.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline, unused))

enum { MANTISSA_float = 23, BIAS_float = 127, MANTISSA_double = 52, BIAS_double = 1023 };

/* log 2 = LOG2_HIGH + LOG2_LOW, and k LOG2_HIGH is exact for the exponent k of any number. */
static const float LOG2_HIGH_float = 0.69314575f, LOG2_LOW_float = 1.4286068e-06f;
static const double LOG2_HIGH_double = 0.6931471805598903, LOG2_LOW_double = 5.497923018708371e-14;

/* e^x rounds to 0 at the first, and to infinity at the second. */
static const float LEAST_EXP_float = -104, MOST_EXP_float = 89;
static const double LEAST_EXP_double = -746, MOST_EXP_double = 710;

/* The smallest number that is not subnormal. */
static const float SMALLEST_float = 0x1p-126f;
static const double SMALLEST_double = 0x1p-1022;

/* Here tanh x rounds to 1, and e^-2x - 1 to -1. */
static const float ONE_TANH_float = 10;
static const double ONE_TANH_double = 20;

/* Q of e^r = 1 + r + r^2 Q(r), for |r| <= log(2)/2 */
INLINE float Q_float(float r)
{
    return 0.5f + r * (0.16666667f + r * (0.041666467f + r * (0.0083333105f + r * (0.001393365f
        + r * 0.00019890991f))));
}

INLINE double Q_double(double r)
{
    return 0.5 + r * (0.1666666666666667 + r * (0.04166666666666667 + r * (0.008333333333326136
        + r * (0.0013888888888883748 + r * (0.00019841269874820627 + r * (2.4801587325547743e-05
        + r * (2.7557255400206422e-06 + r * (2.75572736431103e-07 + r * (2.5105217004720745e-08
        + r * 2.0914686968086876e-09)))))))));
}

/* L of log((1 + s)/(1 - s)) = 2 s + s z L(z), for z = s^2, 1/sqrt 2 <= (1 + s)/(1 - s) <= sqrt 2 */
INLINE float L_float(float z)
{
    return 0.66666687f + z * (0.39988777f + z * 0.29580054f);
}

INLINE double L_double(double z)
{
    return 0.666666666666667 + z * (0.39999999999899444 + z * (0.2857142862600327 + z * (0.22222211130259878
        + z * (0.18182889455674947 + z * (0.15331710618210773 + z * 0.14616585424888623)))));
}

/* Functions of the C library: one instruction each, but for the last seven. */
#define abs_float fabsf
#define abs_double fabs
#define copysign_float copysignf
#define copysign_double copysign
#define sqrt_float sqrtf
#define sqrt_double sqrt
#define sin_float sinf
#define sin_double sin
#define cos_float cosf
#define cos_double cos
#define arctan2_float atan2f
#define arctan2_double atan2
#define pow_double pow

#define REAL_FUNCTIONS(real, bits)                                                                             \
                                                                                                               \
/* The bits of a number, and the number of given bits. */                                                      \
INLINE bits bits_##real(real x)                                                                                \
{                                                                                                              \
    union { real x; bits i; } both = {x};                                                                      \
    return both.i;                                                                                             \
}                                                                                                              \
                                                                                                               \
INLINE real of_bits_##real(bits i)                                                                             \
{                                                                                                              \
    union { bits i; real x; } both = {i};                                                                      \
    return both.x;                                                                                             \
}                                                                                                              \
                                                                                                               \
/* 2^k, from the field k + BIAS */                                                                             \
INLINE real power_of_two_##real(bits field)                                                                    \
{                                                                                                              \
    return of_bits_##real(field << MANTISSA_##real);                                                           \
}                                                                                                              \
                                                                                                               \
/* x + SHIFT is x rounded to a whole number, which is in the last bits of the sum. */                          \
static const real SHIFT_##real = (real) 1.5 * ((bits) 1 << MANTISSA_##real);                                   \
                                                                                                               \
/* x = n log 2 + r, with the whole number n nearest to x / log 2: gives m = e^r - 1 and the bits of n */       \
typedef struct { real m; bits n; } reduced_##real;                                                             \
                                                                                                               \
INLINE reduced_##real reduced_exp_##real(real x)                                                               \
{                                                                                                              \
    const real shifted = x * (real) 1.4426950408889634 + SHIFT_##real;                                         \
    const real n = shifted - SHIFT_##real;                                                                     \
    const real r = (x - n * LOG2_HIGH_##real) - n * LOG2_LOW_##real;                                           \
    const reduced_##real found = {r + r * r * Q_##real(r), bits_##real(shifted) - bits_##real(SHIFT_##real)};  \
    return found;                                                                                              \
}                                                                                                              \
                                                                                                               \
/* e^x = (1 + m) 2^n; 2^n may be too small for a number, so it is the product of two. */                       \
INLINE real exp_##real(real x)                                                                                 \
{                                                                                                              \
    x = x > MOST_EXP_##real ? MOST_EXP_##real : x < LEAST_EXP_##real ? LEAST_EXP_##real : x;                   \
    const reduced_##real e = reduced_exp_##real(x);                                                            \
    const bits fields = e.n + 2 * BIAS_##real, half = fields >> 1;                                             \
    return (1 + e.m) * power_of_two_##real(half) * power_of_two_##real(fields - half);                         \
}                                                                                                              \
                                                                                                               \
/* e^x - 1 = 2^n m + (2^n - 1), for x up to MOST_EXP; twice its half, since 2^n may be infinite */             \
INLINE real near_expm1_##real(real x)                                                                          \
{                                                                                                              \
    const reduced_##real e = reduced_exp_##real(x);                                                            \
    const real half = power_of_two_##real(e.n + BIAS_##real - 1);                                              \
    return 2 * (half * e.m + (half - (real) 0.5));                                                             \
}                                                                                                              \
                                                                                                               \
/* The half of a subnormal number may be none, and e^x - 1 = x there. */                                       \
INLINE real expm1_##real(real x)                                                                               \
{                                                                                                              \
    const real least = -2 * ONE_TANH_##real;                                                                   \
    const real near = x > MOST_EXP_##real ? MOST_EXP_##real : x < least ? least : x;                           \
    return abs_##real(x) < SMALLEST_##real ? x : copysign_##real(near_expm1_##real(near), x);                  \
}                                                                                                              \
                                                                                                               \
/* tanh |x| = m / (m + 2), m = e^2|x| - 1 */                                                                   \
INLINE real tanh_##real(real x)                                                                                \
{                                                                                                              \
    const real a = abs_##real(x);                                                                              \
    const real m = near_expm1_##real(2 * (a > ONE_TANH_##real ? ONE_TANH_##real : a));                         \
    return copysign_##real(m / (m + 2), x);                                                                    \
}                                                                                                              \
                                                                                                               \
/* 1 / (1 + e^-x) = e^x / (1 + e^x): the one without overflow */                                               \
INLINE real sigmoid_##real(real x)                                                                             \
{                                                                                                              \
    const real e = exp_##real(-abs_##real(x));                                                                 \
    return (x < 0 ? e : 1) / (1 + e);                                                                          \
}                                                                                                              \
                                                                                                               \
/* log(2^k (1 + f)) = k log 2 + f - h + s (h + z L(z)),  h = f^2 / 2,  s = f / (2 + f),  z = s^2:              \
   2 s = f - h + s h, and f is exact */                                                                        \
INLINE real sum_log_##real(real k, real f)                                                                     \
{                                                                                                              \
    const real s = f / (2 + f), z = s * s, h = (real) 0.5 * f * f;                                             \
    return k * LOG2_HIGH_##real - ((h - (s * (h + z * L_##real(z)) + k * LOG2_LOW_##real)) - f);               \
}                                                                                                              \
                                                                                                               \
/* x = 2^k m with 1/sqrt 2 <= m < sqrt 2, for a normal x > 0; the field is k + BIAS */                         \
typedef struct { real k, m; bits field; } split_##real;                                                        \
                                                                                                               \
INLINE split_##real reduced_log_##real(real x)                                                                 \
{                                                                                                              \
    const bits bias = (bits) BIAS_##real << MANTISSA_##real;                                                   \
    const bits field = (bits_##real(x) - bits_##real((real) 0.7071067811865476) + bias) >> MANTISSA_##real;    \
    const real k = of_bits_##real(bits_##real(SHIFT_##real) + field) - (SHIFT_##real + BIAS_##real);           \
    const split_##real found = {k, of_bits_##real(bits_##real(x) + bias - (field << MANTISSA_##real)), field}; \
    return found;                                                                                              \
}                                                                                                              \
                                                                                                               \
/* Subnormal numbers are scaled by 2^(MANTISSA + 1) to normal ones. */                                         \
INLINE real log_##real(real x)                                                                                 \
{                                                                                                              \
    const int small = x < SMALLEST_##real;                                                                     \
    const split_##real l = reduced_log_##real(small ? x * (real) ((bits) 2 << MANTISSA_##real) : x);           \
    const real z = sum_log_##real(l.k - (small ? MANTISSA_##real + 1 : 0), l.m - 1);                           \
    return x > 0 ? (x < INFINITY ? z : x) : x == 0 ? -INFINITY : NAN;                                          \
}                                                                                                              \
                                                                                                               \
/* log(u + c), for u = 1 + x as it is rounded, and the rest c; twice is 2 2^-k, or 0 if too small */        \
INLINE real near_log1p_##real(real x)                                                                          \
{                                                                                                              \
    const real u = 1 + x, c = x < 1 ? x - (u - 1) : 1 - (u - x);                                               \
    const split_##real l = reduced_log_##real(u);                                                              \
    const real twice = power_of_two_##real(2 * BIAS_##real + 1 - l.field);                                     \
    return sum_log_##real(l.k, (l.m - 1) + c * ((real) 0.5 * twice));                                          \
}                                                                                                              \
                                                                                                               \
INLINE real log1p_##real(real x)                                                                               \
{                                                                                                              \
    const real z = near_log1p_##real(x);                                                                       \
    return x > -1 ? (x < INFINITY ? copysign_##real(z, x) : x) : x == -1 ? -INFINITY : NAN;                    \
}                                                                                                              \
                                                                                                               \
/* log(1 + e^x) = max(x, 0) + log(1 + e^-|x|) */                                                               \
INLINE real softplus_##real(real x)                                                                            \
{                                                                                                              \
    return (x > 0 ? x : 0) + near_log1p_##real(exp_##real(-abs_##real(x)));                                    \
}                                                                                                              \
                                                                                                               \
/* log(e^x + e^y) = max(x, y) + log(1 + e^-|x - y|), where infinity - infinity is 0 */                         \
INLINE real logaddexp_##real(real x, real y)                                                                   \
{                                                                                                              \
    const real d = x == y ? 0 : abs_##real(x - y);                                                             \
    return (x > y ? x : y) + near_log1p_##real(exp_##real(-d));                                                \
}                                                                                                              \
                                                                                                               \
/* Of two equal numbers, 0 and -0, the second; NaN if one is NaN. */                                           \
INLINE real maximum_##real(real x, real y)                                                                     \
{                                                                                                              \
    const real larger = x > y ? x : y;                                                                         \
    return x != x ? x : larger;                                                                                \
}                                                                                                              \
                                                                                                               \
INLINE real minimum_##real(real x, real y)                                                                     \
{                                                                                                              \
    const real smaller = x < y ? x : y;                                                                        \
    return x != x ? x : smaller;                                                                               \
}                                                                                                              \
                                                                                                               \
INLINE real sign_##real(real x)                                                                                \
{                                                                                                              \
    return x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x;                                                            \
}                                                                                                              \
                                                                                                               \
INLINE int isnan_##real(real x)                                                                                \
{                                                                                                              \
    return x != x;                                                                                             \
}                                                                                                              \
                                                                                                               \
INLINE int isfinite_##real(real x)                                                                             \
{                                                                                                              \
    return abs_##real(x) < INFINITY;                                                                           \
}                                                                                                              \
                                                                                                               \
INLINE real square_##real(real x)                                                                              \
{                                                                                                              \
    return x * x;                                                                                              \
}                                                                                                              \
                                                                                                               \
/* 0 where a is, also if p is infinite or NaN */                                                               \
INLINE real safe_product_##real(real a, real p)                                                                \
{                                                                                                              \
    return a == 0 ? a : a * p;                                                                                 \
}

REAL_FUNCTIONS(float, uint32_t)
REAL_FUNCTIONS(double, uint64_t)

/* x^p = e^(p log x) by way of doubles, whose 29 more bits leave only the last rounding. An odd power has the
   sign of x; one that is not whole is NaN for x < 0. For a constant p, the compiler makes the last choice. */
INLINE float pow_float(float x, float p)
{
    const double x2 = x, p2 = p, a = fabs(x2);
    const int whole = rint(p2) == p2, odd = whole & (rint(p2 / 2) != p2 / 2);
    const double power = ((a == 1) & (p2 == p2)) ? 1 : exp_double(p2 * log_double(a));
    const double z = ((x2 < 0) & (a < INFINITY) & !whole) ? NAN : odd ? copysign(power, x2) : power;
    return p == 1 ? x : p == 2 ? x * x : (float) (((p2 == 0) | (x2 == 1)) ? 1 : z);
}

#define INTEGER_FUNCTIONS(integer)                                                                             \
                                                                                                               \
INLINE integer maximum_##integer(integer x, integer y)                                                         \
{                                                                                                              \
    return x > y ? x : y;                                                                                      \
}                                                                                                              \
                                                                                                               \
INLINE integer minimum_##integer(integer x, integer y)                                                         \
{                                                                                                              \
    return x < y ? x : y;                                                                                      \
}                                                                                                              \
                                                                                                               \
INLINE integer sign_##integer(integer x)                                                                       \
{                                                                                                              \
    return (integer) (x > 0 ? 1 : -(x != 0));                                                                  \
}                                                                                                              \
                                                                                                               \
INLINE integer abs_##integer(integer x)                                                                        \
{                                                                                                              \
    return (integer) (x > 0 ? x : -x);                                                                         \
}                                                                                                              \
                                                                                                               \
INLINE integer square_##integer(integer x)                                                                     \
{                                                                                                              \
    return (integer) (x * x);                                                                                  \
}                                                                                                              \
                                                                                                               \
INLINE integer safe_product_##integer(integer a, integer p)                                                    \
{                                                                                                              \
    return (integer) (a * p);                                                                                  \
}

INTEGER_FUNCTIONS(int8_t)
INTEGER_FUNCTIONS(int16_t)
INTEGER_FUNCTIONS(int32_t)
INTEGER_FUNCTIONS(int64_t)
INTEGER_FUNCTIONS(uint8_t)
INTEGER_FUNCTIONS(uint16_t)
INTEGER_FUNCTIONS(uint32_t)
INTEGER_FUNCTIONS(uint64_t)

/* The names in expressions: the function for the type of the first argument. */
#define REAL(name, x) _Generic((x), float: name##_float, default: name##_double)
#define NUMBER(name, x) _Generic((x), float: name##_float, double: name##_double,                              \
        int8_t: name##_int8_t, int16_t: name##_int16_t, int32_t: name##_int32_t, int64_t: name##_int64_t,      \
        uint8_t: name##_uint8_t, uint16_t: name##_uint16_t, uint32_t: name##_uint32_t,                         \
        uint64_t: name##_uint64_t)

#define exp_(x) REAL(exp, x)(x)
#define expm1_(x) REAL(expm1, x)(x)
#define log_(x) REAL(log, x)(x)
#define log1p_(x) REAL(log1p, x)(x)
#define logaddexp_(x, y) REAL(logaddexp, x)(x, y)
#define softplus_(x) REAL(softplus, x)(x)
#define sigmoid_(x) REAL(sigmoid, x)(x)
#define tanh_(x) REAL(tanh, x)(x)
#define pow_(x, p) REAL(pow, x)(x, p)
#define sqrt_(x) REAL(sqrt, x)(x)
#define sin_(x) REAL(sin, x)(x)
#define cos_(x) REAL(cos, x)(x)
#define arctan2_(y, x) REAL(arctan2, y)(y, x)
#define isnan_(x) REAL(isnan, x)(x)
#define isfinite_(x) REAL(isfinite, x)(x)

#define maximum_(x, y) NUMBER(maximum, x)(x, y)
#define minimum_(x, y) NUMBER(minimum, x)(x, y)
#define sign_(x) NUMBER(sign, x)(x)
#define abs_(x) NUMBER(abs, x)(x)
#define square_(x) NUMBER(square, x)(x)
#define safe_product_(a, p) NUMBER(safe_product, a)(a, p)
