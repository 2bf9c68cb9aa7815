// A compiled model made ready to serve: its plan, its layers as matrices, and the `a` halves of all results, which do
// not depend on any client because the public `a` polynomials are fixed per model (docs/protocol.md). Read-only and
// shared by all sessions. The weights themselves are not kept: each layer's are arranged as they come.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/layer_source.h"
#include "packing/linear_map.h"
#include "packing/plan.h"
#include "protocol/cost.h"
#include "protocol/epoch.h"
#include "scheme/direct.h"

namespace flash::protocol {

struct PreparedLayer {
    packing::LinearMap map;
    std::vector<std::uint32_t> a;            ///< layer(a) of every result polynomial, n words each
    std::vector<std::uint32_t> scaled_bias;  ///< round(q/T * bias) per output channel
};

/// What became of the cache of the `a` halves. The sentences hold no secret.
struct CacheOutcome {
    bool used = false;        ///< the halves are from the file
    bool written = false;     ///< they were computed, and the file was written anew
    std::string not_used;     ///< why a file that is there was not used; empty if there is none
    std::string not_written;  ///< why it could not be written
};

class PreparedModel {
public:
    /// Takes all layers of the source, one after the other, and gets the `a` halves; progress gets fractions in 0..1.
    /// With a cache: takes them from that file if it is this model's and intact, and otherwise computes and writes them
    /// (protocol/prepared_cache.h). No state of the file is an error. transform_bytes: what transformed weights of all
    /// layers together may take (lattice/product_choice.h). activation: null for that of make_activation(). epoch: of
    /// the public polynomials.
    explicit PreparedModel(model::LayerSource& source, const std::function<void(double)>& progress = {},
                           const std::optional<std::filesystem::path>& cache = std::nullopt,
                           std::size_t transform_bytes = lattice::kTransformBudget,
                           std::shared_ptr<const Activation> activation = nullptr, const Epoch& epoch = {});
    explicit PreparedModel(model::Model model, const std::function<void(double)>& progress = {},
                           const std::optional<std::filesystem::path>& cache = std::nullopt,
                           std::size_t transform_bytes = lattice::kTransformBudget,
                           std::shared_ptr<const Activation> activation = nullptr, const Epoch& epoch = {});
    PreparedModel(const PreparedModel&) = delete;
    PreparedModel& operator=(const PreparedModel&) = delete;

    const model::Architecture& architecture() const { return architecture_; }
    const packing::Plan& plan() const { return plan_; }
    const Activation& activation() const { return *activation_; }
    const std::shared_ptr<const Activation>& shared_activation() const { return activation_; }
    /// Of all layers.
    std::span<const ActivationCurve> curves() const { return curves_; }
    const InferenceCost& cost() const { return cost_; }
    const Sha256& fingerprint() const { return fingerprint_; }
    /// model::secret_digest of the model.
    const Sha256& secret_digest() const { return secret_digest_; }
    const Epoch& epoch() const { return epoch_; }
    const scheme::PublicPolynomials& publics() const { return *publics_; }
    const PreparedLayer& layer(int index) const { return layers_[static_cast<std::size_t>(index)]; }
    /// All false and empty without a cache.
    const CacheOutcome& cache() const { return cache_; }
    /// Bytes held by the matrices and the `a` halves.
    std::size_t memory_bytes() const;
    /// Of these, by transformed weights.
    std::size_t transform_bytes() const;

private:
    PreparedModel(model::LayerSource&& source, const std::function<void(double)>& progress,
                  const std::optional<std::filesystem::path>& cache, std::size_t transform_bytes,
                  std::shared_ptr<const Activation> activation, const Epoch& epoch)
        : PreparedModel(source, progress, cache, transform_bytes, std::move(activation), epoch) {}
    void take_layers(model::LayerSource& source, const std::function<void(double)>& progress,
                     std::size_t transform_bytes);
    void compute_halves(const std::function<void(double)>& progress);
    void load_or_compute_halves(const std::function<void(double)>& progress, const std::filesystem::path& cache);

    model::Architecture architecture_;
    packing::Plan plan_;
    std::shared_ptr<const Activation> activation_;
    InferenceCost cost_;
    Sha256 secret_digest_{}, fingerprint_{};
    const Epoch epoch_;
    std::optional<scheme::PublicPolynomials> publics_;  // made when the fingerprint is known
    std::vector<PreparedLayer> layers_;
    std::vector<ActivationCurve> curves_;
    CacheOutcome cache_;
};

}  // namespace flash::protocol
