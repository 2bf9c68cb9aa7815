// The scheme of the activations: BFV with n = 4096 slots mod T, q = q1 q2 of at most 109 bits in RNS. The server owns the
// secret key and encrypts vectors that depend only on its own masks; the client multiplies them by its plaintext vectors,
// adds its mask, re-randomises, floods the noise and switches the modulus down. (protocol.md section 5.)
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/random.h"
#include "scheme/parameters.h"

namespace flash::scheme {

/// Bytes of each serialized object (bit-packed, exact).
std::size_t slot_public_key_bytes(const SlotParameters& parameters);
std::size_t slot_ciphertext_bytes(const SlotParameters& parameters);   ///< b half only, both primes; `a` is expanded from a seed
std::size_t slot_response_bytes(const SlotParameters& parameters);     ///< both halves at response_bits per coefficient

/// Names the public `a` of one server-encrypted vector within an inference.
struct SlotVectorId {
    std::uint32_t layer = 0;
    std::uint32_t chunk = 0;
    std::uint32_t vector = 0;
};

/// The server's secret for ONE inference. Wiped on destruction; not copyable.
class SlotSecretKey {
public:
    /// seed: public, fresh per inference, sent to the client; all `a` halves are expanded from it.
    SlotSecretKey(const SlotParameters& parameters, const PublicSeed& seed, Prng& rng);
    ~SlotSecretKey();
    SlotSecretKey(const SlotSecretKey&) = delete;
    SlotSecretKey& operator=(const SlotSecretKey&) = delete;

    /// b half of the public key, packed: appended to out.
    void append_public_key(std::vector<std::uint8_t>& out) const;

    /// Encrypts up to 4096 values mod T (missing slots are zero); appends the packed b half. Each id only once:
    /// Error(kInternal) otherwise. Thread-safe (own rng per thread).
    void encrypt(SlotVectorId id, std::span<const std::uint32_t> values, Prng& rng, std::vector<std::uint8_t>& out);

    /// Slots of a product response (exactly slot_response_bytes), values.size() <= 4096 of them, mod T.
    /// Error(kProtocol) on a wrong size.
    void decrypt(std::span<const std::uint8_t> response, std::span<std::uint32_t> values) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// One summand of the client's inner product: the packed b half of a server vector, and the client's slots mod T.
struct SlotProduct {
    SlotVectorId id;
    std::span<const std::uint8_t> ciphertext;
    std::span<const std::uint32_t> plain;
};

/// The client's side of the activation.
class SlotEvaluator {
public:
    /// public_key: packed b half from the server; Error(kProtocol) if its size or a coefficient is out of range.
    SlotEvaluator(const SlotParameters& parameters, const PublicSeed& seed, std::span<const std::uint8_t> public_key);
    ~SlotEvaluator();

    /// At most three products (the noise analysis counts on it): Error(kInternal) for more.
    /// Response to sum_j ciphertext_j * plain_j + addend (slot-wise, mod T): re-randomised with the server's public key
    /// (fresh u, e1), flooded with uniform noise of 2^40 times the noise bound, switched down to response_bits, packed.
    /// The server learns the slots' values and nothing else; so addend must contain a fresh uniform mask mod T.
    /// Error(kProtocol) on malformed ciphertext bytes. Thread-safe (own rng per thread).
    std::vector<std::uint8_t> respond(std::span<const SlotProduct> products, std::span<const std::uint32_t> addend,
                                      Prng& rng) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace flash::scheme
