#include "app/bench/network_bench.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "app/answer.h"
#include "app/bench/local_session.h"
#include "app/bench/machine.h"
#include "app/bench/report.h"
#include "app/threads.h"
#include "base/progress.h"
#include "base/table.h"
#include "data/dataset.h"
#include "model/arithmetic.h"
#include "model/file.h"
#include "model/twin.h"
#include "protocol/audit.h"
#include "protocol/prepared_model.h"

namespace flash::bench {

namespace {

std::int64_t multiply_adds(const model::Architecture& architecture) {
    std::int64_t count = 0;
    for (const model::Layer& layer : architecture.layers)
        for (const model::Term& term : layer.terms)
            if (term.kind == model::TermKind::kConvolution)
                count += layer.output.size() * architecture.fan_in(term);
    return count;
}

/// Uniform pixels, halved in size until the twin finds every value of the network in its range.
std::vector<std::int32_t> random_picture(const model::Architecture& architecture, const model::Twin& twin) {
    std::vector<std::int32_t> input(static_cast<std::size_t>(architecture.input.size()));
    for (std::int32_t limit = architecture.input_limit; limit > 0; limit /= 2) {
        std::mt19937_64 random(1);
        std::uniform_int_distribution<std::int32_t> pixel(-limit, limit);
        for (auto& value : input) value = pixel(random);
        if (twin.run(input).overflows == 0) break;
    }
    return input;
}

std::vector<std::int32_t> picture(const NetworkCommand& command, const model::Architecture& architecture, const model::Twin& twin, std::string& what) {
    if (command.data.empty()) {
        what = "random pixels";
        return random_picture(architecture, twin);
    }
    const auto set = data::open_dataset(command.data);
    what = fmt::format("{} of {}", set->name(0), set->description());
    return model::quantise_input(architecture, set->load(0, architecture.preprocessing, architecture.input));
}

/// One kind of connection: sessions, and what came of them.
class Track {
public:
    Track(std::string name, const Connection& connection, const model::Model& source, const protocol::PreparedModel& model,
          const model::Twin& twin, std::span<const std::int32_t> input)
        : input_(input), expected_(twin.run(input).logits) {
        result_.name = std::move(name);
        result_.link = transport::to_string(connection.link);
        protocol::Audit audit(source, twin);
        LocalSession(model, connection, &audit.server()).infer(input, &audit.client());
        const protocol::AuditReport report = audit.check();
        result_.largest_rounding_error = report.largest_error();
        result_.out_of_range = report.out_of_range();
        result_.wrong_activations = report.wrong_activations();
        result_.logit_bound = app::logit_bound(twin, input, expected_, model.architecture().output_scale);
        session_ = std::make_unique<LocalSession>(model, connection);
        session_->infer(input);  // warms it up
    }
    void run() {
        const LocalSession::Outcome outcome = session_->infer(input_);
        if (result_.seconds.empty() || outcome.seconds < result_.seconds.min()) result_.phases = outcome.result.seconds;
        result_.seconds.add(outcome.seconds);
        result_.bytes_up = outcome.bytes_up;
        result_.bytes_down = outcome.bytes_down;
        result_.round_trips = outcome.result.round_trips;
        const std::vector<float>& logits = outcome.result.logits;
        result_.same_class += app::best_class(logits) == app::best_class(expected_);
        for (std::size_t i = 0; i < logits.size(); ++i)
            result_.largest_logit_difference = std::max(result_.largest_logit_difference, std::abs(static_cast<double>(logits[i]) - expected_[i]));
    }
    const ConnectionResult& result() const { return result_; }

private:
    std::span<const std::int32_t> input_;
    std::vector<float> expected_;
    ConnectionResult result_;
    std::unique_ptr<LocalSession> session_;
};

}  // namespace

NetworkResult measure_network(const model::Model& model, const NetworkCommand& command) {
    NetworkResult result;
    const model::Architecture& architecture = model.architecture;
    result.name = architecture.name;
    result.activation_values = architecture.activation_values();
    result.activation_layers = static_cast<int>(architecture.layers.size()) - 1;
    result.multiply_adds = multiply_adds(architecture);
    result.threads = command.threads > 0 ? command.threads : available_cores();
    result.runs = command.runs;
    const auto limit = app::limit_threads(result.threads);

    const model::Twin twin(model);
    const std::vector<std::int32_t> input = picture(command, architecture, twin, result.input);
    const auto loading = std::chrono::steady_clock::now();
    const protocol::PreparedModel prepared(model);
    result.load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - loading).count();
    result.model_bytes = prepared.memory_bytes();

    PlainTimer plain(result.threads, [&](const PlainFactory& factory, int threads) { return factory.network(architecture, threads); });

    reset_peak_memory();
    result.resident_bytes = process_memory().resident;
    LocalSession(prepared, {}).infer(input);
    result.peak_bytes = process_memory().peak;

    Progress progress("inferences", (static_cast<std::uint64_t>(command.runs) + 2) * (command.links.size() + 2));
    std::vector<std::unique_ptr<Track>> tracks;
    const auto add_track = [&](const std::string& name, const Connection& connection) {
        tracks.push_back(std::make_unique<Track>(name, connection, model, prepared, twin, input));
        progress.advance(2);
    };
    add_track("memory", {});
    add_track("tls", {true, {}});
    for (const std::string& link : command.links)
        if (const auto parsed = transport::parse_link(link)) add_track("tls, " + link, {true, parsed});
    for (int run = 0; run < command.runs; ++run) {
        let_others_sleep();
        for (const auto& track : tracks) {
            track->run();
            progress.advance();
        }
        plain.run();
    }
    progress.finish();
    result.plain = plain.result();
    for (const auto& track : tracks) result.connections.push_back(track->result());
    if (command.scaling) result.scaling = measure_scaling(prepared, input, std::max(2, result.threads), command.runs);
    return result;
}

nlohmann::json to_json(const NetworkResult& r) {
    nlohmann::json json{{"network", r.name},
                        {"input", r.input},
                        {"activation_values", r.activation_values},
                        {"activation_layers", r.activation_layers},
                        {"multiply_adds", r.multiply_adds},
                        {"load_s", r.load_seconds},
                        {"memory", {{"model_bytes", r.model_bytes}, {"resident_before_bytes", r.resident_bytes}, {"peak_bytes", r.peak_bytes}}},
                        {"connections", nlohmann::json::array()},
                        {"plain", to_json(r.plain)}};
    const double values = static_cast<double>(r.activation_values);
    for (const ConnectionResult& c : r.connections) {
        nlohmann::json entry = to_json(c.seconds);
        entry["connection"] = c.name;
        entry["link"] = c.link;
        entry["bytes_up"] = c.bytes_up;
        entry["bytes_down"] = c.bytes_down;
        entry["round_trips"] = c.round_trips;
        if (r.activation_values) {
            entry["bytes_per_activation_value"] = static_cast<double>(c.bytes_up + c.bytes_down) / values;
            entry["ns_per_activation_value"] = 1e9 * c.seconds.median() / values;
        }
        entry["client_phases_s"] = {{"setup", c.phases.setup},         {"encrypt", c.phases.encrypt},     {"wait_linear", c.phases.wait_linear},
                                    {"decrypt", c.phases.decrypt},     {"wait_keys", c.phases.wait_keys}, {"respond", c.phases.respond}};
        entry["correctness"] = {{"correct", c.correct()},
                                {"runs", r.runs},
                                {"same_class_as_twin", c.same_class},
                                {"largest_logit_difference", c.largest_logit_difference},
                                {"logit_bound", c.logit_bound},
                                {"largest_rounding_error", c.largest_rounding_error},
                                {"out_of_range", c.out_of_range},
                                {"wrong_activations", c.wrong_activations}};
        if (!r.plain.empty()) entry["over_plain"] = ratio_json(c.seconds, r.plain.seconds);
        json["connections"].push_back(std::move(entry));
    }
    if (!r.scaling.empty()) json["server_scaling"] = to_json(r.scaling);
    return json;
}

namespace {

std::string network_table(const NetworkResult& r) {
    std::vector<Table::Column> columns{{""}};
    for (const ConnectionResult& c : r.connections) columns.push_back({c.name, Align::kRight});
    if (!r.plain.empty()) columns.push_back({"plain float32", Align::kRight});
    Table table(columns);
    const auto row = [&](const std::string& name, const auto& cell, const std::string& plain = {}) {
        std::vector<std::string> cells{name};
        for (const ConnectionResult& c : r.connections) cells.push_back(cell(c));
        if (!r.plain.empty()) cells.push_back(plain);
        table.add_row(std::move(cells));
    };
    const auto time = [&](double (Samples::*of)() const) { return r.plain.empty() ? std::string() : human_seconds((r.plain.seconds.*of)()); };
    const double values = static_cast<double>(std::max<std::int64_t>(1, r.activation_values));
    const auto bytes = [](std::uint64_t count) { return with_separators(static_cast<long long>(count)); };
    using Result = const ConnectionResult&;
    row("one inference, median", [](Result c) { return human_seconds(c.seconds.median()); }, time(&Samples::median));
    row("fastest", [](Result c) { return human_seconds(c.seconds.min()); }, time(&Samples::min));
    row("slowest", [](Result c) { return human_seconds(c.seconds.max()); }, time(&Samples::max));
    if (!r.plain.empty()) row("private over plain (of the fastest)", [&](Result c) { return ratio_text(c.seconds, r.plain.seconds); });
    row("ns per activation value", [&](Result c) { return fmt::format("{:.0f}", 1e9 * c.seconds.median() / values); });
    table.add_rule();
    row("bytes up", [&](Result c) { return bytes(c.bytes_up); });
    row("bytes down", [&](Result c) { return bytes(c.bytes_down); });
    row("bytes per activation value", [&](Result c) { return fmt::format("{:.1f}", static_cast<double>(c.bytes_up + c.bytes_down) / values); });
    row("round trips", [](Result c) { return std::to_string(c.round_trips); });
    table.add_rule();
    row("top class is the twin's", [&](Result c) { return fmt::format("{} of {}", c.same_class, r.runs); });
    row("largest logit difference to the twin (allowed)", [](Result c) { return fmt::format("{:.3g} ({:.3g})", c.largest_logit_difference, c.logit_bound); });
    row("largest rounding error (one unit allowed)", [](Result c) { return fmt::format("{:.3f}", c.largest_rounding_error); });
    row("out of range, activations not exact", [](Result c) { return fmt::format("{}, {}", c.out_of_range, c.wrong_activations); });
    return table.str();
}

std::string scaling_table(const NetworkResult& r) {
    Table table({{"cores", Align::kRight}, {"server alone, median", Align::kRight}, {"fastest", Align::kRight}, {"speed-up (of the fastest)", Align::kRight},
                 {"CPU time of all threads", Align::kRight}});
    for (const ScalingPoint& p : r.scaling)
        table.add_row({std::to_string(p.threads), human_seconds(p.seconds.median()), human_seconds(p.seconds.min()),
                       ratio_text(r.scaling.front().seconds, p.seconds), human_seconds(p.cpu_seconds.median())});
    return table.str();
}

}  // namespace

void run_network(const NetworkCommand& command) {
    const model::Model model = model::load(command.model);
    const nlohmann::json machine = machine_json();  // the load before the measurement
    const NetworkResult result = measure_network(model, command);
    nlohmann::json json = to_json(result);
    json["kind"] = "flash bench network";
    json["machine"] = machine;
    json["threads"] = result.threads;
    json["runs"] = result.runs;
    if (write_json(json, command.json)) return;

    fmt::print("{}\n{}: {} activation layers, {} activation values, {:.1f} M multiply-adds; input: {}\n\n{}\n", machine_text(machine, result.threads),
               printable(result.name), result.activation_layers, with_separators(result.activation_values),
               1e-6 * static_cast<double>(result.multiply_adds), printable(result.input), network_table(result));
    if (!result.scaling.empty()) fmt::print("{}\n", scaling_table(result));
    fmt::print("{} runs in turns; both parties share the threads. Model ready to serve in {}, {}. Memory of the process: {} before the inferences,\n"
               "{} at most during one (both parties).\n",
               result.runs, human_seconds(result.load_seconds), human_bytes(static_cast<double>(result.model_bytes)),
               human_bytes(static_cast<double>(result.resident_bytes)), human_bytes(static_cast<double>(result.peak_bytes)));
    for (const ConnectionResult& c : result.connections)
        if (c.link != "none") fmt::print("{}: emulated, {}.\n", c.name, c.link);
    if (!result.plain.empty()) fmt::print("Plain: {}, {} threads ({}).\n", result.plain.algorithm, result.plain.threads, result.plain.implementation);
}

}  // namespace flash::bench
