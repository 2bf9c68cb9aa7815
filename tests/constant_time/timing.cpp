#include "constant_time/timing.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

namespace flash::constant_time {

namespace {

using Clock = std::chrono::steady_clock;

struct Moments {
    double count = 0, mean = 0, squares = 0;
    void add(double x) {
        ++count;
        const double before = x - mean;
        mean += before / count;
        squares += before * (x - mean);
    }
    double variance_of_mean() const { return squares / (count - 1) / count; }
};

struct Measurement {
    double nanoseconds;
    Secret secret;
};

double welch(const std::vector<Measurement>& sorted, std::size_t count) {
    Moments fixed, random;
    for (std::size_t i = 0; i < count; ++i)
        (sorted[i].secret == Secret::kFixed ? fixed : random).add(sorted[i].nanoseconds);
    if (fixed.count < 10 || random.count < 10) return 0;
    const double variance = fixed.variance_of_mean() + random.variance_of_mean();
    // A clock that gives one number for all of them shows no difference, or nothing but one.
    if (variance == 0) return fixed.mean == random.mean ? 0 : 2 * kLeak;
    return std::abs(fixed.mean - random.mean) / std::sqrt(variance);
}

}  // namespace

Timing measure(Operation& operation, std::chrono::duration<double> time, std::uint64_t seed) {
    constexpr std::size_t kWarmUp = 20, kMost = 2'000'000;
    Random random(seed);
    std::vector<Measurement> all;
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(time);
    for (std::size_t i = 0; i < kMost && (i < 2 * kWarmUp || Clock::now() < end); ++i) {
        const Secret secret = (random() >> 20 & 1) != 0 ? Secret::kFixed : Secret::kRandom;
        operation.take(secret, random);
        const auto before = Clock::now();
        operation.run();
        const std::chrono::duration<double, std::nano> took = Clock::now() - before;
        if (i >= kWarmUp) all.push_back({took.count(), secret});
    }
    std::ranges::sort(all, {}, &Measurement::nanoseconds);
    Timing timing{all.size(), 0};
    for (const double quantile : {1.0, 0.99, 0.95, 0.9, 0.75, 0.5})
        timing.t = std::max(timing.t, welch(all, static_cast<std::size_t>(quantile * static_cast<double>(all.size()))));
    return timing;
}

}  // namespace flash::constant_time
