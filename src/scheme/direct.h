// The scheme of the linear layers: RLWE in R_q, q = 2^32, n = 2048, "direct" (coefficient) encoding, so that X^k rotates
// for free. The client owns the secret key; the server holds ciphertexts whose phase b + a*s = (q/T) * value + noise.
// (protocol.md sections 3 and 4; Flash, arXiv 2401.16732.)
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_set>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "scheme/parameters.h"

namespace flash::scheme {

/// n coefficients mod 2^32.
using Poly32 = std::vector<std::uint32_t>;

/// Names one public polynomial of a model: which group of uploads ("stream") and which polynomial of it.
struct UploadId {
    std::uint32_t stream = 0;
    std::uint32_t polynomial = 0;
    bool operator==(const UploadId&) const = default;
};

/// The `a` halves: uniform polynomials expanded from the model's fingerprint, so that the server can apply its layers to
/// them once, when the model is loaded. Fixed per model; that is sound because every inference has a fresh secret and
/// DirectSecretKey refuses to use one `a` twice.
class PublicPolynomials {
public:
    explicit PublicPolynomials(const Sha256& fingerprint) : seed_(fingerprint) {}
    /// a of one upload; out has n words.
    void upload(UploadId id, std::span<std::uint32_t> out) const;
    /// a of the client's public key (its own domain: never equal to an upload's stream).
    void key(std::span<std::uint32_t> out) const;

private:
    PublicSeed seed_;
};

/// The client's secret for ONE inference: uniform ternary s. Wiped on destruction; not copyable.
class DirectSecretKey {
public:
    /// publics must outlive the key.
    DirectSecretKey(const PublicPolynomials& publics, Prng& rng);
    ~DirectSecretKey();
    DirectSecretKey(const DirectSecretKey&) = delete;
    DirectSecretKey& operator=(const DirectSecretKey&) = delete;

    /// b_pk = -a_pk s + e, n words, for the server.
    const Poly32& public_b() const;

    /// b = -a s + e + round(q/T * plain). plain: n values mod T (public zeros where nothing is packed). b: n words out.
    /// Throws Error(kInternal) if this id was encrypted before under this key: the pair (a, s) must never be used twice.
    /// Safe to call from several threads (each with its own rng).
    void encrypt(UploadId id, std::span<const std::uint32_t> plain, std::uint32_t plain_modulus, Prng& rng,
                 std::span<std::uint32_t> b);

    /// phase = b + a s mod 2^32 (n words each). Time independent of s and of the phase.
    void decrypt(std::span<const std::uint32_t> a, std::span<const std::uint32_t> b, std::span<std::uint32_t> phase) const;

private:
    struct Secret;
    const PublicPolynomials& publics_;
    std::unique_ptr<Secret> secret_;
    Poly32 public_b_;
    std::mutex used_mutex_;
    std::unordered_set<std::uint64_t> used_;
};

/// The server's use of the client's public key: re-randomisation of results.
class DirectPublicKey {
public:
    /// public_b: n words received from the client (any words are acceptable; they cannot harm the server's secrets).
    DirectPublicKey(const PublicPolynomials& publics, std::span<const std::uint32_t> public_b);
    ~DirectPublicKey();

    /// a += a_pk u + e1, b += b_pk u + rho, with fresh ternary u and error e1 from rng. rho must be uniform over all of R_q:
    /// it hides b completely, its noise included; a becomes an RLWE sample under u.
    void mask(std::span<std::uint32_t> a, std::span<std::uint32_t> b, std::span<const std::uint32_t> rho, Prng& rng) const;

private:
    struct Transforms;
    std::unique_ptr<Transforms> transforms_;
};

/// round(q/T * value) mod 2^32, exact; value in [0, T).
std::uint32_t scale_up(std::uint32_t value, std::uint32_t plain_modulus);

}  // namespace flash::scheme
