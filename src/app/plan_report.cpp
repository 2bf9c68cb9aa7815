#include "app/plan_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/key_report.h"
#include "base/hash.h"
#include "base/table.h"
#include "data/preprocess.h"
#include "model/file.h"
#include "packing/plan.h"
#include "protocol/cost.h"
#include "protocol/session_memory.h"

namespace flash::app {

namespace {

std::string shape_text(const model::Shape& shape) {
    return fmt::format("{}x{}x{}", shape.channels, shape.height, shape.width);
}

/// Smallest and largest x_scale of a layer: the real value of one unit of X.
std::pair<double, double> scales(const model::LayerWeights& weights) {
    if (weights.x_scale.empty()) return {0, 0};
    const auto [low, high] = std::minmax_element(weights.x_scale.begin(), weights.x_scale.end());
    return {*low, *high};
}

std::string packing_text(const packing::LinearPlan& linear) {
    return fmt::format("{}x{}{}", linear.grid.channels_per_input, linear.grid.channels_per_output,
                       linear.bands > 1 ? fmt::format(", {} bands", linear.bands) : std::string());
}

/// The model's slots among all that could serve it; null if it cannot be served.
const planner::TimedSlots* own(const model::Architecture& architecture,
                               const std::vector<planner::TimedSlots>& ranked) {
    const auto found = std::ranges::find(ranked, architecture.slots, &planner::TimedSlots::slots);
    return found == ranked.end() ? nullptr : &*found;
}

std::string slots_name(const model::SlotChoice& slots) { return fmt::format("{},{}", slots.degree, slots.moduli); }

/// What they are, how often an answer is wrong, and the best of the others.
std::string slots_text(const model::Architecture& architecture, const planner::Timing* timing) {
    const std::span<const std::uint32_t> moduli = model::plain_moduli(architecture.slots, architecture.plain_bits);
    std::string text = fmt::format("activations: slots {}, T of {} bits ({}{})", slots_name(architecture.slots),
                                   architecture.plain_bits, moduli.front(),
                                   moduli.size() > 1 ? fmt::format(" to {}", moduli.back()) : std::string());
    const std::vector<planner::TimedSlots> ranked = planner::rank_slots(architecture, timing);
    const planner::TimedSlots* mine = own(architecture, ranked);
    const auto other = std::ranges::find_if(ranked, [&](const planner::TimedSlots& s) { return &s != mine; });
    if (mine && other != ranked.end()) {
        text += fmt::format("; next best {}: ", slots_name(other->slots));
        if (timing) text += fmt::format("{:+.1f} ms, ", 1e3 * (other->seconds - mine->seconds));
        text += fmt::format("{:+} bytes", static_cast<long long>(other->bytes) - static_cast<long long>(mine->bytes));
    }
    text += '\n';
    if (mine) text += fmt::format("an inference is wrong by a rounding at most once in 2^{:.1f}\n", -mine->log2_wrong);
    return text;
}

nlohmann::json slots_json(const model::Architecture& architecture, const planner::Timing* timing) {
    nlohmann::json list = nlohmann::json::array();
    for (const planner::TimedSlots& slots : planner::rank_slots(architecture, timing)) {
        nlohmann::json entry{{"degree", slots.slots.degree},
                             {"values", slots.slots.moduli},
                             {"chosen", slots.slots == architecture.slots},
                             {"log2_wrong_inference", slots.log2_wrong},
                             {"bytes", slots.bytes}};
        if (timing) entry["seconds"] = slots.seconds;
        list.push_back(std::move(entry));
    }
    return list;
}

}  // namespace

std::string plan_table(const model::Model& model, const planner::Timing* timing) {
    const model::Architecture& architecture = model.architecture;
    const packing::Plan plan = packing::make_plan(architecture);
    const protocol::InferenceCost cost = protocol::cost_of(architecture, plan);
    const protocol::SessionMemory memory = protocol::session_memory(architecture, plan, cost);
    Table table({{"layer"},
                 {"output"},
                 {"m", Align::kRight},
                 {"scale of X", Align::kRight},
                 {"range used", Align::kRight},
                 {"n", Align::kRight},
                 {"packing"},
                 {"ct up", Align::kRight},
                 {"ct down", Align::kRight},
                 {"values", Align::kRight},
                 {"bytes up", Align::kRight},
                 {"bytes down", Align::kRight}});
    for (std::size_t l = 0; l < architecture.layers.size(); ++l) {
        const model::Layer& layer = architecture.layers[l];
        const model::LayerWeights& weights = model.weights.layers[l];
        const protocol::LayerCost& c = cost.layers[l];
        const auto [low, high] = scales(weights);
        table.add_row({layer.name, shape_text(layer.output), std::to_string(layer.share_bits),
                       low == high ? fmt::format("{:.3g}", low) : fmt::format("{:.2g}..{:.2g}", low, high),
                       fmt::format("{:.0f}%", 100 * weights.calibrated_use), std::to_string(plan.layers[l].grid.degree),
                       packing_text(plan.layers[l]), with_separators(c.upload_ciphertexts),
                       with_separators(c.response_ciphertexts), with_separators(c.activation_values),
                       with_separators(static_cast<long long>(c.up())),
                       with_separators(static_cast<long long>(c.down()))});
    }
    table.add_rule();
    table.add_row({"keys and frames", "", "", "", "", "", "", "", "", "",
                   with_separators(static_cast<long long>(cost.start_up)),
                   with_separators(static_cast<long long>(cost.start_down))});
    table.add_row({"one inference", "", "", "", "", "", "", "", "", with_separators(architecture.activation_values()),
                   with_separators(static_cast<long long>(cost.up())),
                   with_separators(static_cast<long long>(cost.down()))});
    return table.str() + keys_text(model, planner::key_bytes(model)) +
           fmt::format(
               "{}: input {}, {} round trips, {} both ways ({:.1f} bytes per activation value)\n"
               "{}pictures: {}\n"
               "a session holds up to {} at the server, beside the model, and {} at the client\nfingerprint {}\n",
               printable(architecture.name), shape_text(architecture.input), cost.round_trips,
               human_bytes(static_cast<double>(cost.up() + cost.down())),
               static_cast<double>(cost.up() + cost.down()) /
                   static_cast<double>(std::max<std::int64_t>(1, architecture.activation_values())),
               slots_text(architecture, timing), data::describe(architecture.preprocessing),
               human_bytes(static_cast<double>(memory.server)), human_bytes(static_cast<double>(memory.client)),
               to_hex(model::fingerprint(model)));
}

nlohmann::json plan_json(const model::Model& model, const planner::Timing* timing) {
    const model::Architecture& architecture = model.architecture;
    const packing::Plan plan = packing::make_plan(architecture);
    const protocol::InferenceCost cost = protocol::cost_of(architecture, plan);
    const protocol::SessionMemory memory = protocol::session_memory(architecture, plan, cost);
    const std::optional<planner::TimedSlots> wrong = planner::weigh_slots(architecture, nullptr);
    nlohmann::json layers = nlohmann::json::array();
    for (std::size_t l = 0; l < architecture.layers.size(); ++l) {
        const model::Layer& layer = architecture.layers[l];
        const model::LayerWeights& weights = model.weights.layers[l];
        const protocol::LayerCost& c = cost.layers[l];
        const auto [low, high] = scales(weights);
        layers.push_back({{"name", layer.name},
                          {"output", {layer.output.channels, layer.output.height, layer.output.width}},
                          {"share_bits", layer.share_bits},
                          {"x_scale_min", low},
                          {"x_scale_max", high},
                          {"range_used", weights.calibrated_use},
                          {"noise_bits", weights.noise_bits},
                          {"degree", plan.layers[l].grid.degree},
                          {"channels_per_input", plan.layers[l].grid.channels_per_input},
                          {"channels_per_output", plan.layers[l].grid.channels_per_output},
                          {"bands", plan.layers[l].bands},
                          {"upload_ciphertexts", c.upload_ciphertexts},
                          {"response_ciphertexts", c.response_ciphertexts},
                          {"activation_values", c.activation_values},
                          {"bytes_up", c.up()},
                          {"bytes_down", c.down()},
                          {"bytes",
                           {{"upload", c.upload},
                            {"linear_response", c.linear_response},
                            {"vectors", c.server_vectors},
                            {"product_response", c.product_response}}}});
    }
    return {{"name", architecture.name},
            {"fingerprint", to_hex(model::fingerprint(model))},
            {"plain_moduli", model::plain_moduli(architecture.slots, architecture.plain_bits)},
            {"slots", slots_json(architecture, timing)},
            {"input", {architecture.input.channels, architecture.input.height, architecture.input.width}},
            {"classes", architecture.classes},
            {"pictures", data::describe(architecture.preprocessing)},
            {"layers", layers},
            {"keys", keys_json(model, planner::key_bytes(model))},
            {"activation_values", architecture.activation_values()},
            {"log2_wrong_inference", wrong ? nlohmann::json(wrong->log2_wrong) : nlohmann::json()},
            {"round_trips", cost.round_trips},
            {"session_bytes", {{"server", memory.server}, {"client", memory.client}}},
            {"bytes_up", cost.up()},
            {"bytes_down", cost.down()}};
}

}  // namespace flash::app
