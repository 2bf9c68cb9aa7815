// The kernels behind sine_factors() of model/sine.h. start: of a share's angle, in units of 2^-16 of a period.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flash::model::kernels {

using SineFactors = void(const std::uint32_t* shares, std::uint32_t start, int share_bits, std::int32_t amplitude,
                         std::uint32_t modulus, std::uint32_t* sines, std::uint32_t* cosines, std::size_t count);

SineFactors sine_factors_portable, sine_factors_avx2, sine_factors_avx512;

}  // namespace flash::model::kernels
