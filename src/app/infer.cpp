#include "app/infer.h"

#include <fmt/format.h>

#include <deque>
#include <nlohmann/json.hpp>

#include "app/answer.h"
#include "app/profile_report.h"
#include "app/threads.h"
#include "base/error.h"
#include "base/file.h"
#include "base/profile.h"
#include "base/progress.h"
#include "base/standard_output.h"
#include "base/table.h"
#include "data/input.h"
#include "protocol/client_session.h"
#include "transport/tls.h"

namespace flash::app {

namespace {

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

nlohmann::json result_json(const std::string& name, const protocol::ClientResult& result,
                           const transport::Traffic& traffic, const std::vector<RankedClass>& ranked) {
    nlohmann::json top = nlohmann::json::array();
    for (const RankedClass& c : ranked)
        top.push_back({{"index", c.index}, {"class", c.name}, {"logit", c.logit}, {"probability", c.probability}});
    const protocol::PhaseSeconds& s = result.seconds;
    return {{"input", name},
            {"top", top},
            {"logits", result.logits},
            {"seconds",
             {{"total", s.total},
              {"setup", s.setup},
              {"encrypt", s.encrypt},
              {"send", s.send},
              {"wait_linear", s.wait_linear},
              {"decrypt", s.decrypt},
              {"wait_keys", s.wait_keys},
              {"respond", s.respond}}},
            {"bytes_up", traffic.bytes_sent},
            {"bytes_down", traffic.bytes_received},
            {"round_trips", result.round_trips}};
}

}  // namespace

void run_infer(const InferCommand& command) {
    const auto limit = limit_threads(command.threads);
    if (command.pin && command.ca)
        throw Error(ErrorKind::kInvalidArgument, "--pin and --ca exclude each other: a pin alone decides");
    if (command.top < 1) throw Error(ErrorKind::kInvalidArgument, "--top must be at least 1");
    for (const std::string& path : command.inputs)
        if (std::error_code error; !std::filesystem::exists(path, error))
            throw Error(ErrorKind::kFile, "there is no file " + path);
    const transport::Address address = transport::parse_address(command.server);
    transport::ClientOptions options;
    options.host = address.host;
    options.port = address.port;
    options.pinned_fingerprint = command.pin;
    options.ca_file = command.ca;
    options.timeout = command.timeout;
    options.limits.timeout = command.timeout;
    protocol::ClientSessionOptions session_options;
    session_options.timeout = command.timeout;
    if (command.model_fingerprint) session_options.expected_fingerprint = parse_fingerprint(*command.model_fingerprint);
    protocol::ClientSession session(transport::connect_tls(options), session_options);
    const model::Architecture& architecture = session.model().architecture;

    // All inputs are read before the first inference: a bad file is reported before any work.
    std::vector<data::Input> inputs;
    for (const std::string& path : command.inputs)
        for (data::Input& input : data::load_inputs(path, architecture.preprocessing, architecture.input))
            inputs.push_back(std::move(input));

    nlohmann::json results = nlohmann::json::array();
    Table answers({{"input"}, {"class"}, {"score", Align::kRight}, {"logit", Align::kRight}});
    Table costs({{"input"},
                 {"total s", Align::kRight},
                 {"encrypt", Align::kRight},
                 {"wait linear", Align::kRight},
                 {"decrypt", Align::kRight},
                 {"wait keys", Align::kRight},
                 {"respond", Align::kRight},
                 {"bytes up", Align::kRight},
                 {"bytes down", Align::kRight},
                 {"round trips", Align::kRight}});
    std::vector<std::string> layers;
    for (const model::Layer& layer : architecture.layers) layers.push_back(layer.name);
    std::deque<Profile> profiles;  // of each inference, for the trace
    std::string profile_tables;
    for (const data::Input& input : inputs) {
        Profile& profile = profiles.emplace_back(Party::kClient);
        const transport::Traffic before = session.channel().traffic();
        Progress progress("private inference on " + input.name, 100);
        const protocol::ClientResult result = session.infer(
            input.values, [&](double fraction) { progress.set(static_cast<std::uint64_t>(100 * fraction)); }, &profile);
        progress.finish();
        const transport::Traffic traffic = difference(session.channel().traffic(), before);
        const auto ranked = rank_classes(result.logits, architecture.classes, command.top);
        if (command.json) {
            results.push_back(result_json(input.name, result, traffic, ranked));
            if (command.profile) results.back()["profile"] = profile_json(profile);
            continue;
        }
        for (std::size_t i = 0; i < ranked.size(); ++i)
            answers.add_row({i == 0 ? input.name : "", ranked[i].name,
                             fmt::format("{:.1f}%", 100 * ranked[i].probability),
                             fmt::format("{:.3f}", ranked[i].logit)});
        const protocol::PhaseSeconds& s = result.seconds;
        costs.add_row(
            {input.name, fmt::format("{:.3f}", s.total), fmt::format("{:.3f}", s.setup + s.encrypt + s.send),
             fmt::format("{:.3f}", s.wait_linear), fmt::format("{:.3f}", s.decrypt), fmt::format("{:.3f}", s.wait_keys),
             fmt::format("{:.3f}", s.respond), with_separators(static_cast<long long>(traffic.bytes_sent)),
             with_separators(static_cast<long long>(traffic.bytes_received)), std::to_string(result.round_trips)});
        if (command.profile)
            profile_tables += fmt::format("\n{}, {}", printable(input.name), profile_table(profile, layers));
    }
    if (command.json) {
        const nlohmann::json out = {{"model", architecture.name},
                                    {"fingerprint", to_hex(session.model().fingerprint)},
                                    {"server", command.server},
                                    {"results", results}};
        print_result("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    } else {
        print_result("model {} (fingerprint {})\n\n{}\n{}{}", printable(architecture.name),
                     to_hex(session.model().fingerprint), answers.str(), costs.str(), profile_tables);
    }
    if (command.trace)
        write_file(*command.trace, profile_trace_text(profiles),
                   Access::kEveryone);  // last: its failure must not cost the answers
}

}  // namespace flash::app
