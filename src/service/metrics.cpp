#include "service/metrics.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace flash::service {

namespace {

std::string escaped(std::string_view value) {
    std::string out;
    for (const char c : value) {
        if (c == '\n') {
            out += "\\n";
            continue;
        }
        if (c == '\\' || c == '"') out += '\\';
        out += c;
    }
    return out;
}

}  // namespace

void MetricsText::family(std::string_view name, Kind kind, std::string_view help) {
    name_ = name;
    const char* const kinds[] = {"counter", "gauge", "histogram"};
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, kinds[static_cast<int>(kind)]);
}

void MetricsText::value(const Labels& labels, double value, std::string_view suffix) {
    text_ += name_;
    text_ += suffix;
    for (std::size_t i = 0; i < labels.size(); ++i)
        text_ += fmt::format("{}{}=\"{}\"", i == 0 ? "{" : ",", labels[i].first, escaped(labels[i].second));
    text_ += fmt::format("{} {}\n", labels.empty() ? "" : "}", value);
}

void Histogram::add(double seconds) {
    const auto bucket = std::lower_bound(std::begin(kBounds), std::end(kBounds), seconds);
    if (bucket != std::end(kBounds)) ++counts_[bucket - std::begin(kBounds)];
    ++count_;
    sum_ += seconds;
}

void Histogram::write(MetricsText& text, Labels labels) const {
    const Labels plain = labels;
    labels.emplace_back("le", "");
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < std::size(kBounds); ++i) {
        below += counts_[i];
        labels.back().second = fmt::format("{}", kBounds[i]);
        text.value(labels, static_cast<double>(below), "_bucket");
    }
    labels.back().second = "+Inf";
    text.value(labels, static_cast<double>(count_), "_bucket");
    text.value(plain, sum_, "_sum");
    text.value(plain, static_cast<double>(count_), "_count");
}

void Metrics::inference(const std::string& model, const char* result, const char* reason) {
    const std::lock_guard lock(mutex_);
    ++inferences_[{model, result, reason}];
}

void Metrics::phase(const std::string& model, const char* phase, double seconds) {
    const std::lock_guard lock(mutex_);
    phases_[{model, phase}].add(seconds);
}

void Metrics::bytes(std::uint64_t sent, std::uint64_t received) {
    const std::lock_guard lock(mutex_);
    sent_ += sent;
    received_ += received;
}

void Metrics::refusal(const char* reason) {
    const std::lock_guard lock(mutex_);
    ++refusals_[reason];
}

void Metrics::waited(double seconds) {
    const std::lock_guard lock(mutex_);
    waiting_.add(seconds);
}

void Metrics::write(MetricsText& text) const {
    using Kind = MetricsText::Kind;
    const std::lock_guard lock(mutex_);
    text.family("flash_inferences_total", Kind::kCounter, "Inferences that ended, by model, result and reason.");
    for (const auto& [key, count] : inferences_)
        text.value({{"model", key[0]}, {"result", key[1]}, {"reason", key[2]}}, static_cast<double>(count));
    text.family("flash_inference_seconds", Kind::kHistogram,
                "Seconds of an inference by phase: total on the wall, the others summed over threads.");
    for (const auto& [key, histogram] : phases_) histogram.write(text, {{"model", key.first}, {"phase", key.second}});
    text.family("flash_waiting_seconds", Kind::kHistogram, "Seconds that sessions waited for memory.");
    waiting_.write(text, {});
    text.family("flash_bytes_total", Kind::kCounter, "Bytes of the protocol, before TLS, of sessions that ended.");
    text.value({{"direction", "sent"}}, static_cast<double>(sent_));
    text.value({{"direction", "received"}}, static_cast<double>(received_));
    text.family("flash_refusals_total", Kind::kCounter, "Clients that were told to come again, by reason.");
    for (const auto& [reason, count] : refusals_) text.value({{"reason", reason}}, static_cast<double>(count));
}

void write_process(MetricsText& text) {
    using Kind = MetricsText::Kind;
    std::uint64_t pages = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> pages >> resident;
    text.family("process_resident_memory_bytes", Kind::kGauge, "Memory of the process that is in RAM.");
    text.value({}, static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)));
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
    };
    text.family("process_cpu_seconds_total", Kind::kCounter, "Processor time of the process, all cores together.");
    text.value({}, seconds(usage.ru_utime) + seconds(usage.ru_stime));
    std::error_code error;
    const auto files = std::distance(std::filesystem::directory_iterator("/proc/self/fd", error),
                                     std::filesystem::directory_iterator());
    text.family("process_open_fds", Kind::kGauge, "Open file descriptors.");
    text.value({}, static_cast<double>(files));
}

}  // namespace flash::service
