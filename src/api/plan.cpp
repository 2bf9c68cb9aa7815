#include "flash/plan.h"

#include "api/info.h"
#include "api/model_data.h"
#include "base/cores.h"
#include "packing/plan.h"
#include "planner/pack_for.h"
#include "protocol/session_memory.h"

namespace flash {

namespace {

const char* word_of(planner::LayerTime::Bound bound) {
    switch (bound) {
        case planner::LayerTime::Bound::kProcessor: return "cores";
        case planner::LayerTime::Bound::kDown: return "down";
        case planner::LayerTime::Bound::kUp: return "up";
        case planner::LayerTime::Bound::kTurn: return "turn";
    }
    return "";
}

planner::Setting setting_of(const PlanOptions& options) {
    if (options.cores < 0) throw Error(ErrorKind::kInvalidArgument, "a party has at least one core");
    planner::Setting setting;
    setting.link = transport::parse_link(options.link);
    setting.shared_cores = options.shared_cores || !setting.link;
    setting.cores = options.cores > 0 ? options.cores : available_cores();
    return setting;
}

}  // namespace

Plan plan(const Model& model, const PlanOptions& options) {
    const planner::Setting setting = setting_of(options);
    const model::Architecture& architecture = model.data().model.architecture;
    const packing::Plan packed = packing::make_plan(architecture);
    const protocol::InferenceCost cost = protocol::cost_of(architecture, packed);
    const protocol::SessionMemory memory = protocol::session_memory(architecture, packed, cost);
    const planner::TimedPlan timed = planner::time_plan(model.data().model, setting);
    Plan plan;
    for (std::size_t l = 0; l < architecture.layers.size(); ++l) {
        const model::Layer& layer = architecture.layers[l];
        const protocol::LayerCost& bytes = cost.layers[l];
        const planner::LayerWork& work = timed.work[l];
        const planner::LayerTime& time = timed.prediction.layers[l];
        plan.layers.push_back({layer.name, api::shape_of(layer.output), layer.share_bits, packed.layers[l].grid.degree,
                               bytes.upload_ciphertexts, bytes.response_ciphertexts, bytes.activation_values,
                               bytes.up(), bytes.down(), time.seconds, word_of(time.bound), work.client(),
                               work.server(), work.weight_memory + work.half_memory});
    }
    plan.seconds = timed.prediction.seconds();
    plan.start_seconds = timed.prediction.start;
    plan.upload_bytes = cost.up();
    plan.download_bytes = cost.down();
    plan.round_trips = cost.round_trips;
    plan.client_memory = memory.client;
    plan.server_memory = memory.server;
    if (const auto slots = planner::weigh_slots(architecture, nullptr)) plan.log2_wrong = slots->log2_wrong;
    return plan;
}

}  // namespace flash
