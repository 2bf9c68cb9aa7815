#include "app/infer.h"

#include <fmt/format.h>

#include <cmath>
#include <deque>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "app/answer.h"
#include "app/infer_output.h"
#include "app/profile_report.h"
#include "app/threads.h"
#include "app/warning.h"
#include "base/append_file.h"
#include "base/error.h"
#include "base/file.h"
#include "base/profile.h"
#include "base/progress.h"
#include "base/standard_output.h"
#include "data/input.h"
#include "data/preprocess.h"
#include "model/arithmetic.h"
#include "protocol/client_session.h"
#include "transport/refusal.h"
#include "transport/tls.h"

namespace flash::app {

namespace {

constexpr std::chrono::seconds kLongestPause{30};  // between two attempts
constexpr std::chrono::seconds kLongestObeyed{
    3'600};  // that a server may ask for; beyond it there is no use in waiting

Sha256 parse_fingerprint(const std::string& text) {
    Sha256 out{};
    const auto digit = [&](char c) -> int {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        throw Error(ErrorKind::kInvalidArgument, "a model fingerprint is 64 hexadecimal digits");
    };
    if (text.size() != 64) throw Error(ErrorKind::kInvalidArgument, "a model fingerprint is 64 hexadecimal digits");
    for (std::size_t i = 0; i < 32; ++i)
        out[i] = static_cast<std::uint8_t>(digit(text[2 * i]) * 16 + digit(text[2 * i + 1]));
    return out;
}

transport::Traffic difference(const transport::Traffic& now, const transport::Traffic& before) {
    return {now.bytes_sent - before.bytes_sent, now.bytes_received - before.bytes_received,
            now.messages_sent - before.messages_sent, now.messages_received - before.messages_received};
}

/// Why the result layer's integers cannot be what the network computes; empty if they can. Calibrated values keep a
/// guard bit; where some layer's value leaves its range, shares wrap around and what follows is noise over the whole
/// range.
std::string doubt(const model::Architecture& architecture, const protocol::ClientResult& result) {
    const std::int64_t limit = model::share_limit(architecture.layers.back().share_bits);
    for (const float logit : result.logits)
        if (!std::isfinite(logit)) return "a logit is beyond what a float holds";
    for (const std::int64_t x : result.x)
        if (std::abs(x) > limit)
            return fmt::format("a logit is beyond the calibrated range of {:.4g}",
                               architecture.output_scale * static_cast<double>(limit));
    return {};
}

/// The connection to the server, made anew where an inference on it failed.
class Client {
public:
    explicit Client(const InferCommand& command) : retries_(command.retries) {
        const transport::Address address = transport::parse_address(command.server);
        options_.host = address.host;
        options_.port = address.port;
        options_.protocol = protocol::kProtocolName;
        options_.pinned_fingerprint = command.pin;
        options_.ca_file = command.ca;
        options_.timeout = command.timeout;
        options_.limits.timeout = command.timeout;
        session_options_.timeout = command.timeout;
        // Names are shorter than fingerprints.
        if (command.model && command.model->size() >= 2 * std::tuple_size_v<Sha256>)
            session_options_.expected_fingerprint = parse_fingerprint(*command.model);
        else if (command.model)
            session_options_.model = *command.model;
    }

    /// Runs `use` on a session. What the network or the other party is to blame for is tried again, after a pause that
    /// doubles, on a fresh connection.
    template <class Use>
    auto with_session(Use&& use) {
        for (int attempt = 0;; ++attempt) {
            try {
                if (!session_) connect();
                return use(*session_);
            } catch (const Error& error) {
                session_.reset();
                const bool passing = error.kind() == ErrorKind::kNetwork || error.kind() == ErrorKind::kTimeout ||
                                     error.kind() == ErrorKind::kRemote;
                if (!passing || attempt >= retries_) throw;
                const auto asked = transport::retry_after(error.what());
                if (asked && *asked > kLongestObeyed) throw;
                const auto pause =
                    asked ? *asked : std::min(std::chrono::seconds(1 << std::min(attempt, 5)), kLongestPause);
                warn(fmt::format("{}; trying again in {} s", error.what(), pause.count()));
                std::this_thread::sleep_for(pause);
            }
        }
    }

private:
    void connect() {
        session_.emplace(transport::connect_tls(options_), session_options_);
        session_options_.expected_fingerprint = session_->model().fingerprint;  // the same model on every connection
    }
    int retries_;
    transport::ClientOptions options_;
    protocol::ClientSessionOptions session_options_;
    std::optional<protocol::ClientSession> session_;
};

/// The file of results that grows from run to run, and what it holds.
class Results {
public:
    Results(const std::filesystem::path& path, const std::string& fingerprint)
        : file_(path),
          fingerprint_(fingerprint) {
        for (const std::string& line : file_.lines()) {
            const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
            if (!json.is_object() || !json.contains("input") || !json["input"].is_string())
                throw Error(ErrorKind::kFile,
                            fmt::format("'{}' holds a line that is no result of flash infer", path.string()));
            if (json.value("fingerprint", "") != fingerprint)
                throw Error(ErrorKind::kInvalidArgument,
                            fmt::format("'{}' holds answers of another model; give another file", path.string()));
            if (json.contains("logits")) done_.insert(json["input"].get<std::string>());
        }
    }
    bool has(const std::string& input) const { return done_.contains(input); }
    void add(nlohmann::json json) {
        json["fingerprint"] = fingerprint_;
        file_.append(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    }

private:
    AppendFile file_;
    std::string fingerprint_;
    std::set<std::string> done_;
};

/// Counts what went wrong with single inputs; the first failure decides how the command ends.
struct Tally {
    std::size_t answers = 0, unreliable = 0, failures = 0;
    bool broken = false;  ///< the rest is not tried
    std::optional<Error> first;

    void close() const {
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

}  // namespace

void run_infer(const InferCommand& command) {
    const auto limit = limit_threads(command.threads);
    if (command.pin && command.ca)
        throw Error(ErrorKind::kInvalidArgument, "--pin and --ca exclude each other: a pin alone decides");
    if (command.json && command.json_lines)
        throw Error(ErrorKind::kInvalidArgument, "--json and --json-lines exclude each other");
    std::vector<std::string> names;
    for (const std::string& word : command.inputs)
        for (std::string& name : data::find_inputs(word)) names.push_back(std::move(name));
    if (command.trace) require_writable(*command.trace);
    Client client(command);
    const auto known = client.with_session([](const protocol::ClientSession& session) {
        return std::pair(session.model().architecture, to_hex(session.model().fingerprint));
    });
    const model::Architecture& architecture = known.first;
    const std::string& fingerprint = known.second;
    std::optional<Results> results;
    if (command.results) results.emplace(*command.results, fingerprint);

    const std::unique_ptr<InferOutput> output = make_output(command, names);
    output->begin(architecture, fingerprint);
    Tally tally;
    std::deque<Profile> profiles;  // of each inference, for the trace
    const auto infer = [&](const data::Input& input) {
        Answer answer;
        answer.input = input.name;
        answer.clamped = data::clamped_share(architecture, input.values);
        if (answer.clamped > 0)
            warn(
                fmt::format("{}: {:.3g}% of its values are beyond the range that the model was calibrated on and are "
                            "clamped to it{}",
                            input.name, 100 * answer.clamped,
                            answer.clamped > 0.05 ? "; are they scaled and normalised as the model wants?" : ""));
        profiles.emplace_back(Party::kClient);
        client.with_session([&](protocol::ClientSession& session) {
            profiles.pop_back();  // of the attempt before
            Profile& profile = profiles.emplace_back(Party::kClient);
            const transport::Traffic before = session.channel().traffic();
            Progress progress("private inference on " + input.name, 100);
            const auto show = [&](double fraction) { progress.set(static_cast<std::uint64_t>(100 * fraction)); };
            answer.result = session.infer(input.values, show, &profile);
            answer.traffic = difference(session.channel().traffic(), before);
        });
        answer.ranked = rank_classes(answer.result.logits, architecture.classes, command.top);
        answer.unreliable = doubt(architecture, answer.result);
        if (!answer.unreliable.empty())
            warn(fmt::format("{}: the answer is unreliable: {}", input.name, answer.unreliable));
        tally.unreliable += !answer.unreliable.empty();
        ++tally.answers;
        answer.profile = &profiles.back();
        output->answer(answer);
        if (results) results->add(answer_json(answer, command.profile));
        if (!command.trace) profiles.clear();
    };
    const auto report = [&](const std::string& name, const Error& error) {
        warn(fmt::format("{}: {}", name, error.what()));
        output->failure(name, to_string(error.kind()), error.what());
        ++tally.failures;
        if (!tally.first) tally.first.emplace(error);
        // What is wrong with one input is no reason to leave the others; a server that does not answer is.
        tally.broken = error.kind() != ErrorKind::kFile && error.kind() != ErrorKind::kInvalidArgument &&
                       error.kind() != ErrorKind::kUnsupported;
    };
    for (const std::string& name : names) {
        if (tally.broken) break;
        std::vector<data::Input> inputs;
        try {
            inputs = data::load_inputs(name, architecture.preprocessing, architecture.input);
        } catch (const Error& error) {
            report(name, error);
            continue;
        }
        for (const data::Input& input : inputs) {
            if (tally.broken) break;
            if (results && results->has(input.name)) continue;
            if (!input.dropped.empty()) warn(fmt::format("{}: left out {}", input.name, input.dropped));
            try {
                infer(input);
            } catch (const OutputError&) {
                throw;  // nobody hears any more
            } catch (const Error& error) {
                if (!command.trace) profiles.clear();
                report(input.name, error);
            }
        }
    }
    output->end();
    if (command.trace)  // last: its failure must not cost the answers
        write_file(*command.trace, profile_trace_text(profiles), Access::kEveryone);
    tally.close();
}

}  // namespace flash::app
