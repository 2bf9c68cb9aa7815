#include "scheme/direct.h"

#include "base/error.h"
#include "lattice/modulus.h"
#include "lattice/product.h"
#include "lattice/sampling.h"

namespace flash::scheme {

namespace {

constexpr std::size_t kDegree = kDirectDegree;

const lattice::ExactProduct& ring() {
    static const lattice::ExactProduct product(kDegree);
    return product;
}

void check_degree(std::size_t size) {
    require(size == kDegree, ErrorKind::kInternal, "a polynomial of the linear layers must have 2048 coefficients");
}

void add_error(Prng& rng, std::span<std::uint32_t> out) {
    SecretVector<std::int8_t> error(out.size());
    lattice::sample_error(rng, error);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += static_cast<std::uint32_t>(static_cast<std::int32_t>(error[i]));
}

// floor((2^32 value + floor(T/2)) / T) is round(2^32 value / T): T is odd, so there are no ties. Constant time in value.
std::uint32_t scale_up(std::uint32_t value, std::uint32_t plain_modulus, const lattice::Divider& by_plain_modulus) {
    return static_cast<std::uint32_t>(
        by_plain_modulus.quotient((static_cast<std::uint64_t>(value) << 32) + plain_modulus / 2));
}

void check_plain_modulus(std::uint32_t plain_modulus) {
    require(plain_modulus >= 3 && plain_modulus < (std::uint32_t{1} << 31) && plain_modulus % 2 == 1, ErrorKind::kInternal,
            "the plaintext modulus must be odd and below 2^31");
}

}  // namespace

std::uint32_t scale_up(std::uint32_t value, std::uint32_t plain_modulus) {
    check_plain_modulus(plain_modulus);
    return scale_up(value, plain_modulus, lattice::Divider(plain_modulus));
}

void PublicPolynomials::upload(UploadId id, std::span<std::uint32_t> out) const {
    check_degree(out.size());
    Prng(seed_, "flash direct upload a", {id.stream, id.polynomial}).fill_u32(out);
}

void PublicPolynomials::key(std::span<std::uint32_t> out) const {
    check_degree(out.size());
    Prng(seed_, "flash direct key a").fill_u32(out);
}

struct DirectSecretKey::Secret {
    lattice::PreparedFactor s;  // transform of the ternary secret; its coefficients are not kept
};

DirectSecretKey::DirectSecretKey(const PublicPolynomials& publics, Prng& rng)
    : publics_(publics), secret_(std::make_unique<Secret>()), public_b_(kDegree) {
    // Uniform ternary s and an error with sigma >= 3.2 are what the security table assumes for n = 2048, log q = 32 <= 54.
    SecretVector<std::int8_t> s(kDegree);
    lattice::sample_ternary(rng, s);
    secret_->s = ring().prepare(s);
    // b_pk = -a_pk s + e: one more RLWE sample, under an a of its own domain that no upload can share.
    Poly32 a(kDegree);
    publics_.key(a);
    std::vector<std::uint64_t> transformed(kDegree);
    ring().transform(a, transformed);
    add_error(rng, public_b_);
    ring().subtract_product(secret_->s, transformed, public_b_);
}

DirectSecretKey::~DirectSecretKey() = default;

const Poly32& DirectSecretKey::public_b() const { return public_b_; }

void DirectSecretKey::encrypt(UploadId id, std::span<const std::uint32_t> plain, std::uint32_t plain_modulus, Prng& rng,
                              std::span<std::uint32_t> b) {
    check_degree(plain.size());
    check_degree(b.size());
    check_plain_modulus(plain_modulus);
    {
        // Two encryptions under one (a, s) would reveal the difference of their plaintexts up to small noise: refused before
        // anything is computed, so that a failure later on cannot free the pair again.
        const std::lock_guard lock(used_mutex_);
        const bool fresh = used_.insert(static_cast<std::uint64_t>(id.stream) << 32 | id.polynomial).second;
        require(fresh, ErrorKind::kInternal, "an upload polynomial was encrypted twice under one secret key");
    }
    Poly32 a(kDegree);
    publics_.upload(id, a);
    std::vector<std::uint64_t> transformed(kDegree);
    ring().transform(a, transformed);

    // b holds the noisy, unmasked plaintext for a moment; it is complete only after the last line. On an exception it is cleared.
    const lattice::Divider by_plain_modulus(plain_modulus);
    std::uint32_t out_of_range = 0;
    for (std::size_t i = 0; i < kDegree; ++i) {
        out_of_range |= static_cast<std::uint32_t>(plain[i] >= plain_modulus);
        b[i] = scale_up(plain[i], plain_modulus, by_plain_modulus);
    }
    try {
        require(!out_of_range, ErrorKind::kInternal, "a plaintext value is not below the plaintext modulus");
        add_error(rng, b);
        ring().subtract_product(secret_->s, transformed, b);
    } catch (...) {
        wipe(b.data(), b.size_bytes());
        throw;
    }
}

void DirectSecretKey::decrypt(std::span<const std::uint32_t> a, std::span<const std::uint32_t> b,
                              std::span<std::uint32_t> phase) const {
    check_degree(a.size());
    check_degree(b.size());
    check_degree(phase.size());
    // a is the server's message, so its transform is no secret; the product is, and ExactProduct wipes it.
    std::vector<std::uint64_t> transformed(kDegree);
    ring().transform(a, transformed);
    for (std::size_t i = 0; i < kDegree; ++i) phase[i] = b[i];
    ring().add_product(secret_->s, transformed, phase);
}

struct DirectPublicKey::Transforms {
    lattice::PreparedFactor a, b;
};

DirectPublicKey::DirectPublicKey(const PublicPolynomials& publics, std::span<const std::uint32_t> public_b)
    : transforms_(std::make_unique<Transforms>()) {
    require(public_b.size() == kDegree, ErrorKind::kProtocol, "the client's public key has the wrong size");
    Poly32 a(kDegree);
    publics.key(a);
    transforms_->a = ring().prepare(a);
    transforms_->b = ring().prepare(public_b);
}

DirectPublicKey::~DirectPublicKey() = default;

void DirectPublicKey::mask(std::span<std::uint32_t> a, std::span<std::uint32_t> b, std::span<const std::uint32_t> rho,
                           Prng& rng) const {
    check_degree(a.size());
    check_degree(b.size());
    check_degree(rho.size());
    SecretVector<std::int8_t> u(kDegree);
    lattice::sample_ternary(rng, u);
    SecretVector<std::uint64_t> transformed(kDegree);
    ring().transform(u, transformed);
    // a_pk u + e1 is an RLWE sample under the fresh secret u (a_pk is uniform and public), so a'' hides the linear map that made
    // a'. The new phase is phase + rho + e_pk u + e1 s: noise of at most a few hundred units of q = 2^32.
    ring().add_product(transforms_->a, transformed, a);
    add_error(rng, a);
    // rho is uniform over all of R_q and used once: b'' is uniform whatever b', u and the key are, noise included. No second error
    // is needed.
    ring().add_product(transforms_->b, transformed, b);
    for (std::size_t i = 0; i < kDegree; ++i) b[i] += rho[i];
}

}  // namespace flash::scheme
