// Sums of products of 128 bits: 2^10 products below 2^102 leave room.
#include "lattice/kernels/transform_product.h"

namespace flash::lattice::kernels {

namespace {

void lift(const TransformPrime& prime, const std::uint32_t* words, int shift, std::uint32_t mask, std::uint64_t* out,
          std::size_t count) {
    for (std::size_t j = 0; j < count; ++j)
        out[j] = prime.modulus.from_signed(
            static_cast<std::int32_t>(static_cast<std::uint32_t>(static_cast<std::int32_t>(words[j]) >> shift) & mask));
}

void arrange(const TransformPrime&, const std::uint64_t* values, std::uint64_t* out, std::size_t stride,
             std::size_t count) {
    for (std::size_t j = 0; j < count; ++j) out[j * stride] = values[j];
}

template <std::size_t kRows>
void sums_of(const TransformPrime& prime, const std::uint64_t* x, std::size_t parts, const std::uint64_t* w,
             std::size_t inputs, std::uint64_t* sums, std::size_t count) {
    for (std::size_t j = 0; j < count; ++j, w += inputs * kRows)
        for (std::size_t part = 0; part < parts; ++part, x += inputs) {
            u128 sum[kRows] = {};
            for (std::size_t first = 0; first < inputs; first += kTransformInputs) {
                const std::size_t end = inputs - first < kTransformInputs ? inputs : first + kTransformInputs;
                for (std::size_t i = first; i < end; ++i)
                    for (std::size_t r = 0; r < kRows; ++r) sum[r] += static_cast<u128>(x[i]) * w[i * kRows + r];
                for (std::size_t r = 0; r < kRows; ++r) sum[r] = prime.modulus.reduce(sum[r]);
            }
            for (std::size_t r = 0; r < kRows; ++r)
                sums[(part * kRows + r) * count + j] = static_cast<std::uint64_t>(sum[r]);
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
    const std::uint64_t p = prime.wide.p, half = p / 2;
    for (std::size_t j = 0; j < count; ++j)
        out[j] = static_cast<std::uint32_t>(residues[j] - (p & (0 - ((half - residues[j]) >> 63))));
}

}  // namespace

const TransformKernels kTransformPortable = {1, lift, arrange, sums, words};

}  // namespace flash::lattice::kernels
