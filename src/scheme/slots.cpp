#include "scheme/slots.h"

#include <mutex>
#include <set>

#include "base/error.h"
#include "lattice/bitpack.h"
#include "lattice/sampling.h"
#include "scheme/slot_ring.h"
#include "scheme/workspace.h"

namespace flash::scheme {

namespace {

constexpr std::size_t kDegree = kSlotDegree;

// The public halves are uniform in transformed form as well, so they are expanded there and never transformed.
void expand_key_half(const PublicSeed& seed, const SlotRing& ring, std::size_t prime, Polynomial out) {
    Prng rng(seed, "flash slot key a", {prime});
    lattice::sample_uniform(rng, ring.moduli()[prime], out, ring.set());
}

/// The public halves of vectors: one stream for each vector and prime.
class VectorHalves {
public:
    VectorHalves(const PublicSeed& seed, const SlotRing& ring)
        : ring_(ring),
          key_(seed, "flash slot vector a", {}, ring.set()) {}
    void expand(SlotVectorId id, std::size_t prime, Polynomial out) const {
        static_assert(kMaxSlotPrimes <= 4);
        require(id.chunk < 1u << 28 && id.vector < 4, ErrorKind::kInternal,
                "the name of a slot vector is out of range");
        Prng rng = key_.stream(id.layer, std::uint64_t{id.chunk} << 4 | id.vector << 2 | prime);
        lattice::sample_uniform(rng, ring_.moduli()[prime], out, ring_.set());
    }

private:
    const SlotRing& ring_;
    StreamKey key_;
};

/// A factor used for many products: transformed, with its 52-bit quotients, one array of each for each prime.
template <class Vector>
struct TransformedFactor {
    std::vector<Vector> values, quotients;

    explicit TransformedFactor(std::size_t primes) {
        for (std::size_t i = 0; i < primes; ++i) {
            values.emplace_back(kDegree);
            quotients.emplace_back(kDegree);
        }
    }
    void prepare(const SlotRing::Prime& prime, std::size_t i) { prime.arithmetic.quotients(values[i], quotients[i]); }
};

}  // namespace

std::size_t slot_public_key_bytes(const SlotParameters& parameters) { return SlotRing::of(parameters).packed_bytes(); }
std::size_t slot_ciphertext_bytes(const SlotParameters& parameters) { return SlotRing::of(parameters).packed_bytes(); }
std::size_t slot_response_bytes(const SlotParameters& parameters) {
    return 2 * lattice::packed_bytes(kDegree, parameters.response_bits);
}

// ------------------------------------------------------------------------------------------------------------- the
// server

struct SlotSecretKey::State {
    const SlotRing& ring;
    VectorHalves halves;
    TransformedFactor<SecretVector<std::uint64_t>> s;              // the ternary secret; its coefficients are not kept
    SecretVector<std::uint64_t> response_s, response_s_quotients;  // the same over the response prime
    std::vector<std::uint8_t> public_key;
    WorkspacePool encryption_secrets, decryption_secrets, publics;
    std::mutex used_mutex;
    std::set<std::array<std::uint32_t, 3>> used;

    State(const SlotRing& ring_in, const PublicSeed& seed)
        : ring(ring_in),
          halves(seed, ring_in),
          s(ring_in.prime_count()),
          response_s(kDegree),
          response_s_quotients(kDegree),
          encryption_secrets((1 + ring_in.prime_count()) * kDegree + kDegree / 8, Contents::kSecret),
          decryption_secrets(kDegree, Contents::kSecret),
          publics(kDegree, Contents::kPublic) {}

    // out (coefficients) -> transform(out) - a s, in transformed form, where a is given transformed.
    void hide(std::size_t i, ConstPolynomial a, Polynomial out) const {
        const SlotRing::Prime& prime = ring.prime(i);
        ring.forward(prime, out);
        prime.arithmetic.subtract_product(a, s.values[i], s.quotients[i], out);
    }
};

SlotSecretKey::SlotSecretKey(const SlotParameters& parameters, const PublicSeed& seed, Prng& rng, InstructionSet set)
    : state_(std::make_unique<State>(SlotRing::of(parameters, set), seed)) {
    State& state = *state_;
    const SlotRing& ring = state.ring;
    // Uniform ternary s and an error with sigma >= 3.2: what the security table assumes for n = 4096 and log q <= 109.
    SecretVector<std::int8_t> small(kDegree);
    lattice::sample_ternary(rng, small, set);
    for (std::size_t i = 0; i < ring.prime_count(); ++i) {
        ring.prime(i).arithmetic.lift(small, state.s.values[i]);
        ring.forward(ring.prime(i), state.s.values[i]);
        state.s.prepare(ring.prime(i), i);
    }
    const SlotRing::Prime& response = ring.response_prime();
    response.arithmetic.lift(small, state.response_s);
    ring.forward(response, state.response_s);
    response.arithmetic.quotients(state.response_s, state.response_s_quotients);
    // Public key b = -a s + e: one more RLWE sample, under an a of its own domain.
    lattice::sample_error(rng, small, set);
    SecretVector<std::uint64_t> b(kDegree);
    AlignedVector<std::uint64_t> a(kDegree);
    for (std::size_t i = 0; i < ring.prime_count(); ++i) {
        ring.prime(i).arithmetic.lift(small, b);
        expand_key_half(seed, ring, i, a);
        state.hide(i, a, b);
        ring.append_packed(b, i, state.public_key);
    }
}

SlotSecretKey::~SlotSecretKey() = default;

void SlotSecretKey::append_public_key(std::vector<std::uint8_t>& out) const {
    out.insert(out.end(), state_->public_key.begin(), state_->public_key.end());
}

void SlotSecretKey::encrypt(SlotVectorId id, std::span<const std::uint32_t> values, Prng& rng,
                            std::vector<std::uint8_t>& out) {
    {
        // Two encryptions under one (a, s) would reveal the difference of their plaintexts: refused before anything is
        // computed.
        const std::lock_guard lock(state_->used_mutex);
        const bool fresh = state_->used.insert({id.layer, id.chunk, id.vector}).second;
        require(fresh, ErrorKind::kInternal, "a slot vector was encrypted twice under one secret key");
    }
    const SlotRing& ring = state_->ring;
    WorkspacePool::Lease secrets = state_->encryption_secrets.lease(), publics = state_->publics.lease();
    Cutter cutter(secrets.words());
    const Polynomial plain = cutter.polynomial(), a = publics.words();
    const auto b = cutter.residues(ring.prime_count());
    const std::span<std::int8_t> error = cutter.small();
    ring.encode(values, plain);
    lattice::sample_error(rng, error, ring.set());
    ring.scale_up(plain, error, std::span(b).first(ring.prime_count()));
    out.reserve(out.size() + ring.packed_bytes());
    for (std::size_t i = 0; i < ring.prime_count(); ++i) {
        state_->halves.expand(id, i, a);
        state_->hide(i, a, b[i]);
        ring.append_packed(b[i], i, out);
    }
}

void SlotSecretKey::decrypt(std::span<const std::uint8_t> response, std::span<std::uint32_t> values) const {
    const SlotRing& ring = state_->ring;
    const int t = ring.parameters().response_bits;
    require(response.size() == slot_response_bytes(ring.parameters()), ErrorKind::kProtocol,
            "a product response has the wrong size");
    const std::size_t half = response.size() / 2;

    // a s over the integers, exactly (point 6 above).
    const SlotRing::Prime& prime = ring.response_prime();
    WorkspacePool::Lease secrets = state_->decryption_secrets.lease(), publics = state_->publics.lease();
    const Polynomial phase = secrets.words(), b = publics.words();
    lattice::unpack(response.first(half), t, phase, ring.set());
    lattice::unpack(response.subspan(half), t, b, ring.set());
    ring.lift_response(phase);
    ring.forward_lazy(prime, phase);
    prime.arithmetic.multiply(phase, state_->response_s, state_->response_s_quotients, phase);
    ring.inverse(prime, phase);
    ring.scale_down(phase, b, phase);
    ring.decode(phase, values);
}

// ------------------------------------------------------------------------------------------------------------- the
// client

namespace {

// A prepared response: sums and flooding for each prime, the small errors u and e1, and the mask as 32-bit words.
std::size_t prepared_secret_words(std::size_t primes) { return 3 * primes * kDegree + 2 * kDegree / 8 + kDegree / 2; }
std::size_t prepared_public_words(std::size_t primes) { return kMaxSlotProducts * primes * kDegree; }

}  // namespace

std::size_t prepared_response_bytes(const SlotParameters& parameters) {
    return 8 * (prepared_secret_words(parameters.prime_count) + prepared_public_words(parameters.prime_count));
}

struct SlotEvaluator::State {
    const SlotRing& ring;
    VectorHalves halves;
    TransformedFactor<AlignedVector<std::uint64_t>> key_a, key_b;  // the server's public key
    WorkspacePool secrets, publics, prepared_secrets, prepared_publics;

    State(const SlotRing& ring_in, const PublicSeed& seed)
        : ring(ring_in),
          halves(seed, ring_in),
          key_a(ring_in.prime_count()),
          key_b(ring_in.prime_count()),
          secrets((2 * kMaxSlotProducts + 1) * kDegree, Contents::kSecret),
          publics(kMaxSlotProducts * kDegree, Contents::kPublic),
          prepared_secrets(prepared_secret_words(ring_in.prime_count()), Contents::kSecret),
          prepared_publics(prepared_public_words(ring_in.prime_count()), Contents::kPublic) {}
};

struct PreparedResponse::State {
    std::shared_ptr<const SlotEvaluator::State> owner;
    std::size_t count;  // of products
    WorkspacePool::Lease secrets, publics;
    std::array<Polynomial, kMaxSlotPrimes> a, b,
        flooding;  // a_pk u and b_pk u, transformed; the flooding, coefficients
    std::span<std::int8_t> u, error;
    std::span<std::uint32_t> mask;
    std::array<std::array<Polynomial, kMaxSlotProducts>, kMaxSlotPrimes> halves;  // the vectors' public halves

    State(std::shared_ptr<const SlotEvaluator::State> owner_in, std::size_t count_in, std::size_t mask_size)
        : owner(std::move(owner_in)),
          count(count_in),
          secrets(owner->prepared_secrets.lease()),
          publics(owner->prepared_publics.lease()) {
        const std::size_t primes = owner->ring.prime_count();
        Cutter cutter(secrets.words()), public_cutter(publics.words());
        a = cutter.residues(primes);
        b = cutter.residues(primes);
        flooding = cutter.residues(primes);
        u = cutter.small();
        error = cutter.small();
        mask = cutter.slots().first(mask_size);
        for (std::size_t i = 0; i < primes; ++i)
            for (std::size_t k = 0; k < count; ++k) halves[i][k] = public_cutter.polynomial();
    }
};

PreparedResponse::PreparedResponse() = default;
PreparedResponse::~PreparedResponse() = default;
PreparedResponse::PreparedResponse(PreparedResponse&&) noexcept = default;
PreparedResponse& PreparedResponse::operator=(PreparedResponse&&) noexcept = default;

SlotEvaluator::SlotEvaluator(const SlotParameters& parameters, const PublicSeed& seed,
                             std::span<const std::uint8_t> public_key, InstructionSet set) {
    const auto state = std::make_shared<State>(SlotRing::of(parameters, set), seed);
    for (std::size_t i = 0; i < state->ring.prime_count(); ++i) {
        state->ring.unpack(public_key, i, state->key_b.values[i]);
        expand_key_half(seed, state->ring, i, state->key_a.values[i]);
        state->key_a.prepare(state->ring.prime(i), i);
        state->key_b.prepare(state->ring.prime(i), i);
    }
    state_ = state;
}

SlotEvaluator::~SlotEvaluator() = default;

PreparedResponse SlotEvaluator::prepare(std::span<const SlotVectorId> ids, std::span<const std::uint32_t> mask,
                                        Prng& rng) const {
    const SlotRing& ring = state_->ring;
    require(ids.size() <= kMaxSlotProducts, ErrorKind::kInternal,
            "the noise analysis allows three products in one response");
    require(mask.size() <= kDegree, ErrorKind::kInternal, "more values than the slot scheme has slots");
    PreparedResponse result;
    result.state_ = std::make_unique<PreparedResponse::State>(state_, ids.size(), mask.size());
    PreparedResponse::State& prepared = *result.state_;
    std::copy(mask.begin(), mask.end(), prepared.mask.begin());

    // Re-randomisation: a_pk u + e1 is an RLWE sample under the client's fresh u, so a'' hides the plaintext factors.
    lattice::sample_ternary(rng, prepared.u, ring.set());
    lattice::sample_error(rng, prepared.error, ring.set());
    // Flooding: the noise of the products depends on the client's factors and on errors that the server knows; a
    // uniform noise 2^40 times its bound hides it. It also covers the error that a public-key encryption would add to
    // b.
    lattice::sample_flooding(rng, ring.log_flooding(), ring.moduli(),
                             std::span(prepared.flooding).first(ring.prime_count()), ring.set());
    for (std::size_t i = 0; i < ring.prime_count(); ++i) {
        const SlotRing::Prime& prime = ring.prime(i);
        prime.arithmetic.lift(prepared.u, prepared.a[i]);
        ring.forward_lazy(prime, prepared.a[i]);
        prime.arithmetic.multiply(prepared.a[i], state_->key_b.values[i], state_->key_b.quotients[i], prepared.b[i]);
        prime.arithmetic.multiply(prepared.a[i], state_->key_a.values[i], state_->key_a.quotients[i], prepared.a[i]);
        for (std::size_t k = 0; k < ids.size(); ++k) state_->halves.expand(ids[k], i, prepared.halves[i][k]);
    }
    return result;
}

std::vector<std::uint8_t> SlotEvaluator::respond(PreparedResponse&& from, std::span<const SlotFactor> factors,
                                                 std::span<const std::uint32_t> addend) const {
    // Taken over: gone from the caller's hands even if this throws, and wiped at the end.
    const std::unique_ptr<PreparedResponse::State> prepared = std::move(from.state_);
    require(prepared && prepared->owner == state_ && prepared->count == factors.size(), ErrorKind::kInternal,
            "a prepared response was used twice, or for something else");
    const SlotRing& ring = state_->ring;
    const std::size_t count = factors.size(), primes = ring.prime_count();

    WorkspacePool::Lease secrets = state_->secrets.lease(), publics = state_->publics.lease();
    Cutter cutter(secrets.words()), public_cutter(publics.words());
    std::array<Polynomial, kMaxSlotProducts> plains;
    std::array<ConstPolynomial, kMaxSlotProducts> lifted, halves_a, halves_b;
    for (std::size_t k = 0; k < count; ++k) {
        plains[k] = cutter.polynomial();
        ring.encode(factors[k].plain, plains[k]);
    }
    const Polynomial added = cutter.polynomial();
    ring.encode(addend, added, prepared->mask);

    std::array<Polynomial, kMaxSlotProducts> work, received;
    for (std::size_t k = 0; k < count; ++k) {
        lifted[k] = work[k] = cutter.polynomial();
        halves_b[k] = received[k] = public_cutter.polynomial();
    }
    for (std::size_t i = 0; i < primes; ++i) {
        const SlotRing::Prime& prime = ring.prime(i);
        for (std::size_t k = 0; k < count; ++k) {
            ring.unpack(factors[k].ciphertext, i, received[k]);
            ring.lift_centred(plains[k], i, work[k]);
            ring.forward_lazy(prime, work[k]);
            halves_a[k] = prepared->halves[i][k];
        }
        const auto used = [&](const std::array<ConstPolynomial, kMaxSlotProducts>& x) {
            return std::span(x).first(count);
        };
        prime.arithmetic.add_products(used(halves_a), used(lifted), prepared->a[i]);
        prime.arithmetic.add_products(used(halves_b), used(lifted), prepared->b[i]);
        ring.inverse(prime, prepared->a[i]);
        ring.inverse(prime, prepared->b[i]);
    }

    const int t = ring.parameters().response_bits;
    const std::size_t half = lattice::packed_bytes(kDegree, t);
    std::vector<std::uint8_t> response(2 * half);
    const Polynomial switched = prepared->a[0];  // read before it is written, coefficient by coefficient
    ring.switch_down(std::span(prepared->a).first(primes), prepared->error, switched);
    lattice::pack(ConstPolynomial(switched), t, std::span(response).first(half), ring.set());
    ring.switch_down(std::span(prepared->b).first(primes), std::span(prepared->flooding).first(primes), added,
                     switched);
    lattice::pack(ConstPolynomial(switched), t, std::span(response).subspan(half), ring.set());
    return response;
}

}  // namespace flash::scheme
