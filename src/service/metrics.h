// Numbers about a server, for Prometheus (prometheus-cpp). They hold names of models, reasons and sizes: nothing of a
// client, and nothing that a client wrote.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <string>
#include <vector>

namespace flash::service {

/// What a server counts as it goes. Thread-safe.
class Metrics {
public:
    Metrics();

    /// An inference that ended: result "ok", "failed" or "refused", and why.
    void inference(const std::string& model, const char* result, const char* reason);
    /// Seconds of a phase of one that went well: "total", "wait" (for the client), "linear", ...
    void phase(const std::string& model, const char* phase, double seconds);
    void bytes(std::uint64_t sent, std::uint64_t received);
    void refusal(const char* reason);
    /// Seconds that a session waited for memory.
    void waited(double seconds);

    std::vector<prometheus::MetricFamily> collect() const { return registry_.Collect(); }

private:
    prometheus::Registry registry_;
    prometheus::Family<prometheus::Counter>&inferences_, &bytes_, &refusals_;
    prometheus::Family<prometheus::Histogram>& phases_;
    prometheus::Histogram& waiting_;
};

/// Values that are looked up when they are asked for.
class Lookups {
public:
    enum class Kind { kCounter, kGauge };
    /// Begins a family; its values follow.
    void family(std::string name, Kind kind, std::string help);
    void value(const std::vector<prometheus::ClientMetric::Label>& labels, double value);
    std::vector<prometheus::MetricFamily> take() { return std::move(families_); }

private:
    std::vector<prometheus::MetricFamily> families_;
};

/// Resident memory, processor seconds and open files of this process, under Prometheus's usual names.
void look_up_process(Lookups& lookups);

/// The text of one scrape.
std::string metrics_text(const Metrics& metrics, Lookups lookups);

}  // namespace flash::service
