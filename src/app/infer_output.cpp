#include "app/infer_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "app/infer.h"
#include "app/profile_report.h"
#include "base/json_text.h"
#include "base/standard_output.h"
#include "base/table.h"
#include "data/preprocess.h"

namespace flash::app {
namespace {

nlohmann::json failure_json(const std::string& input, const std::string& kind, const std::string& reason) {
    return {{"input", input}, {"error", {{"kind", kind}, {"reason", reason}}}};
}

/// One document, written piece by piece: after a failure it is complete as well.
class JsonOutput : public InferOutput {
public:
    JsonOutput(std::string server, bool profile) : server_(std::move(server)), profile_(profile) {}
    void begin(const model::Architecture& architecture, const std::string& fingerprint) override {
        const nlohmann::json head = {{"model", architecture.name},
                                     {"fingerprint", fingerprint},
                                     {"server", server_},
                                     {"pictures", data::describe(architecture.preprocessing)}};
        const std::string text = json_text(head, 2);
        print_result("{},\n  \"results\": [", text.substr(0, text.rfind('\n')));
        begun_ = true;
    }
    void answer(const Answer& answer) override { element(answer_json(answer, profile_)); }
    void failure(const std::string& input, const std::string& kind, const std::string& reason) override {
        element(failure_json(input, kind, reason));
    }
    void end() override {
        if (begun_) print_text("\n  ]\n}\n");
    }

private:
    void element(const nlohmann::json& json) {
        if (!begun_) return;
        std::string text;
        for (const char c : json_text(json, 2)) text += c == '\n' ? std::string("\n    ") : std::string(1, c);
        print_result("{}\n    {}", first_ ? "" : ",", text);
        first_ = false;
    }
    std::string server_;
    bool profile_;
    bool begun_ = false, first_ = true;
};

class LinesOutput : public InferOutput {
public:
    explicit LinesOutput(bool profile) : profile_(profile) {}
    void begin(const model::Architecture& architecture, const std::string& fingerprint) override {
        model_ = {{"model", architecture.name}, {"fingerprint", fingerprint}};
    }
    void answer(const Answer& answer) override { line(answer_json(answer, profile_)); }
    void failure(const std::string& input, const std::string& kind, const std::string& reason) override {
        line(failure_json(input, kind, reason));
    }
    void end() override {}

private:
    void line(nlohmann::json json) {
        json.update(model_);
        print_result("{}\n", json_text(json));
    }
    bool profile_;
    nlohmann::json model_ = nlohmann::json::object();
};

/// Answers as they come, in columns as wide as the names that are known; costs and profiles at the end.
class TextOutput : public InferOutput {
public:
    TextOutput(const std::vector<std::string>& names, bool profile)
        : profile_(profile),
          costs_({{"input"},
                  {"total s", Align::kRight},
                  {"encrypt", Align::kRight},
                  {"wait linear", Align::kRight},
                  {"decrypt", Align::kRight},
                  {"wait vectors", Align::kRight},
                  {"respond", Align::kRight},
                  {"bytes up", Align::kRight},
                  {"bytes down", Align::kRight},
                  {"round trips", Align::kRight}}) {
        for (const std::string& name : names) widths_[0] = std::max(widths_[0], display_width(printable(name)));
    }
    void begin(const model::Architecture& architecture, const std::string& fingerprint) override {
        for (const model::Layer& layer : architecture.layers) layers_.push_back(layer.name);
        for (const std::string& name : architecture.classes)
            widths_[1] = std::max(widths_[1], display_width(printable(name)));
        if (architecture.classes.empty()) widths_[1] = std::max<std::size_t>(widths_[1], 10);
        print_result("model {} (fingerprint {})\npictures: {}\n\n", printable(architecture.name), fingerprint,
                     data::describe(architecture.preprocessing));
        row({"input", "class", "score", "logit"});
        row({std::string(widths_[0], '-'), std::string(widths_[1], '-'), std::string(widths_[2], '-'),
             std::string(widths_[3], '-')});
    }
    void answer(const Answer& answer) override {
        const std::vector<model::RankedClass>& ranked = answer.ranked;
        for (std::size_t i = 0; i < ranked.size(); ++i)
            row({i == 0 ? answer.input : "", ranked[i].name, fmt::format("{:.1f}%", 100 * ranked[i].probability),
                 fmt::format("{:.3f}", ranked[i].logit)},
                i == 0 && !answer.unreliable.empty() ? "  unreliable" : "");
        const protocol::StepSeconds& s = answer.result.seconds;
        costs_.add_row({answer.input, fmt::format("{:.3f}", s.total),
                        fmt::format("{:.3f}", s.setup + s.encrypt + s.send), fmt::format("{:.3f}", s.wait_linear),
                        fmt::format("{:.3f}", s.decrypt), fmt::format("{:.3f}", s.wait_vectors),
                        fmt::format("{:.3f}", s.respond),
                        with_separators(static_cast<long long>(answer.traffic.bytes_sent)),
                        with_separators(static_cast<long long>(answer.traffic.bytes_received)),
                        std::to_string(answer.result.round_trips)});
        any_ = true;
        if (profile_ && answer.profile != nullptr)
            profiles_ += fmt::format("\n{}, {}", printable(answer.input), profile_table(*answer.profile, layers_));
    }
    void failure(const std::string& input, const std::string&, const std::string&) override {
        row({input, "failed", "", ""});  // the reason is on standard error
    }
    void end() override {
        if (any_) print_result("\n{}{}", costs_.str(), profiles_);
    }

private:
    void row(std::array<std::string, 4> cells, const char* note = "") {
        std::string line;
        for (std::size_t c = 0; c < cells.size(); ++c) {
            const std::string cell = printable(cells[c]);
            const std::string padding(std::max(widths_[c], display_width(cell)) - display_width(cell), ' ');
            line += c == 0 ? "" : "  ";
            line += c < 2 ? cell + padding : padding + cell;
        }
        while (line.ends_with(' ')) line.pop_back();
        print_result("{}{}\n", line, note);
    }
    bool profile_, any_ = false;
    std::array<std::size_t, 4> widths_{5, 5, 6, 7};
    std::vector<std::string> layers_;
    Table costs_;
    std::string profiles_;
};

}  // namespace

nlohmann::json answer_json(const Answer& answer, bool with_profile) {
    nlohmann::json top = nlohmann::json::array();
    for (const model::RankedClass& c : answer.ranked)
        top.push_back({{"index", c.index}, {"class", c.name}, {"logit", c.logit}, {"probability", c.probability}});
    const protocol::StepSeconds& s = answer.result.seconds;
    nlohmann::json json = {{"input", answer.input},
                           {"top", top},
                           {"logits", answer.result.logits},
                           {"reliable", answer.unreliable.empty()},
                           {"clamped_share", answer.clamped},
                           {"seconds",
                            {{"total", s.total},
                             {"setup", s.setup},
                             {"encrypt", s.encrypt},
                             {"send", s.send},
                             {"wait_linear", s.wait_linear},
                             {"decrypt", s.decrypt},
                             {"wait_vectors", s.wait_vectors},
                             {"respond", s.respond}}},
                           {"bytes_up", answer.traffic.bytes_sent},
                           {"bytes_down", answer.traffic.bytes_received},
                           {"round_trips", answer.result.round_trips}};
    if (!answer.unreliable.empty()) json["unreliable_because"] = answer.unreliable;
    if (with_profile && answer.profile != nullptr) json["profile"] = profile_json(*answer.profile);
    return json;
}

std::unique_ptr<InferOutput> make_output(const InferCommand& command, const std::vector<std::string>& names) {
    if (command.json_lines) return std::make_unique<LinesOutput>(command.profile);
    if (command.json) return std::make_unique<JsonOutput>(command.server, command.profile);
    return std::make_unique<TextOutput>(names, command.profile);
}

}  // namespace flash::app
