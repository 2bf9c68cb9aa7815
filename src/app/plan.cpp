#include "app/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/plan_report.h"
#include "base/cores.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/standard_output.h"
#include "base/table.h"
#include "model/file.h"
#include "packing/plan.h"
#include "planner/pack_for.h"

namespace flash::app {

namespace {

std::string packing_text(const planner::TimedPacking& a) {
    return fmt::format("{}x{} n={}", a.packing.channels_per_input, a.channels_per_output, a.packing.degree);
}

/// The alternative that is like the model's own packing, or null: a model may have been packed by other rules.
const planner::TimedPacking* own(const planner::GroupChoice& choice, const packing::Plan& plan) {
    const packing::Grid& grid = plan.layers[choice.layers.front()].grid;
    const auto found = std::ranges::find_if(choice.alternatives, [&](const planner::TimedPacking& a) {
        return a.packing == model::PackingChoice{grid.channels_per_input, grid.degree};
    });
    return found == choice.alternatives.end() ? nullptr : &*found;
}

/// The best of the others.
const planner::TimedPacking* second(const planner::GroupChoice& choice, const planner::TimedPacking* mine) {
    for (const planner::TimedPacking& a : choice.alternatives)
        if (&a != mine) return &a;
    return nullptr;
}

std::string difference_text(const planner::TimedPacking& other, const planner::TimedPacking& mine) {
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

std::string time_table(const model::Architecture& architecture, const planner::TimedPlan& timed) {
    const packing::Plan plan = packing::make_plan(architecture);
    std::vector<const planner::GroupChoice*> choice_of(architecture.layers.size());
    for (const planner::GroupChoice& choice : timed.choices) choice_of[choice.layers.front()] = &choice;
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
            const planner::TimedPacking* mine = own(*choice, plan);
            const planner::TimedPacking* other = second(*choice, mine);
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

nlohmann::json time_json(const planner::TimedPlan& timed) {
    nlohmann::json layers = nlohmann::json::array(), groups = nlohmann::json::array();
    for (std::size_t l = 0; l < timed.work.size(); ++l) {
        const planner::LayerWork& w = timed.work[l];
        layers.push_back({{"seconds", timed.prediction.layers[l].seconds},
                          {"waits_for", bound_text(timed.prediction.layers[l].bound)},
                          {"client_s",
                           {{"prepare_upload", w.prepare_upload},
                            {"encrypt", w.encrypt},
                            {"decrypt", w.decrypt},
                            {"prepare", w.prepare},
                            {"respond", w.respond}}},
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
        for (const planner::TimedPacking& a : choice.alternatives)
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

}  // namespace

planner::Setting setting_of(const Place& place) {
    planner::Setting setting;
    setting.link = transport::parse_link(place.link);
    setting.shared_cores = place.shared_cores || !setting.link;
    setting.cores = place.cores > 0 ? place.cores : available_cores();
    return setting;
}

void run_plan(const PlanCommand& command) {
    const planner::Setting setting = setting_of(command.place);
    if (!command.replan.empty()) require_writable(command.replan);
    model::Model model = model::load(command.model);
    if (command.bytes_only && command.replan.empty()) {
        print_result("{}", command.json ? plan_json(model).dump(2) + "\n" : plan_table(model));
        return;
    }
    planner::TimedPlan timed = planner::time_plan(model, setting);
    if (!command.replan.empty()) {
        const double before = timed.prediction.seconds();
        planner::repack(timed.choices, model);
        model::save(model, command.replan);
        timed = planner::time_plan(model, setting);
        if (!command.json)
            print_result("wrote {}: {:.1f} ms instead of {:.1f} ms\n\n", command.replan.string(),
                         1e3 * timed.prediction.seconds(), 1e3 * before);
    }
    const planner::Timing timing{timed.rates, setting};
    if (command.json) {
        nlohmann::json json = plan_json(model, &timing);
        json["time"] = time_json(timed);
        print_result("{}\n", json.dump(2));
        return;
    }
    print_result(
        "{}\n{}\nPredicted for {}; work of one thread in the columns of the parties.\nThe next best packing (channels "
        "an upload x channels a response, degree of the ring) changes the time and bytes of its "
        "layers together by so much.\n",
        plan_table(model, &timing), time_table(model.architecture, timed), setting_text(timed.setting));
}

}  // namespace flash::app
