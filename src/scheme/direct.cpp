#include "scheme/direct.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "lattice/modulus.h"
#include "lattice/sampling.h"
#include "lattice/secret_array.h"
#include "lattice/words.h"
#include "scheme/direct_ring.h"

namespace flash::scheme {

namespace {

// Residues of a polynomial (transformed or not), wiped. Room for the largest ring.
using Residues32 = lattice::SecretArray<std::uint64_t, kMaxDirectDegree>;
using Words = lattice::SecretArray<std::uint32_t, kMaxDirectDegree>;
using Small = lattice::SecretArray<std::int8_t, kMaxDirectDegree>;

void check_degree(const DirectRing& ring, std::size_t size) {
    require(size == ring.degree, ErrorKind::kInternal,
            "a polynomial of the linear layers has the wrong size for its ring");
}

// out += e.
void add_error(Prng& rng, std::span<std::uint32_t> out) {
    Small memory;
    const auto error = memory.first(out.size());
    lattice::sample_error(rng, error);
    lattice::add_small(error, out);
}

// out += d e.
void add_error(const DirectRing& ring, Prng& rng, std::span<std::uint32_t> out) {
    if (ring.low_bits() == 0) {
        add_error(rng, out);
        return;
    }
    Words memory;
    const auto scaled = memory.first(ring.degree);
    std::ranges::fill(scaled, 0u);
    add_error(rng, scaled);
    lattice::from_top_bits(scaled, ring.modulus_bits);
    lattice::add(scaled, out);
}

void check_plain_modulus(std::uint32_t plain_modulus) {
    require(plain_modulus >= 3 && plain_modulus < (std::uint32_t{1} << 31) && plain_modulus % 2 == 1,
            ErrorKind::kInternal, "the plaintext modulus must be odd and below 2^31");
}

void check_positions(const DirectRing& ring, std::span<const std::uint16_t> positions, std::size_t first_size,
                     std::size_t second_size) {
    require(positions.size() == first_size && positions.size() == second_size &&
                lattice::all_positions_below(positions, ring.degree),
            ErrorKind::kInternal, "selected coefficients: sizes differ, or a position is outside of the polynomial");
}

// out[i] += (factor * polynomial)[positions[i]].
void add_selected_product(const lattice::PreparedFactor& factor, std::span<std::uint64_t> polynomial,
                          std::span<const std::uint16_t> positions, std::span<std::uint32_t> out) {
    Words memory;
    const auto words = memory.first(polynomial.size());
    std::ranges::fill(words, 0u);
    direct_product(polynomial.size()).add_product(factor, polynomial, polynomial, words);
    lattice::add_selected(words, positions, out);
}

}  // namespace

std::uint32_t scale_up(std::uint32_t value, std::uint32_t plain_modulus) {
    check_plain_modulus(plain_modulus);
    // floor((2^32 value + floor(T/2)) / T) is round(2^32 value / T): T is odd, so there are no ties. Constant time in
    // value.
    return static_cast<std::uint32_t>(
        lattice::Divider(plain_modulus).quotient((static_cast<std::uint64_t>(value) << 32) + plain_modulus / 2));
}

struct DirectSecretKey::Secret {
    lattice::PreparedFactor s;  // transform of the ternary secret; its coefficients are not kept
};

namespace {

Poly32 model_key(const PublicPolynomials& publics, const DirectRing& ring) {
    Poly32 a(ring.degree);
    publics.key(a);
    return a;
}

}  // namespace

DirectSecretKey::DirectSecretKey(const PublicPolynomials& publics, const DirectRing& ring, Prng& rng,
                                 PublicTransforms* transforms)
    : DirectSecretKey(publics, ring, {kAllDepths, model_key(publics, ring)}, rng, transforms) {}

DirectSecretKey::DirectSecretKey(const PublicPolynomials& publics, const DirectRing& ring, const KeyPublics& key,
                                 Prng& rng, PublicTransforms* transforms)
    : publics_(publics),
      ring_(ring),
      depth_(key.depth),
      transforms_(transforms),
      secret_(std::make_unique<Secret>()),
      public_b_(ring.degree) {
    check_degree(ring_, key.a.size());
    // Uniform ternary s and an error with sigma >= 3.2 are what the security table assumes for (n, log q) of
    // kDirectRings.
    const lattice::ExactProduct& product = direct_product(ring_.degree);
    SecretVector<std::int8_t> s(ring_.degree);
    lattice::sample_ternary(rng, s);
    secret_->s = product.prepare(s);
    // b_pk = -a_pk s + d e: one more RLWE sample, under an a of its own domain that no upload can share.
    Residues32 memory;
    const auto residues = memory.first(ring_.degree);
    product.transform(key.a, residues);
    add_error(ring_, rng, public_b_);
    product.subtract_product(secret_->s, residues, residues, public_b_);
}

DirectSecretKey::~DirectSecretKey() = default;

const Poly32& DirectSecretKey::public_b() const { return public_b_; }

PreparedUpload DirectSecretKey::prepare(UploadId id, Prng& rng) {
    {
        // Two encryptions under one (a, s) would reveal the difference of their plaintexts up to small noise: refused
        // before anything is computed, so that a failure later on cannot free the pair again.
        const std::lock_guard lock(used_mutex_);
        const bool fresh = used_.insert(static_cast<std::uint64_t>(id.stream) << 32 | id.polynomial).second;
        require(fresh, ErrorKind::kInternal, "an upload polynomial was encrypted twice under one secret key");
    }
    // First the transform of a, which is public, then the product, which is not.
    Residues32 memory;
    const std::span<std::uint64_t> residues = memory.first(ring_.degree);
    std::span<const std::uint64_t> a = residues;
    if (transforms_)
        a = transforms_->upload(id, residues);
    else
        transform_upload(publics_, id, residues);
    PreparedUpload prepared(this, ring_.degree);
    std::ranges::fill(prepared.words_, 0u);
    add_error(ring_, rng, prepared.words_);
    direct_product(ring_.degree).subtract_product(secret_->s, a, residues, prepared.words_);
    return prepared;
}

void DirectSecretKey::check(const LevelledShare& share, std::size_t size) const {
    check_degree(ring_, share.words.size());
    check_degree(ring_, size);
    require(share.depth < depth_, ErrorKind::kInternal,
            "a value may be uploaded under the keys of deeper layers only: those that nothing it depends on was "
            "computed with");
}

void DirectSecretKey::encrypt(PreparedUpload prepared, const LevelledShare& share, std::span<std::uint32_t> b) const {
    check(share, b.size());
    require(prepared.key_ == this, ErrorKind::kInternal, "an upload was prepared with another key, or used before");
    // In units of d: bits finer than that would be those of the plaintext, in the clear. The rounded share waits in
    // secret memory: b never holds it unmasked.
    Words memory;
    const auto rounded = memory.first(ring_.degree);
    std::ranges::copy(share.words, rounded.begin());
    lattice::round_to_top_bits(rounded, ring_.modulus_bits);
    lattice::from_top_bits(rounded, ring_.modulus_bits);
    lattice::add(prepared.words_, rounded);
    std::ranges::copy(rounded, b.begin());
}

void DirectSecretKey::decrypt(std::span<const std::uint32_t> a, std::span<const std::uint16_t> positions,
                              std::span<const std::uint32_t> b, std::span<std::uint32_t> phase) const {
    check_degree(ring_, a.size());
    check_positions(ring_, positions, b.size(), phase.size());
    // a is the server's message, so its transform is no secret; the product is.
    Residues32 memory;
    const std::span<std::uint64_t> residues = memory.first(ring_.degree);
    direct_product(ring_.degree).transform(a, residues);
    std::ranges::copy(b, phase.begin());
    add_selected_product(secret_->s, residues, positions, phase);
}

struct DirectPublicKey::Transforms {
    lattice::PreparedFactor a, b;
};

DirectPublicKey::DirectPublicKey(const PublicPolynomials& publics, const DirectRing& ring,
                                 std::span<const std::uint32_t> public_b)
    : DirectPublicKey(ring, model_key(publics, ring), public_b) {}

DirectPublicKey::DirectPublicKey(const DirectRing& ring, std::span<const std::uint32_t> public_a,
                                 std::span<const std::uint32_t> public_b)
    : ring_(ring),
      transforms_(std::make_unique<Transforms>()) {
    check_degree(ring_, public_a.size());
    require(public_b.size() == ring_.degree, ErrorKind::kProtocol, "the client's public key has the wrong size");
    const lattice::ExactProduct& product = direct_product(ring_.degree);
    transforms_->a = product.prepare(public_a);
    transforms_->b = product.prepare(public_b);
}

DirectPublicKey::~DirectPublicKey() = default;

void DirectPublicKey::mask(std::span<std::uint32_t> a, std::span<const std::uint16_t> positions,
                           std::span<std::uint32_t> b, std::span<const std::uint32_t> rho, Prng& rng) const {
    check_degree(ring_, a.size());
    check_positions(ring_, positions, b.size(), rho.size());
    const lattice::ExactProduct& product = direct_product(ring_.degree);
    Residues32 fresh_memory, product_memory;
    const std::span<std::uint64_t> fresh = fresh_memory.first(ring_.degree),
                                   workspace = product_memory.first(ring_.degree);
    {
        Small memory;
        const auto u = memory.first(ring_.degree);
        lattice::sample_ternary(rng, u);
        product.transform(std::span<const std::int8_t>(u), fresh);
    }
    // a_pk u + d e1 is an RLWE sample of the ring under the fresh secret u (a_pk is uniform and public), so a'' hides
    // the linear map that made a'. The new phase is phase + rho + d (e_pk u + e1 s): noise of at most a few hundred
    // units of q.
    product.add_product(transforms_->a, fresh, workspace, a);
    add_error(ring_, rng, a);
    // rho is uniform over the coefficients that leave the server, and used once: what is sent of b'' is uniform
    // whatever b', u and the key are, noise included. No second error is needed.
    add_selected_product(transforms_->b, fresh, positions, b);
    lattice::add(rho, b);
}

}  // namespace flash::scheme
