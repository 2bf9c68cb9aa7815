// The scheme of the linear layers: RLWE in one of the rings R_q of scheme/parameters.h, "direct" (coefficient)
// encoding, so that X^k rotates for free. The client owns the secret key; the server holds ciphertexts whose phase b +
// a*s = (q/T) * value + noise. Elements of R_q are words mod 2^32, multiples of d = 2^32 / q; below, q stands for 2^32
// and errors are multiples of d. (docs/protocol.md; Flash, arXiv 2401.16732.)
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/secret.h"
#include "scheme/parameters.h"
#include "scheme/public_polynomials.h"

namespace flash::scheme {

/// n coefficients mod 2^32, multiples of d.
using Poly32 = std::vector<std::uint32_t>;

/// Depth of a key that encrypts values of every depth: one for a whole network. It keeps its secret from a server that
/// follows the protocol only: another one makes a value a function of the key and has it uploaded under that key.
inline constexpr int kAllDepths = std::numeric_limits<int>::max();

/// Some words of a party's share of a value, in units of 2^32 (round(2^32 Y / T) for each), and the depth of the value:
/// what it may be a function of is all that was answered at that depth and before. Does not own the words.
struct LevelledShare {
    int depth;
    std::span<const std::uint32_t> words;
};

/// Public of a key of one depth: a_pk (n words; must outlive the construction).
struct KeyPublics {
    int depth;
    std::span<const std::uint32_t> a;
};

class DirectSecretKey;

/// d e - a s of one upload, made before there is anything to upload. Good for ONE encryption, which consumes it: with a
/// second one the difference of two plaintexts would be in the clear. Secret until then; move-only, wiped on
/// destruction.
class PreparedUpload {
public:
    PreparedUpload(PreparedUpload&& other) noexcept
        : key_(std::exchange(other.key_, nullptr)),
          words_(std::move(other.words_)) {}
    PreparedUpload(const PreparedUpload&) = delete;
    PreparedUpload& operator=(const PreparedUpload&) = delete;

private:
    friend class DirectSecretKey;
    PreparedUpload(const DirectSecretKey* key, std::size_t degree) : key_(key), words_(degree) {}
    const DirectSecretKey* key_;  // that made it; null once used
    SecretBuffer<std::uint32_t> words_;
};

/// The client's secret for ONE inference in one ring, and for uploads to the layers of one depth (or of all depths):
/// uniform ternary s. Wiped on destruction; not copyable.
class DirectSecretKey {
public:
    /// A key of one depth: its responses are those of the layers of that depth, and it encrypts shallower values only.
    /// Nothing that a server makes of its responses can then ever be encrypted under it.
    DirectSecretKey(const PublicPolynomials& publics, const DirectRing& ring, const KeyPublics& key, Prng& rng,
                    PublicTransforms* transforms = nullptr);
    /// A key of kAllDepths under the model's own a_pk.
    /// publics must outlive the key, and so must transforms, which may keep the transforms of the publics' polynomials
    /// (of the same model); without it every encryption makes its own.
    DirectSecretKey(const PublicPolynomials& publics, const DirectRing& ring, Prng& rng,
                    PublicTransforms* transforms = nullptr);
    ~DirectSecretKey();
    DirectSecretKey(const DirectSecretKey&) = delete;
    DirectSecretKey& operator=(const DirectSecretKey&) = delete;

    const DirectRing& ring() const { return ring_; }
    int depth() const { return depth_; }
    /// b_pk = -a_pk s + d e, n words, multiples of d, for the server.
    const Poly32& public_b() const;

    /// What encrypt() needs of an upload beside the share. Throws Error(kInternal) if this id was prepared before under
    /// this key: the pair (a, s) must never be used twice. Safe to call from several threads (each with its own rng).
    PreparedUpload prepare(UploadId id, Prng& rng);
    /// b = -a s + d e + share, the last rounded to a multiple of d, like all of b: nothing finer than q depends on a
    /// secret. share: n words (public zeros where nothing is packed). b: n words out. Error(kInternal) if the value is
    /// not shallower than the key, or if `prepared` was used or is another key's; no value of the share is looked at.
    void encrypt(PreparedUpload prepared, const LevelledShare& share, std::span<std::uint32_t> b) const;
    /// Both at once.
    void encrypt(UploadId id, const LevelledShare& share, Prng& rng, std::span<std::uint32_t> b) {
        check(share, b.size());
        encrypt(prepare(id, rng), share, b);
    }

    /// The phase b + a s mod 2^32 of some coefficients: phase[i] = b[i] + (a s)[positions[i]]. a: n words; positions, b
    /// and phase have the same size; the positions are public and below n, else Error(kInternal). Time independent of s
    /// and of the phase.
    void decrypt(std::span<const std::uint32_t> a, std::span<const std::uint16_t> positions,
                 std::span<const std::uint32_t> b, std::span<std::uint32_t> phase) const;

private:
    struct Secret;
    void check(const LevelledShare& share, std::size_t size) const;
    const PublicPolynomials& publics_;
    const DirectRing ring_;
    const int depth_;
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
    /// The same under another a_pk, n words.
    DirectPublicKey(const DirectRing& ring, std::span<const std::uint32_t> public_a,
                    std::span<const std::uint32_t> public_b);
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
