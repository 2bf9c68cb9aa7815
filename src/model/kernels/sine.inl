// The kernel of sine.h, written once in integers; each sibling includes it in a file of its own, whose instruction set
// the compiler vectorises it for. Integers leave nothing to differ.
#include "model/kernels/sine.h"
#include "model/sine.h"

namespace flash::model::kernels {
namespace {

inline __attribute__((always_inline)) void sine_factors(const std::uint32_t* __restrict shares, std::uint32_t start,
                                                        int share_bits, std::int32_t amplitude, std::uint32_t modulus,
                                                        std::uint32_t* __restrict sines,
                                                        std::uint32_t* __restrict cosines, std::size_t count) {
    // A negative one gets T: its sign bit as a mask.
    const auto residue = [modulus](std::int32_t value) {
        return static_cast<std::uint32_t>(value) + (modulus & static_cast<std::uint32_t>(value >> 31));
    };
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t turn = (shares[i] << (16 - share_bits)) + start;
        sines[i] = residue(rounded_sine(turn, amplitude));
        cosines[i] = residue(rounded_sine(turn + 0x4000u, amplitude));
    }
}

}  // namespace
}  // namespace flash::model::kernels
