#include "model/kernels/sine.inl"

namespace flash::model::kernels {

void sine_factors_avx512(const std::uint32_t* shares, std::uint32_t start, int share_bits, std::int32_t amplitude,
                         std::uint32_t modulus, std::uint32_t* sines, std::uint32_t* cosines, std::size_t count) {
    sine_factors(shares, start, share_bits, amplitude, modulus, sines, cosines, count);
}

}  // namespace flash::model::kernels
