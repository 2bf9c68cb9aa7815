#include "planner/choose_slots.h"

#include <algorithm>

#include "base/error.h"
#include "packing/plan.h"
#include "planner/work.h"
#include "protocol/cost.h"
#include "scheme/composite_parameters.h"

namespace flash::planner {

namespace {

/// Null if there is none.
std::shared_ptr<const protocol::Activation> activation_of(const model::Architecture& architecture) {
    if (!model::has_plain_moduli(architecture.slots, architecture.plain_bits)) return nullptr;
    for (const model::Layer& layer : architecture.layers)
        if (layer.plain_bits != 0 && !model::has_plain_moduli(architecture.slots, layer.plain_bits)) return nullptr;
    try {
        return protocol::make_activation(architecture);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::kUnsupported) throw;
        return nullptr;
    }
}

}  // namespace

bool can_serve(const model::Architecture& architecture) { return activation_of(architecture) != nullptr; }

std::optional<TimedSlots> weigh_slots(const model::Architecture& architecture, const Timing* timing) {
    const std::shared_ptr<const protocol::Activation> activation = activation_of(architecture);
    if (!activation) return std::nullopt;
    const packing::Plan plan = packing::make_plan(architecture);
    const protocol::InferenceCost cost = protocol::cost_of(architecture, plan, *activation);
    TimedSlots result{.slots = architecture.slots,
                      .bytes = cost.up() + cost.down(),
                      .log2_wrong = activation->log2_wrong_inference(),
                      .values = std::max<std::int64_t>(1, architecture.activation_values())};
    if (timing)
        result.seconds =
            predict(network_work(architecture, plan, cost, timing->rates), timing->rates, timing->setting).seconds();
    return result;
}

bool is_better(const TimedSlots& a, const TimedSlots& b) {
    return a.seconds != b.seconds ? a.seconds < b.seconds : a.bytes < b.bytes;
}

std::vector<TimedSlots> rank_slots(const model::Architecture& architecture, const Timing* timing) {
    std::vector<TimedSlots> result;
    for (const scheme::CompositeShape& shape : scheme::kCompositeShapes) {
        model::Architecture tried = architecture;
        tried.slots = {static_cast<int>(shape.degree), shape.residues};
        if (const std::optional<TimedSlots> weighed = weigh_slots(tried, timing)) result.push_back(*weighed);
    }
    std::ranges::stable_sort(result, is_better);
    return result;
}

}  // namespace flash::planner
