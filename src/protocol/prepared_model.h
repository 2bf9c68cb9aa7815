// A compiled model made ready to serve: its plan, its layers as matrices, and the `a` halves of all results, which do not
// depend on any client because the public `a` polynomials are fixed per model (docs/protocol.md). Read-only and shared by all
// sessions.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "model/file.h"
#include "model/model.h"
#include "packing/plan.h"
#include "protocol/cost.h"
#include "protocol/linear_map.h"
#include "scheme/direct.h"

namespace flash::protocol {

struct PreparedLayer {
    LinearMap map;
    std::vector<std::uint32_t> a;            ///< layer(a) of every result polynomial, n words each
    std::vector<std::uint32_t> scaled_bias;  ///< round(q/T * bias) per output channel
};

class PreparedModel {
public:
    /// Computes the `a` halves (the bulk of the loading time); progress gets fractions in 0..1.
    explicit PreparedModel(model::Model model, const std::function<void(double)>& progress = {});
    PreparedModel(const PreparedModel&) = delete;
    PreparedModel& operator=(const PreparedModel&) = delete;

    const model::Model& model() const { return model_; }
    const model::Architecture& architecture() const { return model_.architecture; }
    const packing::Plan& plan() const { return plan_; }
    const InferenceCost& cost() const { return cost_; }
    const Sha256& fingerprint() const { return fingerprint_; }
    const scheme::PublicPolynomials& publics() const { return publics_; }
    const PreparedLayer& layer(int index) const { return layers_[static_cast<std::size_t>(index)]; }
    /// Bytes held by the matrices and the `a` halves.
    std::size_t memory_bytes() const;

private:
    model::Model model_;
    packing::Plan plan_;
    InferenceCost cost_;
    Sha256 fingerprint_;
    scheme::PublicPolynomials publics_;
    std::vector<PreparedLayer> layers_;
};

}  // namespace flash::protocol
