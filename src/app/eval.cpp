#include "app/eval.h"

#include <fmt/format.h>
#include <tbb/parallel_for.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>

#include "app/answer.h"
#include "app/profile_report.h"
#include "app/threads.h"
#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/standard_output.h"
#include "base/table.h"
#include "data/dataset.h"
#include "model/arithmetic.h"
#include "model/file.h"
#include "model/twin.h"
#include "protocol/audit.h"
#include "protocol/client_session.h"
#include "protocol/server_session.h"
#include "transport/tls.h"

namespace flash::app {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

void evaluate_twin(const model::Model& model, const model::Twin& twin, const data::Dataset& set, EvalResult& result) {
    std::atomic<std::size_t> labelled{0}, correct{0}, overflowed{0};
    std::atomic<std::int64_t> overflows{0};
    const auto begin = Clock::now();
    Progress progress("clear-text twin", result.images);
    tbb::parallel_for(std::size_t{0}, result.images, [&](std::size_t i) {
        const auto pixels = set.load(i, model.architecture.preprocessing, model.architecture.input);
        const model::TwinResult r = twin.run(model::quantise_input(model.architecture, pixels));
        if (const auto label = set.label(i)) {
            ++labelled;
            correct += best_class(r.logits) == *label;
        }
        overflows += r.overflows;
        overflowed += r.overflows > 0;
        progress.advance();
    });
    progress.finish();
    result.labelled = labelled;
    result.correct = correct;
    result.overflows = overflows;
    result.images_with_overflow = overflowed;
    result.images_per_minute = 60 * static_cast<double>(result.images) / seconds_since(begin);
}

/// Signals the end of each inference at the server, so that its probe is read only then.
class Turnstile {
public:
    void arrive() {
        const std::lock_guard lock(mutex_);
        ++count_;
        changed_.notify_all();
    }
    void wait_for(std::size_t count) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, std::chrono::seconds(60), [&] { return count_ >= count; }))
            throw Error(ErrorKind::kTimeout, "the server did not finish an inference");
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t count_ = 0;
};

PrivateAgreement evaluate_private(const model::Model& source, const model::Twin& twin, const data::Dataset& set,
                                  std::size_t runs) {
    const protocol::PreparedModel prepared(source);
    protocol::Audit audit(source, twin);
    PrivateAgreement agreement;
    agreement.runs = runs;
    for (std::size_t i = 0; i < 2 * runs; ++i)
        agreement.profiles.emplace_back(i % 2 == 0 ? Party::kClient : Party::kServer);
    Turnstile turnstile;
    transport::ServerOptions server_options;
    server_options.identity = transport::make_self_signed({"localhost"});
    transport::TlsServer server(
        std::move(server_options), [&](std::unique_ptr<transport::Channel> channel, const std::string&) {
            protocol::ServerSessionOptions session;
            session.probe = &audit.server();
            session.profile = [&](std::uint32_t number) { return &agreement.profiles.at(2 * number + 1); };
            session.on_inference = [&](double) { turnstile.arrive(); };
            protocol::serve_session(prepared, *channel, session);
        });
    transport::ClientOptions client_options;
    client_options.host = "127.0.0.1";
    client_options.port = server.address().port;
    client_options.pinned_fingerprint = server.fingerprint();
    protocol::ClientSession client(transport::connect_tls(client_options));

    Progress progress("private runs", runs);
    for (std::size_t i = 0; i < runs; ++i) {
        const auto pixels = set.load(i, source.architecture.preprocessing, source.architecture.input);
        const auto input = model::quantise_input(source.architecture, pixels);
        const transport::Traffic before = client.channel().traffic();
        const protocol::ClientResult result =
            client.infer_integers(input, &audit.client(), {}, &agreement.profiles[2 * i]);
        turnstile.wait_for(i + 1);
        agreement.bytes_up = client.channel().traffic().bytes_sent - before.bytes_sent;
        agreement.bytes_down = client.channel().traffic().bytes_received - before.bytes_received;
        agreement.round_trips = result.round_trips;
        agreement.mean_seconds += result.seconds.total / static_cast<double>(runs);

        const protocol::AuditReport report = audit.check();
        agreement.largest_rounding_error = std::max(agreement.largest_rounding_error, report.largest_error());
        agreement.out_of_range += report.out_of_range();
        agreement.wrong_activations += report.wrong_activations();
        const std::vector<float> expected = twin.run(input).logits;
        agreement.same_class += best_class(expected) == best_class(result.logits);
        double difference = 0;
        for (std::size_t k = 0; k < expected.size(); ++k)
            difference = std::max(difference, std::abs(static_cast<double>(expected[k]) - result.logits[k]));
        const double bound = logit_bound(twin, input, expected, source.architecture.output_scale);
        agreement.largest_logit_difference = std::max(agreement.largest_logit_difference, difference);
        agreement.largest_relative_difference = std::max(agreement.largest_relative_difference, difference / bound);
        progress.advance();
    }
    return agreement;
}

nlohmann::json to_json(const EvalResult& r) {
    nlohmann::json json = {
        {"images", r.images},
        {"labelled", r.labelled},
        {"correct", r.correct},
        {"accuracy", r.labelled ? static_cast<double>(r.correct) / static_cast<double>(r.labelled) : 0.0},
        {"overflows", r.overflows},
        {"images_with_overflow", r.images_with_overflow},
        {"images_per_minute", r.images_per_minute}};
    if (r.agreement.runs) {
        const PrivateAgreement& a = r.agreement;
        json["private"] = {{"runs", a.runs},
                           {"same_class", a.same_class},
                           {"largest_rounding_error_units", a.largest_rounding_error},
                           {"largest_logit_difference", a.largest_logit_difference},
                           {"largest_difference_over_bound", a.largest_relative_difference},
                           {"out_of_range", a.out_of_range},
                           {"wrong_activations", a.wrong_activations},
                           {"mean_seconds", a.mean_seconds},
                           {"bytes_up", a.bytes_up},
                           {"bytes_down", a.bytes_down},
                           {"round_trips", a.round_trips}};
    }
    return json;
}

void print(const EvalResult& r, const data::Dataset& set) {
    print_result("{}\n", set.description());
    if (r.labelled)
        print_result("clear-text twin: {} of {} correct ({:.2f}%)\n", r.correct, r.labelled,
                     100.0 * static_cast<double>(r.correct) / static_cast<double>(r.labelled));
    print_result("{} images at {:.0f} a minute; {} values out of range, in {} images\n", r.images, r.images_per_minute,
                 r.overflows, r.images_with_overflow);
    if (!r.agreement.runs) return;
    const PrivateAgreement& a = r.agreement;
    Table table({{"private protocol on loopback"}, {"", Align::kRight}});
    table.add_row({"inferences", std::to_string(a.runs)});
    table.add_row({"top class equals the twin's", fmt::format("{} of {}", a.same_class, a.runs)});
    table.add_row(
        {"largest rounding error of a layer (units; one allowed)", fmt::format("{:.3f}", a.largest_rounding_error)});
    table.add_row({"largest logit difference to the twin", fmt::format("{:.4f}", a.largest_logit_difference)});
    table.add_row({fmt::format("the same over its bound ({} sigma of random rounding)", kLogitBoundSigmas),
                   fmt::format("{:.3f}", a.largest_relative_difference)});
    table.add_row({"pre-activations out of range", with_separators(a.out_of_range)});
    table.add_row({"activations not exact", with_separators(a.wrong_activations)});
    table.add_row({"seconds per inference, both parties here", fmt::format("{:.3f}", a.mean_seconds)});
    table.add_row({"bytes up, down", fmt::format("{}, {}", with_separators(static_cast<long long>(a.bytes_up)),
                                                 with_separators(static_cast<long long>(a.bytes_down)))});
    table.add_row({"round trips", std::to_string(a.round_trips)});
    print_result("\n{}", table.str());
}

EvalResult evaluate_on(const EvalCommand& command, const data::Dataset& set) {
    const model::Model model = model::load(command.model);
    const model::Twin twin(model);
    EvalResult result;
    result.images = command.limit ? std::min(command.limit, set.size()) : set.size();
    require(result.images > 0, ErrorKind::kInvalidArgument, "the data set is empty");
    evaluate_twin(model, twin, set, result);
    if (command.private_runs)
        result.agreement = evaluate_private(model, twin, set, std::min(command.private_runs, set.size()));
    return result;
}

}  // namespace

EvalResult evaluate(const EvalCommand& command) {
    const auto limit = limit_threads(command.threads);
    return evaluate_on(command, *data::open_dataset(command.data));
}

void run_eval(const EvalCommand& command) {
    const auto limit = limit_threads(command.threads);
    require(!command.trace || command.private_runs > 0, ErrorKind::kInvalidArgument,
            "--trace needs --private: only private runs are traced");
    const auto set = data::open_dataset(command.data);
    const EvalResult result = evaluate_on(command, *set);
    if (command.json)
        print_result("{}\n", to_json(result).dump(2));
    else
        print(result, *set);
    if (command.trace) write_file(*command.trace, profile_trace_text(result.agreement.profiles), Access::kEveryone);
    const PrivateAgreement& a = result.agreement;
    if (a.wrong_activations || a.largest_rounding_error > kUnitTolerance || a.largest_relative_difference > 1)
        throw Error(ErrorKind::kInternal,
                    "a private run differs from the clear-text twin by more than the protocol's rounding explains");
}

}  // namespace flash::app
