// Numbers about a server, in Prometheus's text format. They hold names of models, reasons and sizes: nothing of a
// client, and nothing that a client wrote.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flash::service {

/// Label names and values, in the order in which they are printed. Values are escaped.
using Labels = std::vector<std::pair<std::string, std::string>>;

/// The text of one scrape.
class MetricsText {
public:
    enum class Kind { kCounter, kGauge, kHistogram };
    /// Begins a family; its values follow.
    void family(std::string_view name, Kind kind, std::string_view help);
    void value(const Labels& labels, double value, std::string_view suffix = "");
    std::string take() { return std::move(text_); }

private:
    std::string name_, text_;
};

/// Seconds from milliseconds to minutes, in buckets.
class Histogram {
public:
    void add(double seconds);
    void write(MetricsText& text, Labels labels) const;

private:
    static constexpr double kBounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                         0.5,   1,      2.5,   5,    10,    25,   60,  300};
    std::uint64_t counts_[std::size(kBounds)] = {};  // each bucket alone
    std::uint64_t count_ = 0;
    double sum_ = 0;
};

/// What a server counts as it goes. Thread-safe.
class Metrics {
public:
    /// An inference that ended: result "ok", "failed" or "refused", and why.
    void inference(const std::string& model, const char* result, const char* reason);
    /// Seconds of a phase of one that went well: "total", "wait" (for the client), "linear", ...
    void phase(const std::string& model, const char* phase, double seconds);
    void bytes(std::uint64_t sent, std::uint64_t received);
    void refusal(const char* reason);
    /// Seconds that a session waited for memory.
    void waited(double seconds);

    void write(MetricsText& text) const;

private:
    mutable std::mutex mutex_;
    std::map<std::vector<std::string>, std::uint64_t> inferences_;  // by model, result, reason
    std::map<std::pair<std::string, std::string>, Histogram> phases_;
    std::map<std::string, std::uint64_t> refusals_;
    Histogram waiting_;
    std::uint64_t sent_ = 0, received_ = 0;
};

/// Resident memory, processor seconds and open files of this process, under Prometheus's usual names.
void write_process(MetricsText& text);

}  // namespace flash::service
