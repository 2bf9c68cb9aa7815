#include "protocol/activation_shares.h"

#include <cstddef>

#include "lattice/modulus.h"

namespace flash::protocol {

namespace {

// x mod T in [0, T) for |x| < 2^62, in constant time.
class Residue {
public:
    explicit Residue(std::uint32_t modulus)
        : modulus_(modulus), by_modulus_(modulus), lift_((std::uint64_t{1} << 62) / modulus * modulus) {}
    std::uint32_t operator()(std::int64_t x) const {
        const std::uint64_t lifted = static_cast<std::uint64_t>(x) + lift_;  // not negative, < 2^63
        return static_cast<std::uint32_t>(lifted - by_modulus_.quotient(lifted) * modulus_);
    }

private:
    std::uint64_t modulus_;
    lattice::Divider by_modulus_;
    std::uint64_t lift_;
};

// 1 if share < 2^(m-1), else 0.
std::int64_t lower_half(std::uint32_t share, int share_bits) { return 1 - static_cast<std::int64_t>(share >> (share_bits - 1)); }

void resize(std::array<SecretVector<std::uint32_t>, kServerVectors>& vectors, std::size_t count) {
    for (auto& v : vectors)
        if (v.size() != count) v = SecretVector<std::uint32_t>(count);
}

}  // namespace

void server_vectors(std::span<const std::uint32_t> shares, std::span<const std::int32_t> kappa, int share_bits,
                    std::uint32_t modulus, std::array<SecretVector<std::uint32_t>, kServerVectors>& vectors) {
    const Residue residue(modulus);
    resize(vectors, shares.size());
    const std::int64_t unit = std::int64_t{1} << share_bits;
    for (std::size_t i = 0; i < shares.size(); ++i) {
        const std::int64_t b = shares[i];
        const std::int64_t w = lower_half(shares[i], share_bits);
        vectors[0][i] = residue(2 * b + kappa[i]);
        vectors[1][i] = residue(w * (2 * unit * b + unit * unit + kappa[i] * unit));
        vectors[2][i] = residue(w * 2 * unit);
    }
}

void client_vectors(std::span<const std::uint32_t> shares, std::span<const std::uint32_t> mask, int share_bits,
                    std::uint32_t modulus, std::array<SecretVector<std::uint32_t>, kServerVectors>& vectors,
                    SecretVector<std::uint32_t>& addend) {
    const Residue residue(modulus);
    resize(vectors, shares.size());
    if (addend.size() != shares.size()) addend = SecretVector<std::uint32_t>(shares.size());
    const std::int64_t shift = (std::int64_t{1} << share_bits) + (std::int64_t{1} << (share_bits - 2));
    for (std::size_t i = 0; i < shares.size(); ++i) {
        const std::int64_t a = static_cast<std::int64_t>(shares[i]) - shift;
        const std::int64_t p = lower_half(shares[i], share_bits);
        vectors[0][i] = residue(a);
        vectors[1][i] = static_cast<std::uint32_t>(p);
        vectors[2][i] = residue(p * a);
        addend[i] = residue(a * a - static_cast<std::int64_t>(mask[i]));
    }
}

void finish_server_share(std::span<std::uint32_t> product, std::span<const std::uint32_t> shares,
                         std::span<const std::int32_t> kappa, std::span<const std::int32_t> offset, std::uint32_t modulus) {
    const Residue residue(modulus);
    for (std::size_t i = 0; i < product.size(); ++i) {
        const std::int64_t b = shares[i];
        product[i] = residue(static_cast<std::int64_t>(product[i]) + b * b + kappa[i] * b + offset[i]);
    }
}

}  // namespace flash::protocol
