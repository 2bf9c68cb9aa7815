#include "service/metrics.h"

#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

namespace flash::service {

namespace {

/// Seconds from milliseconds to minutes.
const prometheus::Histogram::BucketBoundaries& bounds() {
    static const prometheus::Histogram::BucketBoundaries seconds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                                 0.5,   1,      2.5,   5,    10,    25,   60,  300};
    return seconds;
}

prometheus::Family<prometheus::Counter>& counter(prometheus::Registry& registry, const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Family<prometheus::Histogram>& histogram(prometheus::Registry& registry, const char* name,
                                                     const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

}  // namespace

Metrics::Metrics()
    : inferences_(counter(registry_, "flash_inferences_total", "Inferences that ended, by model, result and reason.")),
      bytes_(counter(registry_, "flash_bytes_total", "Bytes of the protocol, before TLS, of sessions that ended.")),
      refusals_(counter(registry_, "flash_refusals_total", "Clients that were told to come again, by reason.")),
      phases_(histogram(registry_, "flash_inference_seconds",
                        "Seconds of an inference by phase: total on the wall, the others summed over threads.")),
      waiting_(
          histogram(registry_, "flash_waiting_seconds", "Seconds that sessions waited for memory.").Add({}, bounds())) {
    bytes(0, 0);  // both are there from the start
}

void Metrics::inference(const std::string& model, const char* result, const char* reason) {
    inferences_.Add({{"model", model}, {"result", result}, {"reason", reason}}).Increment();
}

void Metrics::phase(const std::string& model, const char* phase, double seconds) {
    phases_.Add({{"model", model}, {"phase", phase}}, bounds()).Observe(seconds);
}

void Metrics::bytes(std::uint64_t sent, std::uint64_t received) {
    bytes_.Add({{"direction", "sent"}}).Increment(static_cast<double>(sent));
    bytes_.Add({{"direction", "received"}}).Increment(static_cast<double>(received));
}

void Metrics::refusal(const char* reason) { refusals_.Add({{"reason", reason}}).Increment(); }

void Metrics::waited(double seconds) { waiting_.Observe(seconds); }

void Lookups::family(std::string name, Kind kind, std::string help) {
    const auto type = kind == Kind::kCounter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
    families_.push_back({std::move(name), std::move(help), type, {}});
}

void Lookups::value(const std::vector<prometheus::ClientMetric::Label>& labels, double value) {
    prometheus::MetricFamily& family = families_.back();
    prometheus::ClientMetric& metric = family.metric.emplace_back();
    metric.label = labels;
    (family.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
}

void look_up_process(Lookups& lookups) {
    using Kind = Lookups::Kind;
    std::uint64_t pages = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> pages >> resident;
    lookups.family("process_resident_memory_bytes", Kind::kGauge, "Memory of the process that is in RAM.");
    lookups.value({}, static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)));
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
    };
    lookups.family("process_cpu_seconds_total", Kind::kCounter, "Processor time of the process, all cores together.");
    lookups.value({}, seconds(usage.ru_utime) + seconds(usage.ru_stime));
    std::error_code error;
    const auto files = std::distance(std::filesystem::directory_iterator("/proc/self/fd", error),
                                     std::filesystem::directory_iterator());
    lookups.family("process_open_fds", Kind::kGauge, "Open file descriptors.");
    lookups.value({}, static_cast<double>(files));
}

std::string metrics_text(const Metrics& metrics, Lookups lookups) {
    std::vector<prometheus::MetricFamily> families = metrics.collect();
    for (prometheus::MetricFamily& family : lookups.take()) families.push_back(std::move(family));
    return prometheus::TextSerializer().Serialize(families);
}

}  // namespace flash::service
