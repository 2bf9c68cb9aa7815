// Noise, in units of q unless said otherwise (b = plain_bits, 2^b > T, q = q1 q2 just below 2^(2b + 52), n = 4096):
//
// 1. A server vector has phase (q/T) m + e with e the error plus the rounding of (q/T) m: variance 21/2 + 1/12 per coefficient.
// 2. Times a client polynomial with centred coefficients of size uniform up to T/2 (variance T^2/12), summed over n coefficients and
//    kMaxSlotProducts = 3 products: sigma = T sqrt(10.58/12) sqrt(3 * 4096) = 104 T. The noise bound is 2^10 T, 9.8 sigma.
//    Re-randomisation adds e_pk u + e1 s, sigma below 240: nothing beside it. Multiples of T in m p are multiples of q and vanish.
// 3. Flooding is uniform in [-F, F), F = 2^(b + 50) >= 2^40 times the noise bound: 40 bits of statistical distance.
// 4. Decryption is right while |noise| < q/(2T). F / (q/(2T)) < 2^(2b + 51) / q <= 1/2 (1 + 2^-27): flooding takes half of the room, the
//    noise of step 2 a part of 2^40 of that.
// 5. Switching to 2^t adds r_b + r_a s with |r| <= 1/2 uniform: sigma = sqrt((1 + n 2/3) / 12) = 15.1 units of 2^t. With t = b + 10 the
//    room 2^t / (2T) is over 512 units, and the half that flooding leaves is 256 units: 17 sigma. (t = b + 9 would leave 128: 8.5.)
#include "scheme/slots.h"

#include <array>
#include <mutex>
#include <set>

#include "base/error.h"
#include "lattice/bitpack.h"
#include "lattice/sampling.h"
#include "scheme/slot_ring.h"

namespace flash::scheme {

namespace {

using lattice::u128;

constexpr std::size_t kDegree = kSlotDegree;

// The public halves are uniform in transformed form as well, so they are expanded there and never transformed.
void expand_key_half(const PublicSeed& seed, const SlotRing& ring, std::size_t prime, std::span<std::uint64_t> out) {
    Prng rng(seed, "flash slot key a", {prime});
    lattice::sample_uniform(rng, ring.prime(prime).modulus(), out);
}
void expand_vector_half(const PublicSeed& seed, SlotVectorId id, const SlotRing& ring, std::size_t prime,
                        std::span<std::uint64_t> out) {
    Prng rng(seed, "flash slot vector a", {id.layer, id.chunk, id.vector, prime});
    lattice::sample_uniform(rng, ring.prime(prime).modulus(), out);
}

using Spans = std::array<std::span<std::uint64_t>, kMaxSlotProducts>;

/// out = key * fresh + sum of x[k] * y[k] over kCount products, value by value mod p. All operands are below p < 2^54, so that the four
/// products, each below 2^108, are summed before one reduction.
template <std::size_t kCount>
void sum_of_products(const lattice::Modulus& p, const std::uint64_t* key, const std::uint64_t* fresh, const Spans& x,
                     const Spans& y, std::uint64_t* out) {
    const lattice::Modulus modulus = p;
    std::array<const std::uint64_t*, kMaxSlotProducts> left, right;
    for (std::size_t k = 0; k < kMaxSlotProducts; ++k) {
        left[k] = x[k].data();
        right[k] = y[k].data();
    }
    for (std::size_t j = 0; j < kDegree; ++j) {
        u128 sum = static_cast<u128>(key[j]) * fresh[j];
        for (std::size_t k = 0; k < kCount; ++k) sum += static_cast<u128>(left[k][j]) * right[k][j];
        out[j] = modulus.reduce(sum);
    }
}
constexpr std::array kSumOfProducts = {sum_of_products<0>, sum_of_products<1>, sum_of_products<2>, sum_of_products<3>};
static_assert(kSumOfProducts.size() == kMaxSlotProducts + 1);

void lift_small(const lattice::Modulus& modulus, std::span<const std::int8_t> small, std::span<std::uint64_t> out) {
    for (std::size_t j = 0; j < kDegree; ++j) out[j] = modulus.from_signed(small[j]);
}

}  // namespace

std::size_t slot_public_key_bytes(const SlotParameters& parameters) { return SlotRing::of(parameters).packed_bytes(); }
std::size_t slot_ciphertext_bytes(const SlotParameters& parameters) { return SlotRing::of(parameters).packed_bytes(); }
std::size_t slot_response_bytes(const SlotParameters& parameters) {
    return 2 * lattice::packed_bytes(kDegree, parameters.response_bits);
}

// ------------------------------------------------------------------------------------------------------------- the server

struct SlotSecretKey::State {
    const SlotRing& ring;
    PublicSeed seed;
    Residues s, s_quotients;         // transform of the ternary secret with Shoup quotients; its coefficients are not kept
    std::vector<std::uint8_t> public_key;
    std::mutex used_mutex;
    std::set<std::array<std::uint32_t, 3>> used;

    State(const SlotRing& ring_in, const PublicSeed& seed_in) : ring(ring_in), seed(seed_in) {}

    // out (coefficients) -> transform(out) - a s, in transformed form, where a is given transformed.
    void hide(std::size_t i, std::span<const std::uint64_t> a, std::span<std::uint64_t> out) const {
        const lattice::Modulus& modulus = ring.prime(i).modulus();
        ring.prime(i).forward(out);
        for (std::size_t j = 0; j < kDegree; ++j)
            out[j] = modulus.subtract(out[j], modulus.multiply(a[j], {s[i][j], s_quotients[i][j]}));
    }
};

SlotSecretKey::SlotSecretKey(const SlotParameters& parameters, const PublicSeed& seed, Prng& rng)
    : state_(std::make_unique<State>(SlotRing::of(parameters), seed)) {
    // Uniform ternary s and an error with sigma >= 3.2: what the security table assumes for n = 4096 and log q <= 109.
    SecretVector<std::int8_t> small(kDegree);
    lattice::sample_ternary(rng, small);
    for (std::size_t i = 0; i < 2; ++i) {
        const lattice::NttTables& prime = state_->ring.prime(i);
        Poly64 values(kDegree), quotients(kDegree);
        lift_small(prime.modulus(), small, values);
        prime.forward(values);
        for (std::size_t j = 0; j < kDegree; ++j) quotients[j] = prime.modulus().shoup_quotient(values[j]);
        state_->s[i] = std::move(values);
        state_->s_quotients[i] = std::move(quotients);
    }
    // Public key b = -a s + e: one more RLWE sample, under an a of its own domain.
    lattice::sample_error(rng, small);
    Residues b{Poly64(kDegree), Poly64(kDegree)};
    Poly64 a(kDegree);
    for (std::size_t i = 0; i < 2; ++i) {
        lift_small(state_->ring.prime(i).modulus(), small, b[i]);
        expand_key_half(seed, state_->ring, i, a);
        state_->hide(i, a, b[i]);
    }
    state_->ring.append_packed(b, state_->public_key);
}

SlotSecretKey::~SlotSecretKey() = default;

void SlotSecretKey::append_public_key(std::vector<std::uint8_t>& out) const {
    out.insert(out.end(), state_->public_key.begin(), state_->public_key.end());
}

void SlotSecretKey::encrypt(SlotVectorId id, std::span<const std::uint32_t> values, Prng& rng, std::vector<std::uint8_t>& out) {
    {
        // Two encryptions under one (a, s) would reveal the difference of their plaintexts: refused before anything is computed.
        const std::lock_guard lock(state_->used_mutex);
        const bool fresh = state_->used.insert({id.layer, id.chunk, id.vector}).second;
        require(fresh, ErrorKind::kInternal, "a slot vector was encrypted twice under one secret key");
    }
    const SlotRing& ring = state_->ring;
    Poly64 plain(kDegree);
    ring.encode(values, plain);
    SecretVector<std::int8_t> error(kDegree);
    lattice::sample_error(rng, error);
    Residues b{Poly64(kDegree), Poly64(kDegree)};
    for (std::size_t i = 0; i < 2; ++i) lift_small(ring.prime(i).modulus(), error, b[i]);
    ring.add_scaled(plain, b[0], b[1]);
    std::vector<std::uint64_t> a(kDegree);
    for (std::size_t i = 0; i < 2; ++i) {
        expand_vector_half(state_->seed, id, ring, i, a);
        state_->hide(i, a, b[i]);
    }
    ring.append_packed(b, out);
}

void SlotSecretKey::decrypt(std::span<const std::uint8_t> response, std::span<std::uint32_t> values) const {
    const SlotRing& ring = state_->ring;
    const int t = ring.parameters().response_bits;
    require(response.size() == slot_response_bytes(ring.parameters()), ErrorKind::kProtocol,
            "a product response has the wrong size");
    require(values.size() <= kDegree, ErrorKind::kInternal, "more values than the slot scheme has slots");
    const std::size_t half = response.size() / 2;
    const std::uint64_t mask = (std::uint64_t{1} << t) - 1, sign = std::uint64_t{1} << (t - 1);

    // a s over the integers: |a| <= 2^(t - 1) centred and s ternary, so every coefficient is at most 2^(t - 1) * 4096 = 2^(b + 21), below
    // q1/2 > 2^(b + 24): exact over the one prime q1.
    const lattice::NttTables& prime = ring.prime(0);
    const lattice::Modulus& modulus = prime.modulus();
    Poly64 phase(kDegree), b(kDegree);
    lattice::unpack(response.first(half), t, std::span<std::uint64_t>(phase));
    lattice::unpack(response.subspan(half), t, std::span<std::uint64_t>(b));
    for (std::uint64_t& x : phase)
        x = modulus.from_signed(static_cast<std::int64_t>(x) - static_cast<std::int64_t>((x & sign) << 1));
    prime.forward(phase);
    for (std::size_t j = 0; j < kDegree; ++j)
        phase[j] = modulus.multiply(phase[j], {state_->s[0][j], state_->s_quotients[0][j]});
    prime.inverse(phase);
    for (std::size_t j = 0; j < kDegree; ++j) {
        const std::uint64_t negative = 0 - static_cast<std::uint64_t>(phase[j] > modulus.value() / 2);
        phase[j] = (phase[j] - (modulus.value() & negative) + b[j]) & mask;
    }
    ring.scale_down(phase);
    ring.decode(phase);
    for (std::size_t j = 0; j < values.size(); ++j) values[j] = static_cast<std::uint32_t>(phase[j]);
}

// ------------------------------------------------------------------------------------------------------------- the client

struct SlotEvaluator::State {
    const SlotRing& ring;
    PublicSeed seed;
    std::array<std::vector<std::uint64_t>, 2> key_a, key_b;  // the server's public key, transformed

    State(const SlotRing& ring_in, const PublicSeed& seed_in) : ring(ring_in), seed(seed_in) {}
};

SlotEvaluator::SlotEvaluator(const SlotParameters& parameters, const PublicSeed& seed, std::span<const std::uint8_t> public_key)
    : state_(std::make_unique<State>(SlotRing::of(parameters), seed)) {
    for (std::size_t i = 0; i < 2; ++i) {
        state_->key_a[i].resize(kDegree);
        state_->key_b[i].resize(kDegree);
        state_->ring.unpack(public_key, i, state_->key_b[i]);
        expand_key_half(seed, state_->ring, i, state_->key_a[i]);
    }
}

SlotEvaluator::~SlotEvaluator() = default;

std::vector<std::uint8_t> SlotEvaluator::respond(std::span<const SlotProduct> products, std::span<const std::uint32_t> addend,
                                                 Prng& rng) const {
    const SlotRing& ring = state_->ring;
    const std::size_t count = products.size();
    require(count <= kMaxSlotProducts, ErrorKind::kInternal, "the noise analysis allows three products in one response");

    // One piece of secret memory for all temporaries, wiped at the end; the server's own data needs no wiping.
    constexpr std::size_t kSecretPolynomials = 2 * kMaxSlotProducts + 8;
    Poly64 memory(kSecretPolynomials * kDegree);
    std::size_t next = 0;
    const auto take = [&] { return std::span<std::uint64_t>(memory).subspan(kDegree * next++, kDegree); };
    std::vector<std::uint64_t> received(2 * count * kDegree);
    Spans plains, factors, received_a, received_b;
    for (std::size_t k = 0; k < count; ++k) {
        plains[k] = take();
        factors[k] = take();
        received_a[k] = std::span(received).subspan(2 * k * kDegree, kDegree);
        received_b[k] = std::span(received).subspan((2 * k + 1) * kDegree, kDegree);
        ring.encode(products[k].plain, plains[k]);
    }
    const std::span<std::uint64_t> fresh = take(), added = take();
    const std::array<std::span<std::uint64_t>, 2> a = {take(), take()}, b = {take(), take()}, flooding = {take(), take()};

    SecretVector<std::int8_t> u(kDegree), error(kDegree);
    lattice::sample_ternary(rng, u);
    lattice::sample_error(rng, error);
    lattice::sample_flooding(rng, ring.log_flooding(), std::array{ring.prime(0).modulus(), ring.prime(1).modulus()}, flooding);
    ring.encode(addend, added);
    ring.add_scaled(added, flooding[0], flooding[1]);

    for (std::size_t i = 0; i < 2; ++i) {
        const lattice::NttTables& prime = ring.prime(i);
        const lattice::Modulus& modulus = prime.modulus();
        lift_small(modulus, u, fresh);
        prime.forward(fresh);
        for (std::size_t k = 0; k < count; ++k) {
            ring.unpack(products[k].ciphertext, i, received_b[k]);
            expand_vector_half(state_->seed, products[k].id, ring, i, received_a[k]);
            ring.lift_centred(plains[k], i, factors[k]);
            prime.forward(factors[k]);
        }
        // Re-randomisation: a_pk u + e1 is an RLWE sample under the client's fresh u, so a'' hides the plaintext factors.
        kSumOfProducts[count](modulus, state_->key_a[i].data(), fresh.data(), received_a, factors, a[i].data());
        kSumOfProducts[count](modulus, state_->key_b[i].data(), fresh.data(), received_b, factors, b[i].data());
        prime.inverse(a[i]);
        prime.inverse(b[i]);
        // Flooding: the noise of the products depends on the client's factors and on errors that the server knows; a uniform
        // noise 2^40 times its bound hides it. It also covers the error that a public-key encryption would add to b.
        for (std::size_t j = 0; j < kDegree; ++j) {
            a[i][j] = modulus.add(a[i][j], modulus.from_signed(error[j]));
            b[i][j] = modulus.add(b[i][j], flooding[i][j]);
        }
    }

    const int t = ring.parameters().response_bits;
    const std::size_t half = lattice::packed_bytes(kDegree, t);
    std::vector<std::uint8_t> response(2 * half);
    ring.switch_down(a[0], a[1], fresh);
    lattice::pack(std::span<const std::uint64_t>(fresh), t, std::span(response).first(half));
    ring.switch_down(b[0], b[1], fresh);
    lattice::pack(std::span<const std::uint64_t>(fresh), t, std::span(response).subspan(half));
    return response;
}

}  // namespace flash::scheme
