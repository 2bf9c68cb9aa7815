// The scheme of the activations: BFV with n = 4096 slots mod T, q of at most 109 bits in RNS. The server owns the
// secret key and encrypts vectors that depend only on its own masks; the client multiplies them by its plaintext
// vectors, adds its mask, re-randomises, floods the noise and switches the modulus down. (protocol.md, "The
// activation".)
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/instruction_set.h"
#include "base/random.h"
#include "scheme/parameters.h"

namespace flash::scheme {

/// Bytes of each serialized object (bit-packed, exact).
std::size_t slot_public_key_bytes(const SlotParameters& parameters);
std::size_t slot_ciphertext_bytes(
    const SlotParameters& parameters);  ///< b half only, all primes; `a` is expanded from a seed
std::size_t slot_response_bytes(const SlotParameters& parameters);  ///< both halves at response_bits per coefficient

/// Names the public `a` of one server-encrypted vector within an inference: layer < 2^32, chunk < 2^28, vector < 4.
struct SlotVectorId {
    std::uint32_t layer = 0;
    std::uint32_t chunk = 0;
    std::uint32_t vector = 0;
};

/// The server's secret for ONE inference. Wiped on destruction; not copyable.
class SlotSecretKey {
public:
    /// seed: public, fresh per inference, sent to the client; all `a` halves are expanded from it.
    SlotSecretKey(const SlotParameters& parameters, const PublicSeed& seed, Prng& rng,
                  InstructionSet set = best_instruction_set());
    ~SlotSecretKey();
    SlotSecretKey(const SlotSecretKey&) = delete;
    SlotSecretKey& operator=(const SlotSecretKey&) = delete;

    /// b half of the public key, packed: appended to out.
    void append_public_key(std::vector<std::uint8_t>& out) const;

    /// Encrypts up to 4096 values mod T (missing slots are zero); appends the packed b half. Each id only once:
    /// Error(kInternal) otherwise, or if it is out of range. Thread-safe (own rng per thread).
    void encrypt(SlotVectorId id, std::span<const std::uint32_t> values, Prng& rng, std::vector<std::uint8_t>& out);

    /// Slots of a product response (exactly slot_response_bytes), values.size() <= 4096 of them, mod T.
    /// Error(kProtocol) on a wrong size.
    void decrypt(std::span<const std::uint8_t> response, std::span<std::uint32_t> values) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

class SlotEvaluator;

/// The part of one response that does not depend on the server's vectors or on the client's slots: everything random in
/// it. Good for ONE response: using it twice would reveal the difference of two answers, so it cannot be copied and
/// SlotEvaluator::respond consumes it. It holds the client's mask, so it is wiped when consumed or destroyed. May
/// outlive its evaluator, but serves no other.
class PreparedResponse {
public:
    PreparedResponse();  ///< empty; respond refuses it
    ~PreparedResponse();
    PreparedResponse(PreparedResponse&&) noexcept;
    PreparedResponse& operator=(PreparedResponse&&) noexcept;

    bool empty() const { return !state_; }

private:
    friend class SlotEvaluator;
    struct State;
    std::unique_ptr<State> state_;
};

/// Memory of a prepared response, in bytes.
std::size_t prepared_response_bytes(const SlotParameters& parameters);

/// One summand of the client's inner product: the packed b half of a server vector, and the client's slots mod T
/// (missing ones are zero).
struct SlotFactor {
    std::span<const std::uint8_t> ciphertext;
    std::span<const std::uint32_t> plain;
};

/// The client's side of the activation. All functions are thread-safe (own rng per thread).
class SlotEvaluator {
public:
    /// public_key: packed b half from the server; Error(kProtocol) if its size or a coefficient is out of range.
    SlotEvaluator(const SlotParameters& parameters, const PublicSeed& seed, std::span<const std::uint8_t> public_key,
                  InstructionSet set = best_instruction_set());
    ~SlotEvaluator();

    /// Prepares the response to the products of the vectors `ids` (at most three, the noise analysis counts on it:
    /// Error(kInternal) for more). mask: the client's share of the result, up to 4096 values uniform mod T, used for
    /// nothing else; missing slots are not masked. rng: secret; gives u, e1 and the flooding.
    PreparedResponse prepare(std::span<const SlotVectorId> ids, std::span<const std::uint32_t> mask, Prng& rng) const;

    /// Response to sum_j ciphertext_j * plain_j + addend - mask (slot-wise, mod T), j over the ids of `prepared`:
    /// re-randomised with the server's public key (fresh u, e1), flooded with uniform noise of 2^40 times the noise
    /// bound, switched down to response_bits, packed. The server learns the slots' values and nothing else. `prepared`
    /// is empty afterwards, whatever happens. Error(kInternal) if it was before, comes from another evaluator or was
    /// prepared for another number of products; Error(kProtocol) on malformed ciphertext bytes.
    std::vector<std::uint8_t> respond(PreparedResponse&& prepared, std::span<const SlotFactor> factors,
                                      std::span<const std::uint32_t> addend) const;

private:
    friend class PreparedResponse;
    struct State;
    std::shared_ptr<const State> state_;
};

}  // namespace flash::scheme
