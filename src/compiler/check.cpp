#include "compiler/check.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>

#include "model/arithmetic.h"
#include "model/twin.h"

namespace flash::compiler {
namespace {

Snr compare_logits(std::span<const double> exact, std::span<const float> quantised) {
    double mean = 0, error_mean = 0;
    const auto count = static_cast<double>(exact.size());
    for (std::size_t i = 0; i < exact.size() && exact.size() > 1; ++i) {
        mean += exact[i] / count;
        error_mean += (static_cast<double>(quantised[i]) - exact[i]) / count;
    }
    Snr snr;
    for (std::size_t i = 0; i < exact.size(); ++i) {
        const double error = static_cast<double>(quantised[i]) - exact[i] - error_mean;
        snr.signal += (exact[i] - mean) * (exact[i] - mean);
        snr.error += error * error;
    }
    return snr;
}

void keep_larger(std::vector<double>& values, const std::vector<double>& others) {
    values.resize(others.size(), 0.0);
    for (std::size_t i = 0; i < others.size(); ++i) values[i] = std::max(values[i], others[i]);
}

/// compare(index of the image, what the twin computed, what to add to).
template <class Compare>
Check run_twin(const model::Model& model, const Calibration& calibration, std::span<const std::vector<float>> images,
               std::span<const std::size_t> indices, bool keep_layers, Compare&& compare,
               const std::function<void(double)>& progress) {
    const model::Twin twin(model);
    Check total;
    std::mutex mutex;
    std::atomic<std::size_t> done{0};
    tbb::parallel_for(std::size_t{0}, indices.size(), [&](std::size_t n) {
        const std::size_t index = indices[n];
        const model::Rounding rounding{model::Rounding::Mode::kStochastic, index};
        const model::TwinResult run =
            twin.run(model::quantise_input(model.architecture, images[index]), rounding, keep_layers);
        const std::vector<double>& logits = calibration.logits[index];
        Check own;
        own.logits = compare_logits(logits, run.logits);
        own.use = run.use;
        own.overflows = run.overflows;
        own.verdicts = {{index, static_cast<int>(std::ranges::max_element(logits) - logits.begin()),
                         static_cast<int>(std::ranges::max_element(run.logits) - run.logits.begin())}};
        compare(index, run, own);
        const std::lock_guard lock(mutex);
        total.add(own);
        if (progress) progress(static_cast<double>(++done) / static_cast<double>(indices.size()));
    });
    return total;
}

}  // namespace

void Snr::add(const Snr& other) {
    signal += other.signal;
    error += other.error;
}

double Snr::db() const {
    if (error == 0) return 200;
    return signal == 0 ? 0 : std::clamp(10 * std::log10(signal / error), -200.0, 200.0);
}

void Check::add(const Check& other) {
    logits.add(other.logits);
    layers.resize(std::max(layers.size(), other.layers.size()));
    for (std::size_t i = 0; i < other.layers.size(); ++i) layers[i].add(other.layers[i]);
    keep_larger(use, other.use);
    overflows += other.overflows;
    verdicts.insert(verdicts.end(), other.verdicts.begin(), other.verdicts.end());
}

std::int64_t Check::agree() const {
    return std::ranges::count_if(verdicts, [](const Verdict& v) { return v.exact == v.quantised; });
}

Check check_logits(const model::Model& model, const Calibration& calibration,
                   std::span<const std::vector<float>> images, std::span<const std::size_t> indices,
                   const std::function<void(double)>& progress) {
    return run_twin(
        model, calibration, images, indices, false, [](std::size_t, const model::TwinResult&, Check&) {}, progress);
}

Check check_layers(const Network& network, const model::Model& model, const std::vector<std::vector<double>>& shift,
                   const Calibration& calibration, std::span<const std::vector<float>> images,
                   std::span<const std::size_t> indices, const std::function<void(double)>& progress) {
    const auto compare = [&](std::size_t index, const model::TwinResult& run, Check& out) {
        out.layers.resize(network.layers.size());
        network.evaluate(images[index], [&](std::size_t i, const std::vector<double>& x) {
            const std::vector<std::int32_t>& integers = run.layers[i].x;
            const std::vector<double>& scale = model.weights.layers[i].x_scale;
            const std::size_t plane = x.size() / scale.size();
            const bool periodic = model.architecture.periodic(i);
            const int bits = model.architecture.layers[i].share_bits;
            for (std::size_t p = 0; p < x.size(); ++p) {
                double error = scale[p / plane] * (integers[p] - shift[i][p / plane]) - x[p];
                if (periodic) error = std::remainder(error, std::ldexp(scale[p / plane], bits));
                out.layers[i].signal += x[p] * x[p];
                out.layers[i].error += error * error;
            }
        });
    };
    return run_twin(model, calibration, images, indices, true, compare, progress);
}

double allowed_use(const LayerRange& range) { return 1 / (1 + (range.margin - 1) / 2); }

}  // namespace flash::compiler
