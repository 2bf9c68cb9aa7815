#include "comparison/plain_timing.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace flash::comparison {

namespace {

constexpr double kBatchSeconds = 0.01;
constexpr int kLeastCalls = 3;  // so that a single disturbed call is not the median

}  // namespace

nlohmann::json to_json(const PlainResult& result) {
    if (result.empty()) return nullptr;
    nlohmann::json json = to_json(result.seconds);
    json["algorithm"] = result.algorithm;
    json["implementation"] = result.implementation;
    json["threads"] = result.threads;
    return json;
}

PlainTimer::PlainTimer(int threads, const Make& make) {
    const PlainFactory* factory = plain_factory();
    if (!factory) return;
    for (int count : threads > 1 ? std::vector{threads, 1} : std::vector{1}) {
        Variant variant{make(*factory, count), count, 0, {}};
        variant.calls = std::max(kLeastCalls, calls_that_last([&] { variant.plain->run(); }, kBatchSeconds));
        variants_.push_back(std::move(variant));
    }
}

void PlainTimer::run() {
    for (Variant& variant : variants_) {
        variant.seconds.add(seconds_per_call([&] { variant.plain->run(); }, variant.calls));
        let_others_sleep();
    }
}

PlainResult PlainTimer::result() const {
    if (variants_.empty()) return {};
    const Variant& best = *std::ranges::min_element(variants_, {}, [](const Variant& v) { return v.seconds.median(); });
    return {best.seconds, best.plain->algorithm(), best.plain->implementation(), best.threads};
}

}  // namespace flash::comparison
