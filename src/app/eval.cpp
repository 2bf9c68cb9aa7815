#include "app/eval.h"

#include <fmt/format.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "app/answer.h"
#include "app/dropped.h"
#include "app/profile_report.h"
#include "app/threads.h"
#include "app/warning.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/other_file.h"
#include "base/progress.h"
#include "base/standard_output.h"
#include "base/table.h"
#include "data/dataset.h"
#include "data/input.h"
#include "data/preprocess.h"
#include "model/arithmetic.h"
#include "model/file.h"
#include "model/ranking.h"
#include "model/twin.h"
#include "protocol/audit.h"
#include "protocol/local_session.h"

namespace flash::app {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

void evaluate_twin(const model::Model& model, const model::Twin& twin, const data::Dataset& set, EvalResult& result) {
    std::atomic<std::size_t> labelled{0}, correct{0}, clamped{0};
    std::vector<char> overflowed(result.images, 0);
    Dropped dropped;
    std::atomic<std::int64_t> overflows{0};
    const auto begin = Clock::now();
    Progress progress("clear-text twin", result.images);
    tbb::parallel_for(std::size_t{0}, result.images, [&](std::size_t i) {
        std::string left_out;
        const auto pixels = set.load(i, model.architecture.preprocessing, model.architecture.input, left_out);
        dropped.add(left_out);
        const model::TwinResult r = twin.run(model::quantise_input(model.architecture, pixels));
        if (const auto label = set.label(i)) {
            ++labelled;
            correct += model::best_class(r.logits) == *label;
        }
        overflows += r.overflows;
        overflowed[i] = r.overflows > 0;
        clamped += data::clamped_share(model.architecture, pixels) > 0;
        progress.advance();
    });
    progress.finish();
    result.labelled = labelled;
    result.correct = correct;
    result.overflows = overflows;
    for (std::size_t i = 0; i < result.images; ++i)
        if (overflowed[i] != 0) result.overflowed.push_back(set.name(i));
    result.images_with_overflow = result.overflowed.size();
    result.images_clamped = clamped;
    result.dropped = dropped.counts();
    dropped.warn(result.images);
    result.images_per_minute = 60 * static_cast<double>(result.images) / seconds_since(begin);
}

PrivateAgreement evaluate_private(const model::Model& source, const model::Twin& twin, const data::Dataset& set,
                                  std::size_t runs) {
    const protocol::PreparedModel prepared(source);
    protocol::Audit audit(source, twin);
    PrivateAgreement agreement;
    agreement.runs = runs;
    for (std::size_t i = 0; i < 2 * runs; ++i)
        agreement.profiles.emplace_back(i % 2 == 0 ? Party::kClient : Party::kServer);
    protocol::LocalSession session(prepared, {.tls = true, .link = {}}, &audit.server(),
                                   [&](std::uint32_t number) { return &agreement.profiles.at(2 * number + 1); });

    Progress progress("private runs", runs);
    for (std::size_t i = 0; i < runs; ++i) {
        const auto pixels = set.load(i, source.architecture.preprocessing, source.architecture.input);
        const auto input = model::quantise_input(source.architecture, pixels);
        const protocol::ClientResult result = session.infer(input, &audit.client(), &agreement.profiles[2 * i]);
        agreement.bytes_up = result.traffic.bytes_sent;
        agreement.bytes_down = result.traffic.bytes_received;
        agreement.round_trips = result.round_trips;
        agreement.mean_seconds += result.seconds.total / static_cast<double>(runs);

        const protocol::AuditReport report = audit.check();
        agreement.out_of_range += report.out_of_range();
        const model::TwinResult clear = twin.run(input);
        if (clear.overflows > 0 || report.out_of_range() > 0) {
            agreement.outside.push_back(set.name(i));
            progress.advance();
            continue;
        }
        agreement.largest_rounding_error = std::max(agreement.largest_rounding_error, report.largest_error());
        agreement.wrong_activations += report.wrong_activations();
        agreement.largest_sine_use = std::max(agreement.largest_sine_use, report.largest_sine_use());
        const std::vector<float>& expected = clear.logits;
        agreement.same_class += model::best_class(expected) == model::best_class(result.logits);
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
        {"images", r.images},         {"labelled", r.labelled},
        {"correct", r.correct},       {"accuracy", nullptr},  // of a set without labels nothing is known
        {"overflows", r.overflows},   {"images_with_overflow", r.images_with_overflow},
        {"overflowed", r.overflowed}, {"images_clamped", r.images_clamped},
        {"dropped", r.dropped},       {"images_per_minute", r.images_per_minute}};
    if (r.labelled > 0) json["accuracy"] = static_cast<double>(r.correct) / static_cast<double>(r.labelled);
    if (r.agreement.runs) {
        const PrivateAgreement& a = r.agreement;
        json["private"] = {{"runs", a.runs},
                           {"same_class", a.same_class},
                           {"largest_rounding_error_units", a.largest_rounding_error},
                           {"largest_logit_difference", a.largest_logit_difference},
                           {"largest_difference_over_bound", a.largest_relative_difference},
                           {"out_of_range", a.out_of_range},
                           {"outside", a.outside},
                           {"wrong_activations", a.wrong_activations},
                           {"largest_sine_over_bound", a.largest_sine_use},
                           {"mean_seconds", a.mean_seconds},
                           {"bytes_up", a.bytes_up},
                           {"bytes_down", a.bytes_down},
                           {"round_trips", a.round_trips}};
    }
    return json;
}

/// Lines that name pictures; none where there is none.
std::string name_list(const char* head, const std::vector<std::string>& names) {
    constexpr std::size_t kShown = 20;
    std::string text = names.empty() ? std::string() : fmt::format("{}:\n", head);
    for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i) text += fmt::format("  {}\n", printable(names[i]));
    if (names.size() > kShown) text += fmt::format("  and {} more (all with --json)\n", names.size() - kShown);
    return text;
}

/// A set of other classes than the model's gives an accuracy that means nothing.
void warn_of_classes(const model::Architecture& architecture, const data::Dataset& set) {
    const std::vector<std::string>& own = architecture.classes;
    const std::vector<std::string>& others = set.classes();
    const auto outputs = static_cast<std::size_t>(architecture.output_shape().size());
    if (others.empty() || others == own) return;
    if (others.size() != outputs)
        warn(fmt::format("the set has {} classes, the model {} outputs: the accuracy means nothing", others.size(),
                         outputs));
    else if (!own.empty()) {
        const auto differ = std::ranges::mismatch(own, others);
        warn(fmt::format(
            "the classes of the set are not those of the model (class {} is '{}' in the set and '{}' in the "
            "model): the accuracy may mean nothing",
            differ.in1 - own.begin(), *differ.in2, *differ.in1));
    }
}

void print(const EvalResult& r, const data::Dataset& set) {
    print_result("{}\n", set.description());
    if (r.labelled)
        print_result("clear-text twin: {} of {} correct ({:.2f}%)\n", r.correct, r.labelled,
                     100.0 * static_cast<double>(r.correct) / static_cast<double>(r.labelled));
    print_result("{} images at {:.0f} a minute; {} values out of range, in {} images\n", r.images, r.images_per_minute,
                 r.overflows, r.images_with_overflow);
    print_result("{}", name_list("their answers may be wrong, unnoticed by the protocol", r.overflowed));
    if (r.images_clamped > 0)
        print_result("{} images have values beyond the model's range of inputs, which are clamped to it\n",
                     r.images_clamped);
    if (!r.agreement.runs) return;
    const PrivateAgreement& a = r.agreement;
    Table table({{"private protocol on loopback"}, {"", Align::kRight}});
    table.add_row({"inferences", std::to_string(a.runs)});
    const std::size_t inside = a.runs - a.outside.size();
    table.add_row({"values out of range; left out below", std::to_string(a.outside.size())});
    table.add_row({"top class equals the twin's", fmt::format("{} of {}", a.same_class, inside)});
    table.add_row(
        {"largest rounding error of a layer (units; one allowed)", fmt::format("{:.3f}", a.largest_rounding_error)});
    table.add_row({"largest logit difference to the twin", fmt::format("{:.4f}", a.largest_logit_difference)});
    table.add_row({fmt::format("the same over its bound ({} sigma of random rounding)", kLogitBoundSigmas),
                   fmt::format("{:.3f}", a.largest_relative_difference)});
    table.add_row({"pre-activations out of range", with_separators(a.out_of_range)});
    table.add_row({"activations not exact", with_separators(a.wrong_activations)});
    if (a.largest_sine_use > 0)
        table.add_row(
            {"largest distance of a sine from its curve, over its bound", fmt::format("{:.3f}", a.largest_sine_use)});
    table.add_row({"seconds per inference, both parties here", fmt::format("{:.3f}", a.mean_seconds)});
    table.add_row({"bytes up, down", fmt::format("{}, {}", with_separators(static_cast<long long>(a.bytes_up)),
                                                 with_separators(static_cast<long long>(a.bytes_down)))});
    table.add_row({"round trips", std::to_string(a.round_trips)});
    print_result("\n{}", table.str());
}

EvalResult evaluate_on(const EvalCommand& command, const data::Dataset& set) {
    const model::Model model = model::load(command.model);
    warn_of_classes(model.architecture, set);
    const model::Twin twin(model);
    EvalResult result;
    result.images = command.limit ? std::min(command.limit, set.size()) : set.size();
    require(result.images > 0, ErrorKind::kInvalidArgument, "the data set is empty");
    evaluate_twin(model, twin, set, result);
    if (command.private_runs)
        result.agreement =
            evaluate_private(model, twin, set, std::min<std::size_t>(command.private_runs, result.images));
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
    if (command.trace) {
        require_writable(*command.trace);
        require_other_file(*command.trace, command.model);
        require_other_than_set(*command.trace, command.data);
    }
    const auto set = data::open_dataset(command.data);
    const EvalResult result = evaluate_on(command, *set);
    if (command.json)
        print_result("{}\n", json_text(to_json(result), 2));
    else
        print(result, *set);
    if (command.trace) write_file(*command.trace, profile_trace_text(result.agreement.profiles), Access::kEveryone);
    const PrivateAgreement& a = result.agreement;
    if (!a.outside.empty())
        warn(
            fmt::format("in {} of {} private runs a value left its calibrated range, so that the answer is wrong: {}{}",
                        a.outside.size(), a.runs, a.outside.front(), a.outside.size() > 1 ? " and others" : ""));
    if (a.wrong_activations || a.largest_rounding_error > kUnitTolerance || a.largest_relative_difference > 1 ||
        a.largest_sine_use > 1)
        throw Error(ErrorKind::kInternal,
                    "a private run differs from the clear-text twin by more than the protocol's rounding explains");
}

}  // namespace flash::app
