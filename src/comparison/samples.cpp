#include "comparison/samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"

namespace flash::comparison {

double Samples::median() const {
    require(!seconds_.empty(), ErrorKind::kInternal, "no sample was taken");
    std::vector<double> sorted = seconds_;
    std::ranges::sort(sorted);
    const std::size_t middle = sorted.size() / 2;
    return sorted.size() % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

double Samples::min() const {
    require(!seconds_.empty(), ErrorKind::kInternal, "no sample was taken");
    return *std::ranges::min_element(seconds_);
}

double Samples::max() const {
    require(!seconds_.empty(), ErrorKind::kInternal, "no sample was taken");
    return *std::ranges::max_element(seconds_);
}

nlohmann::json to_json(const Samples& samples) {
    return {{"median_s", samples.median()},
            {"min_s", samples.min()},
            {"max_s", samples.max()},
            {"runs_s", samples.seconds()}};
}

nlohmann::json ratio_json(const Samples& ours, const Samples& theirs) {
    return {{"median", ours.median() / theirs.median()},
            {"best", ours.min() / theirs.min()},
            {"disturbed", ours.disturbed() || theirs.disturbed()}};
}

std::string ratio_text(const Samples& ours, const Samples& theirs) {
    return fmt::format("{}{:.2f} ({:.2f})", ours.disturbed() || theirs.disturbed() ? "~" : "",
                       ours.median() / theirs.median(), ours.min() / theirs.min());
}

double seconds_per_call(const std::function<void()>& work, int calls) {
    Samples samples;
    for (int i = 0; i < calls; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        work();
        samples.add(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    return samples.median();
}

int calls_that_last(const std::function<void()>& work, double seconds) {
    work();
    return static_cast<int>(std::clamp(std::ceil(seconds / std::max(seconds_per_call(work, 1), 1e-9)), 1.0, 1e6));
}

void let_others_sleep() { std::this_thread::sleep_for(std::chrono::milliseconds(5)); }

std::string human_seconds(double seconds) {
    const double magnitude = std::abs(seconds);
    const auto digits = [](double value) { return value >= 100 ? 0 : value >= 10 ? 1 : 2; };
    if (magnitude >= 1) return fmt::format("{:.{}f} s", seconds, digits(magnitude));
    if (magnitude >= 1e-3) return fmt::format("{:.{}f} ms", 1e3 * seconds, digits(1e3 * magnitude));
    return fmt::format("{:.{}f} us", 1e6 * seconds, digits(1e6 * magnitude));
}

}  // namespace flash::comparison
