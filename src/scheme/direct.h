// The scheme of the linear layers: RLWE in one of the rings R_q of scheme/parameters.h, "direct" (coefficient)
// encoding, so that X^k rotates for free. The client owns the secret key; the server holds ciphertexts whose phase b +
// a*s = (q/T) * value + noise. Elements of R_q are words mod 2^32, multiples of d = 2^32 / q; below, q stands for 2^32
// and errors are multiples of d. (protocol.md sections 3 and 4; Flash, arXiv 2401.16732.)
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_set>
#include <vector>

#include "base/random.h"
#include "scheme/parameters.h"
#include "scheme/public_polynomials.h"

namespace flash::scheme {

/// n coefficients mod 2^32, multiples of d.
using Poly32 = std::vector<std::uint32_t>;

/// The client's secret for ONE inference in one ring: uniform ternary s. Wiped on destruction; not copyable.
class DirectSecretKey {
public:
    /// publics must outlive the key, and so must transforms, which may keep the transforms of the publics' polynomials
    /// (of the same model); without it every encryption makes its own.
    DirectSecretKey(const PublicPolynomials& publics, const DirectRing& ring, Prng& rng,
                    PublicTransforms* transforms = nullptr);
    ~DirectSecretKey();
    DirectSecretKey(const DirectSecretKey&) = delete;
    DirectSecretKey& operator=(const DirectSecretKey&) = delete;

    const DirectRing& ring() const { return ring_; }
    /// b_pk = -a_pk s + d e, n words, multiples of d, for the server.
    const Poly32& public_b() const;

    /// b = -a s + d e + round(q/T * plain), the last rounded to a multiple of d, like all of b: nothing finer than q
    /// depends on a secret. plain: n values mod T (public zeros where nothing is packed). b: n words out. Throws
    /// Error(kInternal) if this id was encrypted before under this key: the pair (a, s) must never be used twice. Safe
    /// to call from several threads (each with its own rng).
    void encrypt(UploadId id, std::span<const std::uint32_t> plain, std::uint32_t plain_modulus, Prng& rng,
                 std::span<std::uint32_t> b);

    /// The phase b + a s mod 2^32 of some coefficients: phase[i] = b[i] + (a s)[positions[i]]. a: n words; positions, b
    /// and phase have the same size; the positions are public and below n, else Error(kInternal). Time independent of s
    /// and of the phase.
    void decrypt(std::span<const std::uint32_t> a, std::span<const std::uint16_t> positions,
                 std::span<const std::uint32_t> b, std::span<std::uint32_t> phase) const;

private:
    struct Secret;
    const PublicPolynomials& publics_;
    const DirectRing ring_;
    PublicTransforms* transforms_;
    std::unique_ptr<Secret> secret_;
    Poly32 public_b_;
    std::mutex used_mutex_;
    std::unordered_set<std::uint64_t> used_;
};

/// The server's use of the client's public key of one ring: re-randomisation of results.
class DirectPublicKey {
public:
    /// public_b: n words received from the client, multiples of d (any others are acceptable; they cannot harm the
    /// server's secrets).
    DirectPublicKey(const PublicPolynomials& publics, const DirectRing& ring, std::span<const std::uint32_t> public_b);
    ~DirectPublicKey();

    /// a += a_pk u + d e1 (n words, multiples of d), b[i] += (b_pk u)[positions[i]] + rho[i], with fresh ternary u and
    /// error e1 from rng. b holds the coefficients that will be sent, and those only: positions, b and rho have the
    /// same size; positions are public and below n, else Error(kInternal). rho must be uniform mod 2^32 and fresh: it
    /// hides b completely, its noise and what is finer than d included; a becomes an RLWE sample under u. Coefficients
    /// of b that are never sent need no mask: the peer's view holds nothing of them, so it is the same as if the whole
    /// of b had been masked with a rho uniform over R_q and the rest dropped.
    void mask(std::span<std::uint32_t> a, std::span<const std::uint16_t> positions, std::span<std::uint32_t> b,
              std::span<const std::uint32_t> rho, Prng& rng) const;

private:
    struct Transforms;
    const DirectRing ring_;
    std::unique_ptr<Transforms> transforms_;
};

/// round(q/T * value) mod 2^32, exact; value in [0, T). For whole arrays: lattice::add_scaled.
std::uint32_t scale_up(std::uint32_t value, std::uint32_t plain_modulus);

}  // namespace flash::scheme
