#include "comparison/network_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/answer.h"
#include "app/threads.h"
#include "base/cores.h"
#include "base/error.h"
#include "base/other_file.h"
#include "base/progress.h"
#include "base/standard_output.h"
#include "comparison/machine.h"
#include "comparison/plain_graph.h"
#include "comparison/report.h"
#include "compiler/compile.h"
#include "lattice/product_choice.h"
#include "model/file.h"
#include "model/ranking.h"
#include "model/twin.h"
#include "planner/time_model.h"
#include "planner/work.h"
#include "protocol/activation/activation.h"
#include "protocol/audit.h"
#include "protocol/local_session.h"
#include "protocol/prepared_model.h"

namespace flash::comparison {

using protocol::Connection;
using protocol::LocalSession;

namespace {

std::int64_t multiply_adds(const model::Architecture& architecture) {
    std::int64_t count = 0;
    for (const model::Layer& layer : architecture.layers)
        for (const model::Term& term : layer.terms)
            if (term.kind == model::TermKind::kConvolution) count += layer.output.size() * architecture.fan_in(term);
    return count;
}

/// One kind of connection: sessions, and what came of them.
class Track {
public:
    Track(std::string name, const Connection& connection, const protocol::PreparedModel& model,
          const std::vector<Picture>& pictures, double predicted_seconds)
        : pictures_(pictures),
          session_(model, connection) {
        result_.predicted_seconds = predicted_seconds;
        result_.name = std::move(name);
        result_.link = transport::to_string(connection.link);
        result_.checks.resize(pictures.size());
        session_.infer(pictures[0].input);  // warms it up
    }
    void run() {
        const std::size_t turn = result_.seconds.size() % pictures_.size();
        const Picture& picture = pictures_[turn];
        const protocol::ClientResult answer = session_.infer(picture.input);
        if (result_.seconds.empty() || answer.took < result_.seconds.min()) result_.steps = answer.seconds;
        result_.seconds.add(answer.took);
        result_.bytes_up = answer.traffic.bytes_sent;
        result_.bytes_down = answer.traffic.bytes_received;
        result_.round_trips = answer.round_trips;
        const std::vector<float>& logits = answer.logits;
        ConnectionResult::Check& check = result_.checks[turn];
        ++check.runs;
        check.same_class += model::best_class(logits) == model::best_class(picture.logits);
        for (std::size_t i = 0; i < logits.size(); ++i)
            check.largest_logit_difference =
                std::max(check.largest_logit_difference,
                         std::abs(static_cast<double>(logits[i]) - static_cast<double>(picture.logits[i])));
    }
    const ConnectionResult& result() const { return result_; }

private:
    const std::vector<Picture>& pictures_;
    ConnectionResult result_;
    LocalSession session_;
};

AuditResult audit_of(const model::Model& source, const protocol::PreparedModel& model, const model::Twin& twin,
                     const Picture& picture) {
    protocol::Audit audit(source, twin);
    LocalSession(model, {}, &audit.server()).infer(picture.input, &audit.client());
    const protocol::AuditReport report = audit.check();
    return {report.largest_error(), report.out_of_range(), report.wrong_activations()};
}

/// The network of an ONNX file, checked on a picture against the folded network that was made of the same file.
class Original {
public:
    Original(const std::filesystem::path& onnx, const model::Architecture& architecture, const Picture& picture)
        : graph_(compiler::import_float_graph(onnx)),
          picture_(picture) {
        const compiler::ImportedModel imported = compiler::import_onnx(onnx);
        if (imported.input != architecture.input || imported.output() != architecture.output_shape() ||
            imported.activation_layers() != static_cast<int>(architecture.layers.size()) - 1)
            throw Error(ErrorKind::kInvalidArgument,
                        fmt::format("{} is not the network that was compiled", onnx.string()));
        expected_ = compiler::evaluate_float(imported, picture.pixels);
    }

    std::unique_ptr<Plain> make(const PlainFactory& factory, int threads, double& largest_difference) const {
        std::unique_ptr<Plain> plain = factory.network(graph_, threads);
        const std::vector<float> logits = plain->compute(picture_.pixels);
        double size = 0, difference = logits.size() == expected_.size() ? 0 : 1;
        for (float value : expected_) size = std::max(size, std::abs(static_cast<double>(value)));
        for (std::size_t i = 0; i < std::min(logits.size(), expected_.size()); ++i)
            difference = std::max(difference,
                                  std::abs(static_cast<double>(logits[i]) - static_cast<double>(expected_[i])) / size);
        if (!(difference < kTolerance))
            throw Error(ErrorKind::kInternal,
                        fmt::format("the plain network differs from the folded one by {:.2g} of the largest logit",
                                    difference));
        largest_difference = std::max(largest_difference, difference);
        return plain;
    }
    std::int64_t multiply_adds() const { return graph_.multiply_adds(); }

private:
    static constexpr double kTolerance = 0.01;  // Winograd in float32, through many squares
    compiler::FloatGraph graph_;
    const Picture& picture_;
    std::vector<float> expected_;
};

}  // namespace

bool NetworkResult::correct(const ConnectionResult& connection) const {
    for (std::size_t i = 0; i < connection.checks.size(); ++i)
        if (!(connection.checks[i].largest_logit_difference <= pictures.all[i].logit_bound)) return false;
    return audit.correct();
}

NetworkResult measure_network(const model::Model& model, const NetworkCommand& command) {
    NetworkResult result;
    const model::Architecture& architecture = model.architecture;
    result.name = architecture.name;
    result.activation_values = architecture.activation_values();
    result.activation_layers = static_cast<int>(architecture.layers.size()) - 1;
    result.multiply_adds = multiply_adds(architecture);
    result.threads = command.threads > 0 ? command.threads : available_cores();
    const auto limit = app::limit_threads(result.threads);

    const model::Twin twin(model);
    result.pictures = choose_pictures(command.data, command.inputs, architecture, twin);
    const std::vector<Picture>& pictures = result.pictures.all;
    const auto loading = std::chrono::steady_clock::now();
    const protocol::PreparedModel prepared(model);
    result.load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - loading).count();
    result.model_bytes = prepared.memory_bytes();

    reset_peak_memory();
    result.resident_bytes = process_memory().resident;
    LocalSession(prepared, {}).infer(pictures[0].input);
    result.peak_bytes = process_memory().peak;
    result.audit = audit_of(model, prepared, twin, pictures[0]);

    const compiler::FloatGraph graph = graph_of(architecture);
    PlainTimer plain(result.threads,
                     [&](const PlainFactory& factory, int threads) { return factory.network(graph, threads); });
    std::optional<PlainTimer> original;
    if (!command.onnx.empty() && plain_factory()) {
        const Original network(command.onnx, architecture, pictures[0]);
        result.original.multiply_adds = network.multiply_adds();
        original.emplace(result.threads, [&](const PlainFactory& factory, int threads) {
            return network.make(factory, threads, result.original.largest_difference);
        });
    }

    const int runs = std::max(command.runs, static_cast<int>(pictures.size())),
              link_runs = command.link_runs > 0 ? command.link_runs : runs;
    const planner::Rates rates = planner::measure_rates(planner::rated(architecture));
    std::optional<protocol::PreparedModel> guarded;
    if (command.guard)
        guarded.emplace(model, std::function<void(double)>{}, std::nullopt, lattice::kTransformBudget,
                        protocol::make_activation(architecture, true));
    const auto predicted = [&](const protocol::PreparedModel& served, const Connection& connection) {
        const std::vector<planner::LayerWork> work =
            planner::planned_work(architecture, served.plan(), served.cost(), rates);
        return planner::predict(work, rates, {connection.link, connection.tls, result.threads, true}).seconds();
    };
    std::vector<std::unique_ptr<Track>> tracks;
    std::vector<int> track_runs;
    const auto total =
        static_cast<std::uint64_t>(2 * (runs + 1)) + command.links.size() * static_cast<std::uint64_t>(link_runs + 1);
    Progress progress("inferences", command.guard ? 2 * total : total);
    const auto add_track = [&](const std::string& name, const Connection& connection, int count) {
        const auto add = [&](const std::string& said, const protocol::PreparedModel& served) {
            tracks.push_back(
                std::make_unique<Track>(said, connection, served, pictures, predicted(served, connection)));
            track_runs.push_back(count);
            progress.advance();
        };
        add(name, prepared);
        if (guarded) add(name + ", guard", *guarded);
    };
    add_track("memory", {}, runs);
    add_track("tls", {true, {}}, runs);
    for (const std::string& link : command.links)
        if (const auto parsed = transport::parse_link(link)) add_track("tls, " + link, {true, parsed}, link_runs);
    for (int run = 0; run < *std::ranges::max_element(track_runs); ++run) {
        let_others_sleep();
        for (std::size_t t = 0; t < tracks.size(); ++t) {
            if (run >= track_runs[t]) continue;
            tracks[t]->run();
            progress.advance();
        }
        if (run >= runs) continue;
        plain.run();
        if (original) original->run();
    }
    progress.finish();
    result.plain = plain.result();
    if (original) result.original.plain = original->result();
    for (const auto& track : tracks) result.connections.push_back(track->result());
    if (command.scaling)
        result.scaling = measure_scaling(prepared, pictures[0].input, std::max(2, result.threads), command.runs);
    return result;
}

void run_network(const NetworkCommand& command) {
    require_destination(command.json);
    for (const auto& input : {command.model, command.onnx}) require_other_file(command.json, input);
    for (const std::string& link : command.links) transport::parse_link(link);
    const model::Model model = model::load(command.model);
    const nlohmann::json machine = machine_json();  // the load before the measurement
    const NetworkResult result = measure_network(model, command);
    nlohmann::json json = to_json(result);
    json["kind"] = "flash bench network";
    json["machine"] = machine;
    json["threads"] = result.threads;
    json["runs"] = result.connections.front().seconds.size();
    if (!write_json(json, command.json))
        print_result("{}\n{}", machine_text(machine, result.threads), network_text(result));
    for (const ConnectionResult& connection : result.connections)
        if (!result.correct(connection))
            throw Error(
                ErrorKind::kInternal,
                "private answers differ from the clear-text twin's by more than the protocol's rounding explains (" +
                    connection.name + ")");
}

}  // namespace flash::comparison
