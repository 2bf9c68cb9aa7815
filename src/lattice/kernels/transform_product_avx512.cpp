// Products of 52 bits: their low and high halves are summed apart, eight lanes a vector.
#include "lattice/kernels/lanes_avx512.h"
#include "lattice/kernels/transform_product.h"
#include "lattice/kernels/wide_prime.h"

namespace flash::lattice::kernels {

namespace {

void lift(const TransformPrime& prime, const std::uint32_t* words, int shift, std::uint32_t mask, std::uint64_t* out,
          std::size_t count) {
    const Prime wide(prime.wide);
    const __m256i kept = _mm256_set1_epi32(static_cast<int>(mask));
    for (std::size_t j = 0; j < count; j += Lanes::kCount) {
        const __m256i word =
            _mm256_sra_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(words + j)), _mm_cvtsi32_si128(shift));
        Lanes::store(out + j, wide.from_signed(_mm512_cvtepi32_epi64(_mm256_and_si256(word, kept))));
    }
}

void arrange(const TransformPrime&, const std::uint64_t* values, std::uint64_t* out, std::size_t stride,
             std::size_t count) {
    for (std::size_t j = 0; j < count; j += Lanes::kCount, out += stride) Lanes::store(out, Lanes::load(values + j));
}

/// low + 2^52 high mod p for low < 2^63 and high < 2^61, in [0, p).
Vector fold(Vector low, Vector high, const Prime& prime, Vector shift, Vector shift_quotient) {
    high = Lanes::add(high, Lanes::shift_right(low, 52));
    const Vector top = prime.multiply(Lanes::shift_right(high, 52), shift, shift_quotient);
    const Vector middle = Lanes::add(top, prime.reduce(Lanes::bit_and(high, prime.low)));  // below 4p < 2^52
    return prime.from_four_p(
        Lanes::add(prime.multiply(middle, shift, shift_quotient), prime.reduce(Lanes::bit_and(low, prime.low))));
}

template <std::size_t kRows>
void sums_of(const TransformPrime& modulus, const std::uint64_t* x, std::size_t parts, const std::uint64_t* w,
             std::size_t inputs, std::uint64_t* sums, std::size_t count) {
    constexpr std::size_t kLanes = Lanes::kCount;
    const Prime prime(modulus.wide);
    const Vector shift = Lanes::all(modulus.wide.two_52), shift_quotient = Lanes::all(modulus.wide.two_52_quotient);
    for (std::size_t j = 0; j < count; j += kLanes, w += inputs * kRows * kLanes)
        for (std::size_t part = 0; part < parts; ++part, x += inputs * kLanes) {
            Vector low[kRows], high[kRows];
            for (std::size_t r = 0; r < kRows; ++r) low[r] = Lanes::zero();
            for (std::size_t first = 0; first < inputs; first += kTransformInputs) {
                const std::size_t end = inputs - first < kTransformInputs ? inputs : first + kTransformInputs;
                for (std::size_t r = 0; r < kRows; ++r) high[r] = Lanes::zero();
                for (std::size_t i = first; i < end; ++i) {
                    const Vector value = Lanes::load(x + i * kLanes);
                    for (std::size_t r = 0; r < kRows; ++r) {
                        const Vector weight = Lanes::load(w + (i * kRows + r) * kLanes);
                        low[r] = Lanes::add_low(low[r], value, weight);
                        high[r] = Lanes::add_high(high[r], value, weight);
                    }
                }
                for (std::size_t r = 0; r < kRows; ++r) low[r] = fold(low[r], high[r], prime, shift, shift_quotient);
            }
            for (std::size_t r = 0; r < kRows; ++r) Lanes::store(sums + (part * kRows + r) * count + j, low[r]);
        }
}

void sums(const TransformPrime& prime, const std::uint64_t* x, std::size_t parts, const std::uint64_t* w,
          std::size_t inputs, std::size_t rows, std::uint64_t* sums, std::size_t count) {
    switch (rows) {
        case 1: return sums_of<1>(prime, x, parts, w, inputs, sums, count);
        case 2: return sums_of<2>(prime, x, parts, w, inputs, sums, count);
        case 3: return sums_of<3>(prime, x, parts, w, inputs, sums, count);
        case 4: return sums_of<4>(prime, x, parts, w, inputs, sums, count);
    }
}

void words(const TransformPrime& prime, const std::uint64_t* residues, std::uint32_t* out, std::size_t count) {
    const Vector p = Lanes::all(prime.wide.p), half = Lanes::all(prime.wide.p / 2);
    for (std::size_t j = 0; j < count; j += Lanes::kCount) {
        const Vector x = Lanes::load(residues + j);
        Lanes::store(out + j, Lanes::subtract(x, Lanes::if_less(half, x, p)));
    }
}

}  // namespace

const TransformKernels kTransformAvx512 = {Lanes::kCount, lift, arrange, sums, words};

}  // namespace flash::lattice::kernels
