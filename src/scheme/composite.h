// The activations' composite scheme: slots of k values each, one half of a ciphertext as an answer, and shares that
// both parties round. The server owns the secret key of one inference and encrypts vectors that depend only on its own
// masks. The client multiplies them by its vectors and adds a fresh RLWE sample under the server's public key; what it
// then holds, b + a'' s = Delta V + noise, is a sharing of V = sum_j p_j E_j between b, which it keeps, and a'' s,
// which the server computes from a''. Both round their part to a share of V mod P. (composite_parameters.cpp: how often
// the shares do not add up.)
//
// What the server sees is a function of a'' = sum_j p_j a_j + a_pk u + e1 alone: an RLWE sample under the client's u,
// which serves this answer and nothing else. So it sees nothing of the p_j, whatever its ciphertexts and its key are,
// as long as the client keeps b and its share to itself; a_j and a_pk are expanded by both parties from a hash, so that
// neither chooses them. What the client sees are RLWE samples under s: nothing of the E_j, as long as the server keeps
// its share to itself but for what is uniform anyway.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/random.h"
#include "scheme/composite_ring.h"

namespace flash::scheme {

/// What the public halves are hashed from: one half of it is each party's, fresh for each inference, and public.
struct CompositeSeeds {
    PublicSeed client_nonce;
    PublicSeed server_seed;
};

/// Names the public `a` of one of the server's vectors within an inference: chunk < 2^32 of the stream of slots, vector
/// < rank.
struct CompositeVectorId {
    std::uint32_t chunk = 0;
    std::uint32_t vector = 0;
    bool operator==(const CompositeVectorId&) const = default;
};

/// The server's secret for ONE inference. Wiped on destruction; not copyable.
class CompositeSecretKey {
public:
    CompositeSecretKey(std::shared_ptr<const CompositeRing> ring, const CompositeSeeds& seeds, Prng& rng);
    ~CompositeSecretKey();
    CompositeSecretKey(const CompositeSecretKey&) = delete;
    CompositeSecretKey& operator=(const CompositeSecretKey&) = delete;

    /// b half of the public key, packed: appended to out.
    void append_public_key(std::vector<std::uint8_t>& out) const;

    /// Encrypts k n values, n mod each T_i; appends the packed b half. Each id only once: Error(kInternal) otherwise,
    /// or if it is out of range. Thread-safe (own rng per thread).
    void encrypt(CompositeVectorId id, std::span<const std::uint32_t> values, Prng& rng,
                 std::vector<std::uint8_t>& out);

    /// The server's share of an answer: k n values. Error(kProtocol) unless the answer's size is exact and every
    /// coefficient below its modulus. Thread-safe.
    void decrypt(std::span<const std::uint8_t> answer, std::span<std::uint32_t> share) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

class CompositeEvaluator;

/// The part of one answer that does not depend on the server's vectors or on the client's: everything random in it.
/// Good for ONE answer: with the same u and e1 in two, their difference would be a function of the client's vectors
/// that an equation system solves. So it cannot be copied and CompositeEvaluator::answer consumes it. Wiped when
/// consumed or destroyed. May outlive its evaluator, but serves no other.
class PreparedAnswer {
public:
    PreparedAnswer();  ///< empty; answer refuses it
    ~PreparedAnswer();
    PreparedAnswer(PreparedAnswer&&) noexcept;
    PreparedAnswer& operator=(PreparedAnswer&&) noexcept;

    bool empty() const { return !state_; }

private:
    friend class CompositeEvaluator;
    struct State;
    std::unique_ptr<State> state_;
};

/// Memory in bytes: of a prepared answer; of what a party keeps through an inference; and of the blocks that each of
/// its threads works on.
std::size_t prepared_answer_bytes(const CompositeRing& ring);
struct CompositeMemory {
    std::size_t kept = 0, working = 0;
};
CompositeMemory server_memory(const CompositeRing& ring);
CompositeMemory client_memory(const CompositeRing& ring);

/// One summand of the client's inner product: the packed b half of a server's vector, and k n values of the client.
struct CompositeFactor {
    std::span<const std::uint8_t> ciphertext;
    std::span<const std::uint32_t> plain;
};

/// The client's side. All functions are thread-safe (own rng per thread).
class CompositeEvaluator {
public:
    /// public_key: packed b half from the server; Error(kProtocol) if its size or a coefficient is out of range.
    CompositeEvaluator(std::shared_ptr<const CompositeRing> ring, const CompositeSeeds& seeds,
                       std::span<const std::uint8_t> public_key);
    ~CompositeEvaluator();

    /// Prepares the answer to the products of the vectors `ids`, at most the ring's rank (the noise analysis counts on
    /// it): Error(kInternal) for more. rng: secret; gives u and e1.
    PreparedAnswer prepare(std::span<const CompositeVectorId> ids, Prng& rng) const;

    /// The answer to sum_j ciphertext_j plain_j (slot-wise, mod each T_i), j over the ids of `prepared`: what is sent.
    /// The client's share of the sum, k n values, is written to `share` and never leaves the client. `prepared` is
    /// empty afterwards, whatever happens. Error(kInternal) if it was before, comes from another evaluator or was
    /// prepared for another number of products; Error(kProtocol) on malformed ciphertext bytes.
    std::vector<std::uint8_t> answer(PreparedAnswer&& prepared, std::span<const CompositeFactor> factors,
                                     std::span<std::uint32_t> share) const;

private:
    friend class PreparedAnswer;
    struct State;
    std::shared_ptr<const State> state_;
};

}  // namespace flash::scheme
