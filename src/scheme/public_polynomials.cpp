#include "scheme/public_polynomials.h"

#include <algorithm>
#include <array>
#include <mutex>

#include "base/error.h"
#include "scheme/direct_ring.h"

namespace flash::scheme {

namespace {

std::uint64_t key_of(UploadId id) { return static_cast<std::uint64_t>(id.stream) << 32 | id.polynomial; }

/// Uniform over the ring: the top bits of uniform words.
void fill_uniform(Prng rng, std::span<std::uint32_t> out) {
    const DirectRing& ring = direct_ring(out.size());
    rng.fill_u32(out);
    if (ring.low_bits() > 0)
        for (std::uint32_t& word : out) word &= ring.mask();
}

}  // namespace

PublicPolynomials::PublicPolynomials(const Sha256& fingerprint)
    : uploads_(fingerprint, "flash direct upload a"),
      key_(fingerprint, "flash direct key a") {}

void PublicPolynomials::upload(UploadId id, std::span<std::uint32_t> out) const {
    fill_uniform(uploads_.stream(id.stream, id.polynomial), out);
}

void PublicPolynomials::key(std::span<std::uint32_t> out) const {
    fill_uniform(key_.stream(direct_ring_index(out.size())), out);
}

void key_polynomial(const PublicSeed& seed, int depth, std::span<std::uint32_t> out) {
    const StreamKey key(seed, "flash direct key a of a depth");
    fill_uniform(key.stream(static_cast<std::uint64_t>(depth), direct_ring_index(out.size())), out);
}

void transform_upload(const PublicPolynomials& publics, UploadId id, std::span<std::uint64_t> out) {
    std::array<std::uint32_t, kMaxDirectDegree> memory;  // public
    require(out.size() <= memory.size(), ErrorKind::kInternal,
            "no ring of the linear layers has polynomials of this size");
    const auto a = std::span(memory).first(out.size());
    publics.upload(id, a);
    direct_product(out.size()).transform(a, out);
}

PublicTransforms::PublicTransforms(const PublicPolynomials& publics, std::size_t max_bytes)
    : publics_(publics),
      max_bytes_(max_bytes) {}

std::span<const std::uint64_t> PublicTransforms::upload(UploadId id, std::span<std::uint64_t> scratch) {
    {
        const std::shared_lock lock(mutex_);
        const auto found = kept_.find(key_of(id));
        if (found != kept_.end()) {
            require(found->second.size() == scratch.size(), ErrorKind::kInternal,
                    "one upload polynomial was asked for in two rings");
            return found->second;
        }
    }
    transform_upload(publics_, id, scratch);
    const std::unique_lock lock(mutex_);
    // Another thread may have brought the same one in the meantime; then its copy stays.
    if (bytes_ + scratch.size_bytes() <= max_bytes_ &&
        kept_.try_emplace(key_of(id), scratch.begin(), scratch.end()).second)
        bytes_ += scratch.size_bytes();
    return scratch;
}

std::size_t PublicTransforms::bytes() const {
    const std::shared_lock lock(mutex_);
    return bytes_;
}

}  // namespace flash::scheme
