#include "protocol/activation/composite/square_shares.h"

#include <cstddef>

#include "base/error.h"
#include "base/siblings.h"
#include "lattice/pointwise.h"
#include "protocol/activation/composite/kernels/square_shares.h"

namespace flash::protocol {

namespace {

constexpr std::size_t kLanes = 8;

/// Calls f(kernels, first, count) for what the kernels of the set can do, and for the rest with the portable ones.
template <class F>
void in_two_parts(InstructionSet set, std::size_t count, const F& f) {
    const std::size_t whole = set > InstructionSet::kPortable ? count / kLanes * kLanes : 0;
    if (whole)
        f(*choose_sibling<const kernels::SquareShares*>(set, {.portable = &kernels::kSquareSharesPortable,
                                                              .simd128 = FLASH_SIMD128(&kernels::kSquareSharesSimd128),
                                                              .neon = FLASH_NEON(&kernels::kSquareSharesNeon),
                                                              .avx2 = FLASH_X86(&kernels::kSquareSharesAvx2),
                                                              .avx512 = FLASH_X86(&kernels::kSquareSharesAvx512)}),
          0, whole);
    if (whole < count) f(kernels::kSquareSharesPortable, whole, count - whole);
}

void check_share_bits(int share_bits) {
    require(share_bits >= 2 && share_bits <= 16, ErrorKind::kInternal, "a share of a pre-activation has 2 to 16 bits");
}

void check_size(std::size_t size, std::size_t expected) {
    require(size == expected, ErrorKind::kInternal, "share arithmetic on arrays of different sizes");
}

std::array<std::uint32_t*, kSquareProducts> at(const SquareVectors& vectors, std::size_t first) {
    return {vectors[0].data() + first, vectors[1].data() + first, vectors[2].data() + first};
}

}  // namespace

void server_vectors(std::span<const std::uint32_t> shares, std::span<const std::int32_t> kappa, int share_bits,
                    std::uint32_t modulus, const SquareVectors& vectors, InstructionSet set) {
    check_share_bits(share_bits);
    check_size(kappa.size(), shares.size());
    for (const auto& vector : vectors) check_size(vector.size(), shares.size());
    in_two_parts(set, shares.size(),
                 [&, wide = lattice::wide_modulus(modulus)](const kernels::SquareShares& k, std::size_t first,
                                                            std::size_t count) {
                     k.server_vectors(wide, shares.data() + first, kappa.data() + first, share_bits,
                                      at(vectors, first).data(), count);
                 });
}

void client_vectors(std::span<const std::uint32_t> shares, int share_bits, std::uint32_t modulus,
                    const SquareVectors& vectors, std::span<std::uint32_t> addend, InstructionSet set) {
    check_share_bits(share_bits);
    for (const auto& vector : vectors) check_size(vector.size(), shares.size());
    check_size(addend.size(), shares.size());
    in_two_parts(set, shares.size(),
                 [&, wide = lattice::wide_modulus(modulus)](const kernels::SquareShares& k, std::size_t first,
                                                            std::size_t count) {
                     k.client_vectors(wide, shares.data() + first, share_bits, at(vectors, first).data(),
                                      addend.data() + first, count);
                 });
}

void finish_server_share(std::span<std::uint32_t> product, std::span<const std::uint32_t> shares,
                         std::span<const std::int32_t> kappa, std::span<const std::int32_t> offset,
                         std::uint32_t modulus, InstructionSet set) {
    for (std::size_t size : {shares.size(), kappa.size(), offset.size()}) check_size(size, product.size());
    in_two_parts(set, product.size(),
                 [&, wide = lattice::wide_modulus(modulus)](const kernels::SquareShares& k, std::size_t first,
                                                            std::size_t count) {
                     k.finish_server_share(wide, product.data() + first, shares.data() + first, kappa.data() + first,
                                           offset.data() + first, count);
                 });
}

}  // namespace flash::protocol
