#include "protocol/linear/key_set.h"

#include "base/bytes.h"
#include "protocol/messages.h"

namespace flash::protocol {

namespace {

/// Owns what scheme::KeyPublics refers to while a key is made.
struct KeyPolynomial {
    KeyPolynomial(const packing::KeyName& name, const PublicSeed& seed) : depth(name.depth), a(name.degree) {
        scheme::key_polynomial(seed, depth, a);
    }
    operator scheme::KeyPublics() const { return {depth, a}; }
    int depth;
    scheme::Poly32 a;
};

std::uint64_t number_of(int depth) { return static_cast<std::uint64_t>(depth); }

constexpr const char* kKeyDomain = "client direct key";
constexpr const char* kErrorDomain = "client upload";

scheme::DirectSecretKey secret_key(const scheme::PublicPolynomials& publics, scheme::PublicTransforms& transforms,
                                   const packing::KeyName& name, const SecretSeed& seed,
                                   const PublicSeed& public_seed) {
    Prng rng(seed, kKeyDomain, {number_of(name.depth), name.degree});
    return {publics, scheme::direct_ring(name.degree), KeyPolynomial(name, public_seed), rng, &transforms};
}

scheme::DirectSecretKey secret_key(const scheme::PublicPolynomials& publics, scheme::PublicTransforms& transforms,
                                   const packing::KeyName& name, const SecretSeed& seed) {
    Prng rng(seed, kKeyDomain, {name.degree});
    return {publics, scheme::direct_ring(name.degree), rng, &transforms};
}

}  // namespace

PublicSeed key_seed(const Sha256& fingerprint, const PublicSeed& nonce, const PublicSeed& session,
                    std::uint32_t number) {
    constexpr std::string_view kLabel = "flash keys of the linear layers";
    // All parts but the label, which is constant, have fixed sizes: different parts give different messages.
    ByteWriter writer;
    writer.raw(std::span(reinterpret_cast<const std::uint8_t*>(kLabel.data()), kLabel.size()));
    writer.u32(kProtocolVersion);
    writer.raw(fingerprint);
    writer.raw(nonce);
    writer.raw(session);
    writer.u32(number);
    return sha256(writer.take());
}

ClientKey::ClientKey(const scheme::PublicPolynomials& publics, scheme::PublicTransforms& transforms,
                     const packing::KeyName& name, const SecretSeed& seed, const PublicSeed& public_seed)
    : secret(secret_key(publics, transforms, name, seed, public_seed)),
      errors(seed, kErrorDomain, {number_of(name.depth), name.degree}) {}

ClientKey::ClientKey(const scheme::PublicPolynomials& publics, scheme::PublicTransforms& transforms,
                     const packing::KeyName& name, const SecretSeed& seed)
    : secret(secret_key(publics, transforms, name, seed)),
      errors(seed, kErrorDomain) {}

scheme::PreparedUpload ClientKey::prepare(scheme::UploadId id) {
    Prng rng = errors.stream(id.stream, id.polynomial);
    return secret.prepare(id, rng);
}

}  // namespace flash::protocol
