// Batch normalisation of one or two terms, their sum, and the activation, in one pass over memory; and the way back in two.
//
//     u = k1 x1 + k2 x2 + d        (per channel: gamma / deviation of each term; beta and means are in d)
//     y = f(u)                     f: sine of the units below, 2 relu, or u^2 + u, beyond |u| = tail as its tangents
//
// x1, x2, y and gradients are bfloat16 [pixels, channels], channels a multiple of 16; everything per channel is float, sums are kept in double.
// Plain GNU C with vectors of 16 floats, which a compiler maps to what its target has (widening by a loop over the lanes, for which GCC 12 has one instruction and for
// __builtin_convertvector four). Called by fused.py, which compiles it.

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 16, ROWS = 512 };  // so many rows are summed in float
enum curve { SINE, RELU, SQUARE };

typedef float floats __attribute__((vector_size(4 * LANES)));
typedef uint32_t words __attribute__((vector_size(4 * LANES)));
typedef int32_t mask __attribute__((vector_size(4 * LANES)));

typedef struct {
  int32_t curve;
  float tail;       // of the square; what is never reached where there is none
  float amplitude;  // the sine is amplitude sin(2 pi u) + constant: k and d are in turns
  float constant;
  float slope;      // amplitude 2 pi / period
} Curve;

static inline floats load(const uint16_t* at) {
  words bits;
  for (int lane = 0; lane < LANES; lane++) bits[lane] = (uint32_t)at[lane] << 16;
  return (floats)bits;
}

static inline void store(uint16_t* at, floats value) {
  const words bits = (words)value;
  const words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;  // to the nearest, ties to even
  for (int lane = 0; lane < LANES; lane++) at[lane] = (uint16_t)rounded[lane];
}

static inline floats of_channels(const float* at) {
  floats value;
  memcpy(&value, at, sizeof value);
  return value;
}

static inline floats choose(mask which, floats yes, floats no) { return (floats)((which & (mask)yes) | (~which & (mask)no)); }

static inline floats clamped(floats u, float tail) {
  const floats low = choose(u > -tail, u, u * 0 - tail);
  return choose(low < tail, low, u * 0 + tail);
}

// Angles in turns, to [-1/2, 1/2]: adding 1.5 2^23 leaves no bits behind the point.
static inline floats turned(floats z) { return z - ((z + 12582912.0f) - 12582912.0f); }

// Polynomials of least squares on that interval, errors 2e-7 and 2e-6: bfloat16 has eight bits.
static inline floats sine(floats z) {
  const floats w = z * z;
  return z * (6.28318163f + w * (-41.34133703f + w * (81.59439838f + w * (-76.56426559f + w * (41.14313873f + w * -12.1815984f)))));
}

static inline floats cosine(floats z) {
  const floats w = z * z;
  return 0.99999865f + w * (-19.73889832f + w * (64.92628359f + w * (-85.24628443f + w * (58.67765614f + w * -20.89325083f))));
}

static inline floats value(floats u, const Curve* f, int curve) {
  if (curve == SINE) return sine(turned(u)) * f->amplitude + f->constant;
  if (curve == RELU) return choose(u > 0, u + u, u * 0);
  const floats near = clamped(u, f->tail);
  return near * (u + u - near) + u;
}

static inline floats slope(floats u, const Curve* f, int curve) {
  if (curve == SINE) return cosine(turned(u)) * f->slope;
  if (curve == RELU) return choose(u > 0, u * 0 + 2, u * 0);
  const floats near = clamped(u, f->tail);
  return near + near + 1;
}

static inline void add(double* sums, floats part) {
  for (int lane = 0; lane < LANES; lane++) sums[lane] += part[lane];
}

// Sum and sum of squares of each channel: sums[0, channels), sums[channels, 2 channels).
void flash_moments(const uint16_t* x, ptrdiff_t pixels, ptrdiff_t channels, double* sums) {
  memset(sums, 0, 2 * channels * sizeof *sums);
  for (ptrdiff_t first = 0; first < pixels; first += ROWS) {
    const ptrdiff_t end = first + ROWS < pixels ? first + ROWS : pixels;
    for (ptrdiff_t c = 0; c < channels; c += LANES) {
      floats even = {}, odd = {}, even_squares = {}, odd_squares = {};  // two chains of additions
      ptrdiff_t i = first;
      for (; i + 1 < end; i += 2) {
        const floats v = load(x + i * channels + c), w = load(x + (i + 1) * channels + c);
        even += v;
        odd += w;
        even_squares += v * v;
        odd_squares += w * w;
      }
      if (i < end) {
        const floats v = load(x + i * channels + c);
        even += v;
        even_squares += v * v;
      }
      add(sums + c, even + odd);
      add(sums + channels + c, even_squares + odd_squares);
    }
  }
}

// The same loops for each curve and number of terms: their names are constants in there.
#define FOR_EACH(CALL)                                                                                \
  switch (f->curve) {                                                                                 \
    case SINE: if (x2) { CALL(SINE, 1) } else { CALL(SINE, 0) } break;                                \
    case RELU: if (x2) { CALL(RELU, 1) } else { CALL(RELU, 0) } break;                                \
    default: if (x2) { CALL(SQUARE, 1) } else { CALL(SQUARE, 0) }                                     \
  }

static inline __attribute__((always_inline)) void forward(const uint16_t* x1, const uint16_t* x2, ptrdiff_t pixels, ptrdiff_t channels,
                                                          const float* k1, const float* k2, const float* d, const Curve* f, uint16_t* y,
                                                          int curve, int two) {
  for (ptrdiff_t first = 0; first < pixels; first += ROWS) {
    const ptrdiff_t end = first + ROWS < pixels ? first + ROWS : pixels;
    for (ptrdiff_t c = 0; c < channels; c += LANES) {
      const floats a1 = of_channels(k1 + c), a2 = two ? of_channels(k2 + c) : a1, b = of_channels(d + c);
      for (ptrdiff_t i = first * channels + c; i < end * channels; i += channels) {
        floats u = load(x1 + i) * a1 + b;
        if (two) u += load(x2 + i) * a2;
        store(y + i, value(u, f, curve));
      }
    }
  }
}

void flash_forward(const uint16_t* x1, const uint16_t* x2, ptrdiff_t pixels, ptrdiff_t channels, const float* k1, const float* k2, const float* d,
                   const Curve* f, uint16_t* y) {
#define CALL(CURVE, TWO) forward(x1, x2, pixels, channels, k1, k2, d, f, y, CURVE, TWO);
  FOR_EACH(CALL)
#undef CALL
}

static inline __attribute__((always_inline)) void backward(const uint16_t* dy, const uint16_t* x1, const uint16_t* x2, ptrdiff_t pixels,
                                                           ptrdiff_t channels, const float* k1, const float* k2, const float* d, const Curve* f,
                                                           uint16_t* du, double* sums, int curve, int two) {
  for (ptrdiff_t first = 0; first < pixels; first += ROWS) {
    const ptrdiff_t end = first + ROWS < pixels ? first + ROWS : pixels;
    for (ptrdiff_t c = 0; c < channels; c += LANES) {
      const floats a1 = of_channels(k1 + c), a2 = two ? of_channels(k2 + c) : a1, b = of_channels(d + c);
      floats sum = {}, with1 = {}, with2 = {};
      for (ptrdiff_t i = first * channels + c; i < end * channels; i += channels) {
        const floats v1 = load(x1 + i), v2 = two ? load(x2 + i) : v1;
        floats u = v1 * a1 + b;
        if (two) u += v2 * a2;
        const floats g = load(dy + i) * slope(u, f, curve);
        store(du + i, g);
        sum += g;
        with1 += g * v1;
        if (two) with2 += g * v2;
      }
      add(sums + c, sum);
      add(sums + channels + c, with1);
      add(sums + 2 * channels + c, with2);
    }
  }
}

// du = dy f'(u), and per channel the sums of du, du x1, du x2: sums[0, 3 channels).
void flash_backward(const uint16_t* dy, const uint16_t* x1, const uint16_t* x2, ptrdiff_t pixels, ptrdiff_t channels, const float* k1,
                    const float* k2, const float* d, const Curve* f, uint16_t* du, double* sums) {
  memset(sums, 0, 3 * channels * sizeof *sums);
#define CALL(CURVE, TWO) backward(dy, x1, x2, pixels, channels, k1, k2, d, f, du, sums, CURVE, TWO);
  FOR_EACH(CALL)
#undef CALL
}

// dx = p du + q x + r with p, q, r [3, channels]: what a normalisation's gradient is. dx may be du.
void flash_inputs(const uint16_t* du, const uint16_t* x, ptrdiff_t pixels, ptrdiff_t channels, const float* pqr, uint16_t* dx) {
  for (ptrdiff_t first = 0; first < pixels; first += ROWS) {
    const ptrdiff_t end = first + ROWS < pixels ? first + ROWS : pixels;
    for (ptrdiff_t c = 0; c < channels; c += LANES) {
      const floats p = of_channels(pqr + c), q = of_channels(pqr + channels + c), r = of_channels(pqr + 2 * channels + c);
      for (ptrdiff_t i = first * channels + c; i < end * channels; i += channels) store(dx + i, load(du + i) * p + (load(x + i) * q + r));
    }
  }
}
