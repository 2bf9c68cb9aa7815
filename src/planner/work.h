// What each layer of a plan asks of both parties: counts that follow from the public architecture and plan alone, and
// the seconds and bytes that they take at given rates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lattice/shifted_product.h"
#include "model/architecture.h"
#include "packing/plan.h"
#include "planner/rates.h"
#include "protocol/cost.h"

namespace flash::planner {

/// One product of int8 weights and shifted polynomials, as packing/linear_map.h makes them, all bands together.
struct ProductWork {
    lattice::ProductMethod method = lattice::ProductMethod::kDirect;  ///< the faster one on this machine
    double seconds = 0;                                               ///< that one thread takes
    double other_seconds = 0;      ///< with the other method; infinite where there is none
    std::size_t memory_bytes = 0;  ///< weights arranged for the method
};

/// Seconds of one thread, bytes with frame headers.
struct LayerWork {
    // Client. prepare_upload and prepare: ahead of need.
    double prepare_upload = 0, encrypt = 0, decrypt = 0, prepare = 0, respond = 0;
    // Server.
    double add_share = 0, product = 0, shifts = 0, mask = 0, keys = 0,
           finish = 0;  ///< shifts: shortcuts and depthwise convolutions; keys: vectors, ahead of need
    double client() const { return prepare_upload + encrypt + decrypt + prepare + respond; }
    double server() const { return add_share + product + shifts + mask + keys + finish; }
    // Connection.
    std::uint64_t upload = 0, response = 0, key_bytes = 0, answer = 0;
    std::uint64_t bytes() const { return upload + response + key_bytes + answer; }
    // Memory of the server's model.
    std::size_t weight_memory = 0;  ///< weights as arranged
    std::size_t half_memory = 0;    ///< `a` halves of the results, computed when the model is loaded
    bool transforms = false;        ///< some product goes through transforms
    int bands = 1;                  ///< of the results
    // Parts that follow each other.
    double upload_pieces = 1;  ///< uploads
    double pieces = 1;         ///< through the activation: chunks, or responses where there is none
};

/// As network_work(), of one layer.
LayerWork layer_work(const model::Architecture& architecture, const packing::Plan& plan,
                     const protocol::InferenceCost& cost, int layer, const Rates& rates);
/// Products by a formula, and each as if the budget for transforms were its own: for comparing many plans.
std::vector<LayerWork> network_work(const model::Architecture& architecture, const packing::Plan& plan,
                                    const protocol::InferenceCost& cost, const Rates& rates);
/// The same with the products that a server makes of this plan, which share the budget.
std::vector<LayerWork> planned_work(const model::Architecture& architecture, const packing::Plan& plan,
                                    const protocol::InferenceCost& cost, const Rates& rates,
                                    std::size_t transform_bytes = lattice::kTransformBudget);

}  // namespace flash::planner
