#include "planner/key_bytes.h"

#include <algorithm>

#include "packing/choose_packing.h"
#include "packing/plan.h"
#include "protocol/activation/activation.h"
#include "protocol/cost.h"

namespace flash::planner {

KeyBytes key_bytes(const model::Model& model) {
    const packing::Energies energies = packing::weight_energies(model.architecture, model.weights);
    const bool small_ring = std::ranges::any_of(packing::make_plan(model.architecture).degrees(), [](std::size_t n) {
        return n != static_cast<std::size_t>(model::kDefaultDegree);
    });
    const auto activation = protocol::make_activation(model.architecture);  // the same for both
    const auto bytes = [&](bool trust_server) {
        model::Architecture architecture = model.architecture;
        architecture.trust_server = trust_server;
        for (model::Layer& layer : architecture.layers) layer.packing = {};
        packing::choose_packing(architecture, energies, small_ring);
        const protocol::InferenceCost cost =
            protocol::cost_of(architecture, packing::make_plan(architecture), *activation);
        return cost.up() + cost.down();
    };
    return {bytes(false), bytes(true)};
}

}  // namespace flash::planner
