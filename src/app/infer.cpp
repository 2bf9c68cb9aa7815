#include "app/infer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <exception>
#include <future>
#include <nlohmann/json.hpp>
#include <set>

#include "app/infer_client.h"
#include "app/infer_output.h"
#include "app/infer_pool.h"
#include "app/key_report.h"
#include "app/profile_report.h"
#include "app/threads.h"
#include "app/warning.h"
#include "base/append_file.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/other_file.h"
#include "base/profile.h"
#include "base/progress.h"
#include "base/standard_output.h"
#include "data/input.h"
#include "data/preprocess.h"
#include "model/ranking.h"

namespace flash::app {

namespace {

/// The file of results that grows from run to run, and what it holds.
class Results {
public:
    Results(const std::filesystem::path& path, const std::string& fingerprint)
        : file_(path),
          fingerprint_(fingerprint) {
        for (const std::string& line : file_.lines()) {
            const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
            require_result(json, path);
            if (json.value("fingerprint", "") != fingerprint)
                throw Error(ErrorKind::kInvalidArgument,
                            fmt::format("'{}' holds answers of another model; give another file", path.string()));
            if (json.contains("logits")) done_.insert(json["input"].get<std::string>());
        }
        // A line that was cut off is written anew, and nothing else: a file that is none of ours stays as it is.
        if (const std::string& tail = file_.incomplete(); !tail.empty()) {
            const nlohmann::json json = nlohmann::json::parse(tail, nullptr, false);
            if (!json.is_discarded() || !tail.starts_with("{\"")) require_result(json, path);
        }
    }
    bool has(const std::string& input) const { return done_.contains(input); }
    void add(nlohmann::json json) {
        json["fingerprint"] = fingerprint_;
        file_.append(json_text(json));
    }

private:
    static void require_result(const nlohmann::json& json, const std::filesystem::path& path) {
        if (!json.is_object() || !json.contains("input") || !json["input"].is_string())
            throw Error(ErrorKind::kFile,
                        fmt::format("'{}' holds a line that is no result of flash infer", path.string()));
    }

    AppendFile file_;
    std::string fingerprint_;
    std::set<std::string> done_;
};

/// Counts what went wrong with single inputs; the first failure decides how the command ends.
struct Tally {
    std::size_t answers = 0, unreliable = 0, failures = 0;
    bool broken = false;  ///< the rest is not tried
    std::optional<Error> first;
    std::optional<Error> unkept;  ///< why the file of results could not be written

    void close() const {
        if (unkept) throw Error(*unkept);
        if (first && failures + answers == 1) throw Error(*first);
        if (first)
            throw Error(first->kind(), fmt::format("{} inputs failed, {} were answered; the first failure: {}",
                                                   failures, answers, first->what()));
        if (unreliable > 0)
            throw Error(
                ErrorKind::kRange,
                fmt::format("{} of {} answers are unreliable: the input is unlike what the model was calibrated on",
                            unreliable, answers));
    }
};

/// An input whose answer is not shown yet.
struct Pending {
    std::string name;
    std::future<Answer> answer;
    double clamped = 0;
    std::optional<Error> failure;  ///< it could not be read
};

}  // namespace

void run_infer(const InferCommand& command) {
    const auto limit = limit_threads(command.threads);
    if (command.pin && command.ca)
        throw Error(ErrorKind::kInvalidArgument, "--pin and --ca exclude each other: a pin alone decides");
    if (command.json && command.json_lines)
        throw Error(ErrorKind::kInvalidArgument, "--json and --json-lines exclude each other");
    std::vector<std::string> names;
    if (std::ranges::count(command.inputs, "-") > 1)
        throw Error(ErrorKind::kInvalidArgument,
                    "standard input (-) is given more than once, but can be read once only");
    for (const std::string& word : command.inputs)
        for (std::string& name : data::find_inputs(word)) names.push_back(std::move(name));
    if (command.trace) {
        require_writable(*command.trace);
        for (const std::string& name : names) require_other_file(*command.trace, name);
        if (command.results) require_other_file(*command.trace, *command.results);
    }
    auto first = std::make_unique<InferClient>(command);
    const std::pair served = first->with_session([](const protocol::ClientSession& session) {
        return std::pair(session.model().architecture, to_hex(session.model().fingerprint));
    });
    const model::Architecture& architecture = served.first;
    const std::string& fingerprint = served.second;
    if (architecture.trust_server) warn(fmt::format("as --trust-server allows, the inference is {}", kTrusting));
    std::optional<Results> results;
    if (command.results) results.emplace(*command.results, fingerprint);

    const std::unique_ptr<InferOutput> output = make_output(command, names);
    output->begin(architecture, fingerprint);
    Tally tally;
    std::vector<std::shared_ptr<const Profile>> profiles;  // of each inference, for the trace
    const auto at_a_time = static_cast<std::size_t>(command.parallel) * static_cast<std::size_t>(command.in_flight);
    InferPool pool(command, std::move(first), at_a_time == 1);
    std::optional<Progress> progress;
    if (at_a_time > 1) progress.emplace("private inferences", names.size());

    // Answers that nobody keeps are not computed: a file that cannot be written ends the run.
    const auto keep = [&](const Answer& answer) {
        if (tally.unkept) return;
        try {
            results->add(answer_json(answer, command.profile));
        } catch (const Error& error) {
            tally.unkept.emplace(error);
            tally.broken = true;
            pool.abandon();
        }
    };
    const auto show = [&](Answer answer, double clamped) {
        answer.clamped = clamped;
        answer.ranked = model::rank_classes(answer.result.logits, architecture.classes,
                                            static_cast<std::size_t>(std::max(command.top, 0)));
        answer.unreliable = model::doubt(architecture, answer.result.x, answer.result.logits);
        if (!answer.unreliable.empty())
            warn(fmt::format("{}: the answer is unreliable: {}", answer.input, answer.unreliable));
        tally.unreliable += !answer.unreliable.empty();
        ++tally.answers;
        output->answer(answer);
        if (results) keep(answer);
        if (command.trace) profiles.push_back(answer.profile);
    };
    const auto report = [&](const std::string& name, const Error& error) {
        warn(fmt::format("{}: {}", name, error.what()));
        output->failure(name, to_string(error.kind()), error.what());
        ++tally.failures;
        if (!tally.first) tally.first.emplace(error);
        // What is wrong with one input is no reason to leave the others; a server that does not answer is.
        tally.broken =
            tally.broken || (error.kind() != ErrorKind::kFile && error.kind() != ErrorKind::kInvalidArgument &&
                             error.kind() != ErrorKind::kUnsupported);
        if (tally.broken) pool.abandon();
    };
    // Answers are shown in the order of the inputs, as soon as those before them are there. Where several inferences
    // run at a time, a few more wait, so that no session does.
    std::deque<Pending> pending;
    std::exception_ptr other;  // what is no Error, such as want of memory: told once the output is complete
    const auto settle = [&](std::size_t left) {
        for (; pending.size() > left; pending.pop_front()) {
            Pending& next = pending.front();
            if (progress) progress->advance();
            try {
                if (next.failure) throw Error(*next.failure);
                show(next.answer.get(), next.clamped);
            } catch (const OutputError&) {
                throw;  // nobody hears any more
            } catch (const Error& error) {
                report(next.name, error);
            } catch (const std::future_error&) {  // not tried
            } catch (const std::exception&) {
                if (!other) other = std::current_exception();
                tally.broken = true;
                pool.abandon();
            }
        }
    };
    const std::size_t window = at_a_time == 1 ? 1 : 2 * at_a_time;
    for (const std::string& name : names) {
        if (tally.broken) break;
        std::vector<data::Input> inputs;
        try {
            inputs = data::load_inputs(name, architecture.preprocessing, architecture.input);
        } catch (const Error& error) {
            pending.push_back({name == "-" ? "standard input" : name, {}, 0, error});
            settle(window - 1);
            continue;
        }
        for (data::Input& input : inputs) {
            if (tally.broken) break;
            // What comes on standard input is another input in every run.
            if (results && name != "-" && results->has(input.name)) continue;
            if (!input.dropped.empty()) warn(fmt::format("{}: left out {}", input.name, input.dropped));
            const double clamped = data::clamped_share(architecture, input.values);
            if (clamped > 0)
                warn(fmt::format(
                    "{}: {:.3g}% of its values are beyond the range that the model was calibrated on and are clamped "
                    "to it{}",
                    input.name, 100 * clamped,
                    clamped > 0.05 ? "; are they scaled and normalised as the model wants?" : ""));
            const std::string input_name = input.name;
            pending.push_back({input_name, pool.run(std::move(input)), clamped, std::nullopt});
            settle(window - 1);
        }
    }
    settle(0);
    output->end();
    if (other) std::rethrow_exception(other);
    if (command.trace)  // last: its failure must not cost the answers
        write_file(*command.trace, profile_trace_text(profiles), Access::kEveryone);
    tally.close();
}

}  // namespace flash::app
