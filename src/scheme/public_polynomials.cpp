#include "scheme/public_polynomials.h"

#include <algorithm>
#include <array>
#include <mutex>

#include "scheme/direct_ring.h"

namespace flash::scheme {

namespace {

constexpr std::size_t kTransformBytes = kDirectDegree * sizeof(std::uint64_t);

std::uint64_t key_of(UploadId id) { return static_cast<std::uint64_t>(id.stream) << 32 | id.polynomial; }

}  // namespace

PublicPolynomials::PublicPolynomials(const Sha256& fingerprint)
    : uploads_(fingerprint, "flash direct upload a"), key_(fingerprint, "flash direct key a") {}

void PublicPolynomials::upload(UploadId id, std::span<std::uint32_t> out) const {
    check_direct_degree(out.size());
    uploads_.stream(id.stream, id.polynomial).fill_u32(out);
}

void PublicPolynomials::key(std::span<std::uint32_t> out) const {
    check_direct_degree(out.size());
    key_.stream(0).fill_u32(out);
}

void transform_upload(const PublicPolynomials& publics, UploadId id, std::span<std::uint64_t> out) {
    std::array<std::uint32_t, kDirectDegree> a;  // public
    publics.upload(id, a);
    direct_ring().transform(a, out);
}

PublicTransforms::PublicTransforms(const PublicPolynomials& publics, std::size_t max_bytes)
    : publics_(publics), max_count_(max_bytes / kTransformBytes) {}

std::span<const std::uint64_t> PublicTransforms::upload(UploadId id, std::span<std::uint64_t> scratch) {
    {
        const std::shared_lock lock(mutex_);
        const auto found = kept_.find(key_of(id));
        if (found != kept_.end()) return found->second;
    }
    transform_upload(publics_, id, scratch);
    const std::unique_lock lock(mutex_);
    // Another thread may have brought the same one in the meantime; then its copy stays.
    if (kept_.size() < max_count_) kept_.try_emplace(key_of(id), scratch.begin(), scratch.end());
    return scratch;
}

std::size_t PublicTransforms::bytes() const {
    const std::shared_lock lock(mutex_);
    return kept_.size() * kTransformBytes;
}

}  // namespace flash::scheme
