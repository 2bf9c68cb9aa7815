#include "protocol/activation/composite/square_shares.h"

#include <cstddef>

#include "base/error.h"
#include "lattice/pointwise.h"
#include "protocol/activation/composite/kernels/square_shares.h"

namespace flash::protocol {

namespace {

using Vectors = std::array<SecretVector<std::uint32_t>, kSquareProducts>;

constexpr std::size_t kLanes = 8;

/// Calls f(kernels, first, count) for what the kernels of the set can do, and for the rest with the portable ones.
template <class F>
void in_two_parts(InstructionSet set, std::size_t count, const F& f) {
    const std::size_t whole = set >= InstructionSet::kAvx512 ? count / kLanes * kLanes : 0;
    if (whole) f(kernels::kSquareSharesAvx512, 0, whole);
    if (whole < count) f(kernels::kSquareSharesPortable, whole, count - whole);
}

void check_share_bits(int share_bits) {
    require(share_bits >= 2 && share_bits <= 16, ErrorKind::kInternal, "a share of a pre-activation has 2 to 16 bits");
}

void resize(SecretVector<std::uint32_t>& vector, std::size_t count) {
    if (vector.size() != count) vector = SecretVector<std::uint32_t>(count);
}

std::array<std::uint32_t*, kSquareProducts> at(Vectors& vectors, std::size_t first) {
    return {vectors[0].data() + first, vectors[1].data() + first, vectors[2].data() + first};
}

}  // namespace

void server_vectors(std::span<const std::uint32_t> shares, std::span<const std::int32_t> kappa, int share_bits,
                    std::uint32_t modulus, Vectors& vectors, InstructionSet set) {
    check_share_bits(share_bits);
    require(kappa.size() == shares.size(), ErrorKind::kInternal, "share arithmetic on arrays of different sizes");
    for (auto& vector : vectors) resize(vector, shares.size());
    in_two_parts(set, shares.size(),
                 [&, wide = lattice::wide_modulus(modulus)](const kernels::SquareShares& k, std::size_t first,
                                                            std::size_t count) {
                     k.server_vectors(wide, shares.data() + first, kappa.data() + first, share_bits,
                                      at(vectors, first).data(), count);
                 });
}

void client_vectors(std::span<const std::uint32_t> shares, int share_bits, std::uint32_t modulus, Vectors& vectors,
                    SecretVector<std::uint32_t>& addend, InstructionSet set) {
    check_share_bits(share_bits);
    for (auto& vector : vectors) resize(vector, shares.size());
    resize(addend, shares.size());
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
    require(shares.size() == product.size() && kappa.size() == product.size() && offset.size() == product.size(),
            ErrorKind::kInternal, "share arithmetic on arrays of different sizes");
    in_two_parts(set, product.size(),
                 [&, wide = lattice::wide_modulus(modulus)](const kernels::SquareShares& k, std::size_t first,
                                                            std::size_t count) {
                     k.finish_server_share(wide, product.data() + first, shares.data() + first, kappa.data() + first,
                                           offset.data() + first, count);
                 });
}

}  // namespace flash::protocol
