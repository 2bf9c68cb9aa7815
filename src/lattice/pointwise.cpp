#include "lattice/pointwise.h"

#include <initializer_list>

#include "base/error.h"
#include "base/siblings.h"

namespace flash::lattice {

namespace {

constexpr std::uint64_t kWideLimit = std::uint64_t{1} << 50;
constexpr std::uint64_t kTwo52 = std::uint64_t{1} << 52;

void check_sizes(std::size_t size, std::initializer_list<std::size_t> others) {
    bool equal = size % 8 == 0;
    for (std::size_t other : others) equal &= other == size;
    require(equal, ErrorKind::kInternal, "arrays of residues of different sizes, or not a multiple of 8");
}

}  // namespace

const kernels::Pointwise& pointwise_kernels(InstructionSet set) {
    return *choose_sibling<const kernels::Pointwise*>(set, {.portable = &kernels::kPointwisePortable,
                                                            .simd128 = FLASH_SIMD128(&kernels::kPointwiseSimd128),
                                                            .neon = FLASH_NEON(&kernels::kPointwiseNeon),
                                                            .avx2 = FLASH_X86(&kernels::kPointwiseAvx2),
                                                            .avx512 = FLASH_X86(&kernels::kPointwiseAvx512)});
}

kernels::WideModulus wide_modulus(std::uint64_t p) {
    require(p > 2 && p % 2 == 1 && p < kWideLimit, ErrorKind::kInvalidArgument,
            "52-bit arithmetic needs an odd modulus below 2^50");
    const std::uint64_t rest = kTwo52 % p;
    // Newton: p is its own inverse mod 8, and each step doubles the number of right bits.
    std::uint64_t inverse = p;
    for (int bits = 3; bits < 52; bits *= 2) inverse *= 2 - p * inverse;
    return {p, kTwo52 / p, rest, static_cast<std::uint64_t>((static_cast<u128>(rest) << 52) / p),
            (0 - inverse) & (kTwo52 - 1)};
}

Pointwise::Pointwise(const Modulus& modulus, InstructionSet set)
    : kernels_(pointwise_kernels(set)),
      modulus_(wide_modulus(modulus.value())) {}

void Pointwise::quotients(std::span<const std::uint64_t> factor, std::span<std::uint64_t> out) const {
    check_sizes(out.size(), {factor.size()});
    kernels_.quotients(modulus_, factor.data(), out.data(), out.size());
}

void Pointwise::multiply(std::span<const std::uint64_t> x, std::span<const std::uint64_t> factor,
                         std::span<const std::uint64_t> quotients, std::span<std::uint64_t> out) const {
    check_sizes(out.size(), {x.size(), factor.size(), quotients.size()});
    kernels_.multiply(modulus_, x.data(), factor.data(), quotients.data(), out.data(), out.size());
}

namespace {

struct Factors {
    const std::uint64_t* pointers[kernels::kMaxSummands];
    Factors(std::span<const std::span<const std::uint64_t>> x, std::size_t size) {
        require(x.size() <= kernels::kMaxSummands, ErrorKind::kInternal, "a sum of more than four products");
        for (std::size_t k = 0; k < x.size(); ++k) {
            check_sizes(size, {x[k].size()});
            pointers[k] = x[k].data();
        }
    }
};

}  // namespace

void Pointwise::product_pair(std::span<const std::span<const std::uint64_t>> x,
                             std::span<const std::span<const std::uint64_t>> z,
                             std::span<const std::span<const std::uint64_t>> y, std::span<std::uint64_t> out_x,
                             std::span<std::uint64_t> out_z) const {
    require(!y.empty() && x.size() == y.size() && z.size() == y.size(), ErrorKind::kInternal,
            "a sum of products without all of their factors");
    check_sizes(out_x.size(), {out_z.size()});
    const Factors left(x, out_x.size()), second(z, out_x.size()), right(y, out_x.size());
    kernels_.product_pair(modulus_, left.pointers, second.pointers, right.pointers, y.size(), out_x.data(),
                          out_z.data(), out_x.size());
}

void Pointwise::lift(std::span<const std::int8_t> small, std::span<std::uint64_t> out) const {
    check_sizes(out.size(), {small.size()});
    kernels_.lift_small(modulus_, small.data(), out.data(), out.size());
}

void Pointwise::lift(std::span<const std::uint32_t> words, std::span<std::uint64_t> out) const {
    check_sizes(out.size(), {words.size()});
    require(modulus_.p > std::uint32_t(-1), ErrorKind::kInternal, "words lifted to a prime below 2^32");
    kernels_.lift_words(modulus_, words.data(), out.data(), out.size());
}

void Pointwise::add_centred(std::span<const std::uint64_t> x, std::span<std::uint32_t> out) const {
    check_sizes(out.size(), {x.size()});
    kernels_.add_words(modulus_, x.data(), out.data(), out.size());
}

void Pointwise::subtract_centred(std::span<const std::uint64_t> x, std::span<std::uint32_t> out) const {
    check_sizes(out.size(), {x.size()});
    kernels_.subtract_words(modulus_, x.data(), out.data(), out.size());
}

bool Pointwise::in_range(std::span<const std::uint64_t> x) const {
    check_sizes(x.size(), {});
    return kernels_.all_below(x.data(), modulus_.p, x.size());
}

}  // namespace flash::lattice
