// The public `a` halves of the linear layers' ciphertexts, and their transforms. Both parties expand them from the
// model's fingerprint.
#pragma once

#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <span>
#include <unordered_map>

#include "base/aligned.h"
#include "base/hash.h"
#include "base/random.h"

namespace flash::scheme {

/// Names one public polynomial of a model: which group of uploads ("stream") and which polynomial of it. A stream is in
/// one ring.
struct UploadId {
    std::uint32_t stream = 0;
    std::uint32_t polynomial = 0;
    bool operator==(const UploadId&) const = default;
};

/// The `a` halves: uniform polynomials expanded from the model's fingerprint, so that the server can apply its layers
/// to them once, when the model is loaded. Fixed per model; that is sound because every inference has a fresh secret
/// and DirectSecretKey refuses to use one `a` twice.
class PublicPolynomials {
public:
    explicit PublicPolynomials(const Sha256& fingerprint);
    /// a of one upload; out has n words, as many as one of the rings: random stream (stream, polynomial) under the
    /// label of uploads.
    void upload(UploadId id, std::span<std::uint32_t> out) const;
    /// a of the client's public key in the ring of out.size() coefficients, under a label of its own: never equal to an
    /// upload's stream.
    void key(std::span<std::uint32_t> out) const;

private:
    StreamKey uploads_, key_;
};

/// a of a public key that is new in every inference: uniform over the ring of out.size() coefficients, expanded from a
/// seed to which both parties contributed.
void key_polynomial(const PublicSeed& seed, int depth, std::span<std::uint32_t> out);

/// Keeps the transforms of the `a` halves of uploads between the inferences of one model: 8 n bytes each, the first
/// ones that are asked for until the bound is reached. Safe to share between threads and keys.
class PublicTransforms {
public:
    /// publics must outlive this object.
    PublicTransforms(const PublicPolynomials& publics, std::size_t max_bytes);

    /// The transform of the `a` of one upload, n values: kept ones (valid as long as this object), or made in scratch
    /// (n values: its size tells the ring).
    std::span<const std::uint64_t> upload(UploadId id, std::span<std::uint64_t> scratch);
    /// Memory held at present.
    std::size_t bytes() const;

private:
    const PublicPolynomials& publics_;
    const std::size_t max_bytes_;
    std::size_t bytes_ = 0;
    mutable std::shared_mutex mutex_;
    std::unordered_map<std::uint64_t, AlignedVector<std::uint64_t>> kept_;  // its elements do not move
};

/// Transform of the `a` of one upload without keeping it; out: n values, its size tells the ring.
void transform_upload(const PublicPolynomials& publics, UploadId id, std::span<std::uint64_t> out);

}  // namespace flash::scheme
