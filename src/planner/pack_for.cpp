#include "planner/pack_for.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "packing/plan.h"
#include "packing/upload_bits.h"
#include "packing/weight_energy.h"
#include "protocol/cost.h"
#include "scheme/direct_noise.h"

namespace flash::planner {

TimedPlan time_plan(const model::Model& model, const Rates& rates, const Setting& setting) {
    const model::Architecture& architecture = model.architecture;
    const packing::Energies energies = packing::weight_energies(architecture, model.weights);
    const packing::Plan plan = packing::make_plan(architecture);
    TimedPlan timed;
    timed.setting = setting;
    timed.rates = rates;
    timed.work = planned_work(architecture, plan, protocol::cost_of(architecture, plan), rates);
    timed.prediction = predict(timed.work, rates, setting);
    timed.choices = alternatives(architecture, rates, setting, &energies);
    const Timing timing{rates, setting};
    timed.slots = rank_slots(architecture, &timing);
    return timed;
}

TimedPlan time_plan(const model::Model& model, const Setting& setting) {
    return time_plan(model, measure_rates(rated(model.architecture)), setting);
}

void repack(const std::vector<GroupChoice>& choices, model::Model& model) {
    fix_packing(choices, model.architecture);
    packing::choose_upload_bits(model.architecture, model.weights);
    // A compiler chooses m so that some packing fits; a model from elsewhere may have none that does.
    for (std::size_t l = 0; l < model.architecture.layers.size(); ++l) {
        const model::Layer& layer = model.architecture.layers[l];
        const double limit = std::log2(scheme::phase_noise_limit(layer.share_bits));
        if (model.weights.layers[l].noise_bits > limit)
            throw Error(
                ErrorKind::kRange,
                fmt::format("layer {}: the noise of its ciphertexts is {:.2f} times what its m = {} allows in every "
                            "packing; compile the network again",
                            layer.name, std::exp2(model.weights.layers[l].noise_bits - limit), layer.share_bits));
    }
}

void pack_for(const Timing& timing, model::Model& model) {
    const packing::Energies energies = packing::weight_energies(model.architecture, model.weights);
    repack(alternatives(model.architecture, timing.rates, timing.setting, &energies), model);
}

}  // namespace flash::planner
