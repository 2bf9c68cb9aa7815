// out += factor * in on words mod 2^32.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flash::lattice::kernels {

using MultiplyAdd = void (*)(std::uint32_t* out, const std::uint32_t* in, std::size_t count, std::uint32_t factor);

void multiply_add_portable(std::uint32_t* out, const std::uint32_t* in, std::size_t count, std::uint32_t factor);
void multiply_add_avx2(std::uint32_t* out, const std::uint32_t* in, std::size_t count, std::uint32_t factor);
void multiply_add_avx512(std::uint32_t* out, const std::uint32_t* in, std::size_t count, std::uint32_t factor);

}  // namespace flash::lattice::kernels
