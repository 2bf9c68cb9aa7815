#include "app/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/plan_report.h"
#include "base/error.h"
#include "base/progress.h"
#include "base/table.h"
#include "compiler/choose_packing.h"
#include "compiler/noise.h"
#include "model/file.h"
#include "planner/choose.h"
#include "planner/time_model.h"
#include "planner/work.h"

namespace flash::app {

namespace {

/// A model's plan in time, and what else it could be.
struct TimedPlan {
    planner::Setting setting;
    planner::Rates rates;
    std::vector<planner::LayerWork> work;
    planner::Prediction prediction;
    std::vector<planner::GroupChoice> choices;
};

TimedPlan time_plan(const model::Model& model, const Place& place) {
    const model::Architecture& architecture = model.architecture;
    const compiler::Energies energies = compiler::weight_energies(architecture, model.weights);
    const planner::NoiseRules rules{
        [&](const std::vector<std::size_t>& group, const model::PackingChoice& choice) {
            return compiler::noise_fits(architecture, energies, group, choice);
        },
        [&](model::Architecture& changed) { compiler::choose_upload_bits(changed, energies); }};
    TimedPlan timed;
    timed.setting.link = transport::parse_link(place.link);
    timed.setting.shared_cores = place.shared_cores || !timed.setting.link;
    timed.setting.cores =
        place.cores > 0 ? place.cores : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    timed.rates = planner::measure_rates(architecture.plain_bits, architecture.layers.front().share_bits);
    const packing::Plan plan = packing::make_plan(architecture);
    timed.work = planner::planned_work(architecture, plan, protocol::cost_of(architecture, plan), timed.rates);
    timed.prediction = planner::predict(timed.work, timed.rates, timed.setting);
    timed.choices = planner::alternatives(architecture, timed.rates, timed.setting, &rules);
    return timed;
}

std::string packing_text(const planner::Alternative& a) {
    return fmt::format("{}x{} n={}", a.packing.channels_per_input, a.channels_per_output, a.packing.degree);
}

/// The alternative that is like the model's own packing, or null: a model may have been packed by other rules.
const planner::Alternative* own(const planner::GroupChoice& choice, const packing::Plan& plan) {
    const packing::Grid& grid = plan.layers[static_cast<std::size_t>(choice.layers.front())].grid;
    const auto found = std::ranges::find_if(choice.alternatives, [&](const planner::Alternative& a) {
        return a.packing == model::PackingChoice{grid.channels_per_input, grid.degree};
    });
    return found == choice.alternatives.end() ? nullptr : &*found;
}

/// The best of the others.
const planner::Alternative* second(const planner::GroupChoice& choice, const planner::Alternative* mine) {
    for (const planner::Alternative& a : choice.alternatives)
        if (&a != mine) return &a;
    return nullptr;
}

std::string difference_text(const planner::Alternative& other, const planner::Alternative& mine) {
    return fmt::format("{} {:+.2f} ms, {:+} bytes", packing_text(other), 1e3 * (other.seconds - mine.seconds),
                       static_cast<long long>(other.bytes) - static_cast<long long>(mine.bytes));
}

const char* bound_text(planner::LayerTime::Bound bound) {
    switch (bound) {
        case planner::LayerTime::Bound::kProcessor: return "cores";
        case planner::LayerTime::Bound::kDown: return "down";
        case planner::LayerTime::Bound::kUp: return "up";
        case planner::LayerTime::Bound::kTurn: return "turn";
    }
    return "";
}

std::string time_table(const model::Architecture& architecture, const TimedPlan& timed) {
    const packing::Plan plan = packing::make_plan(architecture);
    std::vector<const planner::GroupChoice*> choice_of(architecture.layers.size());
    for (const planner::GroupChoice& choice : timed.choices)
        choice_of[static_cast<std::size_t>(choice.layers.front())] = &choice;
    Table table({{"layer"},
                 {"ms", Align::kRight},
                 {"waits for"},
                 {"client ms", Align::kRight},
                 {"server ms", Align::kRight},
                 {"product"},
                 {"memory", Align::kRight},
                 {"next best packing"}});
    const auto milliseconds = [](double seconds) { return fmt::format("{:.2f}", 1e3 * seconds); };
    planner::LayerWork sum;
    std::size_t memory = 0;
    double client = 0, server = 0;
    for (std::size_t l = 0; l < architecture.layers.size(); ++l) {
        const planner::LayerWork& work = timed.work[l];
        std::string next;
        if (const planner::GroupChoice* choice = choice_of[l]) {
            const planner::Alternative* mine = own(*choice, plan);
            const planner::Alternative* other = second(*choice, mine);
            next = !other ? "only one" : mine ? difference_text(*other, *mine) : packing_text(*other);
        } else {
            next = "with a layer above";
        }
        memory += work.weight_memory + work.half_memory;
        client += work.client();
        server += work.server();
        table.add_row({architecture.layers[l].name, milliseconds(timed.prediction.layers[l].seconds),
                       bound_text(timed.prediction.layers[l].bound), milliseconds(work.client()),
                       milliseconds(work.server()), work.transforms ? "transforms" : "direct",
                       human_bytes(static_cast<double>(work.weight_memory + work.half_memory)), next});
    }
    table.add_rule();
    table.add_row({"start", milliseconds(timed.prediction.start), "", "", "", "", "", ""});
    table.add_row({"one inference", milliseconds(timed.prediction.seconds()), "", milliseconds(client),
                   milliseconds(server), "", human_bytes(static_cast<double>(memory)), ""});
    return table.str();
}

std::string setting_text(const planner::Setting& setting) {
    return fmt::format("{}, {} cores {}",
                       setting.link ? "TLS over a link of " + transport::to_string(setting.link)
                                    : std::string("TLS on the loopback interface"),
                       setting.cores, setting.shared_cores ? "for both parties together" : "for each party");
}

nlohmann::json time_json(const TimedPlan& timed) {
    nlohmann::json layers = nlohmann::json::array(), groups = nlohmann::json::array();
    for (std::size_t l = 0; l < timed.work.size(); ++l) {
        const planner::LayerWork& w = timed.work[l];
        layers.push_back(
            {{"seconds", timed.prediction.layers[l].seconds},
             {"waits_for", bound_text(timed.prediction.layers[l].bound)},
             {"client_s",
              {{"encrypt", w.encrypt}, {"decrypt", w.decrypt}, {"prepare", w.prepare}, {"respond", w.respond}}},
             {"server_s",
              {{"add_share", w.add_share},
               {"product", w.product},
               {"shifts", w.shifts},
               {"mask", w.mask},
               {"keys", w.keys},
               {"finish", w.finish}}},
             {"transforms", w.transforms},
             {"weight_memory", w.weight_memory},
             {"half_memory", w.half_memory}});
    }
    for (const planner::GroupChoice& choice : timed.choices) {
        nlohmann::json list = nlohmann::json::array();
        for (const planner::Alternative& a : choice.alternatives)
            list.push_back({{"degree", a.packing.degree},
                            {"channels_per_input", a.packing.channels_per_input},
                            {"channels_per_output", a.channels_per_output},
                            {"seconds", a.seconds},
                            {"bytes", a.bytes}});
        groups.push_back({{"layers", choice.layers}, {"alternatives", list}});
    }
    return {{"link", transport::to_string(timed.setting.link)},
            {"cores", timed.setting.cores},
            {"shared_cores", timed.setting.shared_cores},
            {"seconds", timed.prediction.seconds()},
            {"start_s", timed.prediction.start},
            {"layers", layers},
            {"groups", groups}};
}

void repack(const TimedPlan& timed, model::Model& model) {
    planner::fix_packing(timed.choices, model.architecture);
    compiler::choose_upload_bits(model.architecture, model.weights);
    // A compiler chooses m so that some packing fits; a model from elsewhere may have none that does, and would compute
    // wrong values.
    for (std::size_t l = 0; l < model.architecture.layers.size(); ++l) {
        const model::Layer& layer = model.architecture.layers[l];
        const double limit = std::log2(compiler::phase_noise_limit(layer.share_bits));
        if (model.weights.layers[l].noise_bits > limit)
            throw Error(
                ErrorKind::kRange,
                fmt::format("layer {}: the noise of its ciphertexts is {:.2f} times what its m = {} allows in every "
                            "packing; compile the network again",
                            layer.name, std::exp2(model.weights.layers[l].noise_bits - limit), layer.share_bits));
    }
}

}  // namespace

void pack_for(const Place& place, model::Model& model) { repack(time_plan(model, place), model); }

void run_plan(const PlanCommand& command) {
    model::Model model = model::load(command.model);
    if (command.bytes_only && command.replan.empty()) {
        fmt::print("{}", command.json ? plan_json(model).dump(2) + "\n" : plan_table(model));
        return;
    }
    TimedPlan timed = time_plan(model, command.place);
    if (!command.replan.empty()) {
        const double before = timed.prediction.seconds();
        repack(timed, model);
        model::save(model, command.replan);
        timed = time_plan(model, command.place);
        if (!command.json)
            fmt::print("wrote {}: {:.1f} ms instead of {:.1f} ms\n\n", command.replan.string(),
                       1e3 * timed.prediction.seconds(), 1e3 * before);
    }
    if (command.json) {
        nlohmann::json json = plan_json(model);
        json["time"] = time_json(timed);
        fmt::print("{}\n", json.dump(2));
        return;
    }
    fmt::print(
        "{}\n{}\nPredicted for {}; work of one thread in the columns of the parties.\nThe next best packing (channels "
        "an upload x channels a response, degree of the ring) changes the time and bytes of its "
        "layers together by so much.\n",
        plan_table(model), time_table(model.architecture, timed), setting_text(timed.setting));
}

}  // namespace flash::app
