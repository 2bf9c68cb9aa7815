#include "compiler/compile.h"

#include <fmt/format.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "base/random.h"
#include "compiler/calibrate.h"
#include "compiler/network.h"
#include "compiler/quantise.h"
#include "compiler/rings.h"
#include "model/arithmetic.h"
#include "model/twin.h"

namespace flash::compiler {
namespace {

constexpr std::size_t kCheckImages = 64;    // for comparing candidates
constexpr std::size_t kProofImages = 1024;  // for the final check of the chosen one

/// Power of a signal and of its error.
struct Snr {
    double signal = 0, error = 0;
    void add(const Snr& other) {
        signal += other.signal;
        error += other.error;
    }
    double db() const {
        if (error == 0) return 200;
        return signal == 0 ? 0 : std::clamp(10 * std::log10(signal / error), -200.0, 200.0);
    }
};

/// Of logits: common to all classes of an image is what changes no class, so the mean of an image does not count.
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

/// What the twin did on some images, against the float network.
struct Check {
    Snr logits;
    std::vector<Snr> layers;
    std::vector<double> use;
    std::int64_t overflows = 0;
    std::int64_t agree = 0, images = 0;
};

Check check(const Network& network, const model::Model& model, const std::vector<std::vector<double>>& shift,
            std::span<const std::vector<float>> images, std::size_t limit, const std::function<void(double)>& progress) {
    const std::size_t count = std::min(images.size(), limit);
    const model::Twin twin(model);
    Check total;
    total.layers.resize(network.layers.size());
    total.use.assign(network.layers.size(), 0.0);
    std::mutex mutex;
    std::atomic<std::size_t> done{0};
    tbb::parallel_for(std::size_t{0}, count, [&](std::size_t n) {
        const std::vector<float>& image = images[n * images.size() / count];
        const model::TwinResult run = twin.run(model::quantise_input(model.architecture, image), {model::Rounding::Mode::kStochastic, n}, true);
        std::vector<Snr> layers(network.layers.size());
        const std::vector<double> logits = network.evaluate(image, [&](std::size_t i, const std::vector<double>& x) {
            const std::vector<std::int32_t>& integers = run.layers[i].x;
            const std::vector<double>& scale = model.weights.layers[i].x_scale;
            const std::size_t plane = x.size() / scale.size();
            for (std::size_t p = 0; p < x.size(); ++p) {
                const double error = scale[p / plane] * (integers[p] - shift[i][p / plane]) - x[p];
                layers[i].signal += x[p] * x[p];
                layers[i].error += error * error;
            }
        });
        const std::lock_guard lock(mutex);
        total.logits.add(compare_logits(logits, run.logits));
        for (std::size_t i = 0; i < layers.size(); ++i) {
            total.layers[i].add(layers[i]);
            total.use[i] = std::max(total.use[i], run.use[i]);
        }
        total.overflows += run.overflows;
        total.agree += std::ranges::max_element(logits) - logits.begin() == std::ranges::max_element(run.logits) - run.logits.begin();
        ++total.images;
        if (progress) progress(static_cast<double>(++done) / static_cast<double>(count));
    });
    return total;
}

std::vector<CandidateReport> candidates(const CompileOptions& options) {
    std::vector<CandidateReport> list;
    const auto add = [&](int share_bits, int plain_bits) {
        CandidateReport candidate;
        candidate.share_bits = share_bits;
        candidate.plain_bits = plain_bits;
        list.push_back(candidate);
    };
    // From the cheapest on: the bits of T cost more than those of m.
    for (int plain_bits = options.plain_bits ? options.plain_bits : 24; plain_bits <= (options.plain_bits ? options.plain_bits : 28); ++plain_bits)
        for (int share_bits = options.share_bits ? options.share_bits : 8; share_bits <= (options.share_bits ? options.share_bits : 12); ++share_bits)
            add(share_bits, plain_bits);
    return list;
}

void check_options(const CompileOptions& options) {
    const auto check_that = [](bool condition, const char* message) { require(condition, ErrorKind::kInvalidArgument, message); };
    check_that(options.share_bits == 0 || (options.share_bits >= model::kMinShareBits && options.share_bits <= model::kMaxShareBits),
               "the share bits m must be 6 to 16");
    check_that(options.plain_bits == 0 || (options.plain_bits >= 24 && options.plain_bits <= 28), "the bits of T must be 24 to 28");
    check_that(options.result_bits >= model::kMinShareBits && options.result_bits <= model::kMaxShareBits, "the result bits must be 6 to 16");
    check_that(options.margin >= 1 && options.margin <= 16, "the margin must be 1 to 16");
    check_that(options.channel_floor >= 0 && options.channel_floor <= 1, "the channel floor must be 0 to 1");
    check_that(options.overflow_rate >= 0 && options.overflow_rate < 0.5, "the overflow rate must be 0 to 0.5");
    check_that(std::isfinite(options.target_snr_db), "the target signal to noise ratio must be a number");
}

/// No normalised pixel is larger, if pictures come through the preprocessing (pixels in 0..1).
double pixel_bound(const model::Preprocessing& p) {
    double bound = 0;
    for (std::size_t c = 0; c < p.mean.size(); ++c)
        for (double pixel : {0.0, 1.0}) bound = std::max(bound, std::abs(pixel - static_cast<double>(p.mean[c])) / static_cast<double>(p.std[c]));
    return bound;
}

/// A Clip may be left out only where nothing reaches its bounds: for all |x| up to the calibrated range of its layer times the margin.
void prove_clips_idle(const Network& network, const Ranges& ranges, const CompileOptions& options) {
    for (const LeftOutClip& clip : network.clips) {
        const double margin = std::max(options.margin, ranges.tail(clip.layer, options.overflow_rate));
        double low = std::numeric_limits<double>::infinity(), high = -low;
        for (std::size_t c = 0; c < clip.poly.a.size(); ++c) {
            const double a = clip.poly.a[c], b = clip.poly.b[c], range = margin * ranges.channels[clip.layer][c];
            std::vector<double> extremes{-range, range};
            if (a != 0 && std::abs(b / (2 * a)) < range) extremes.push_back(-b / (2 * a));
            for (double x : extremes) {
                const double y = (a * x + b) * x + clip.poly.c[c];
                low = std::min(low, y);
                high = std::max(high, y);
            }
        }
        if (low < clip.low || high > clip.high)
            throw Error(ErrorKind::kUnsupported, fmt::format("node {}: it limits values to {:.4g} .. {:.4g}, but those of layer {} ({}) reach {:.4g} .. {:.4g} (calibrated "
                                                             "range times the margin of {:.2f}). Private inference cannot limit values: train the network without it",
                                                             clip.node, clip.low, clip.high, clip.layer, network.layers[clip.layer].name, low, high, margin));
    }
}

/// The integer arithmetic includes the error of quantisation; at least half of the margin must be left after it.
void prove_range(const Check& result, const Network& network, double margin) {
    for (std::size_t i = 0; i < result.use.size(); ++i) {
        const double bound = 1 / (1 + (margin - 1) / 2);
        if (result.use[i] <= bound) continue;
        throw Error(ErrorKind::kRange, fmt::format("layer {} ({}): on the calibration images its accumulator reaches {:.3f} of T/4, more than the {:.3f} that leave "
                                                   "half of the margin of {}. Calibrate on more images, raise the margin, or use more share bits",
                                                   i, network.layers[i].name, result.use[i], bound, margin));
    }
    if (result.overflows > 0)
        throw Error(ErrorKind::kRange, fmt::format("{} values leave their range on the calibration images. Calibrate on more images or raise the margin", result.overflows));
}

}  // namespace

CompileResult compile(const ImportedModel& imported, std::span<const std::vector<float>> calibration, const CompileOptions& options) {
    check_options(options);
    const Network& network = *imported.network;
    const auto report_progress = [&](double from, double to, const char* phase) {
        return std::function<void(double)>([&options, from, to, phase](double fraction) {
            if (options.progress) options.progress(from + (to - from) * fraction, phase);
        });
    };
    const Ranges ranges = calibrate(network, calibration, report_progress(0, 0.5, "calibrating"));
    prove_clips_idle(network, ranges, options);

    CompileResult result;
    Report& report = result.report;
    report.candidates = candidates(options);
    report.calibration_images = static_cast<std::int64_t>(calibration.size());
    const double bound = pixel_bound(imported.preprocessing);
    std::optional<Error> first_problem;
    std::optional<Quantised> chosen;
    double best = 0;
    std::size_t best_index = 0;
    std::vector<CandidateReport> tried;
    const double step = 0.3 / static_cast<double>(report.candidates.size());
    double before = -1e9;  // of the same T with one bit of m less
    for (CandidateReport candidate : report.candidates) {
        // With T fixed, more share bits leave less room for weights: past the best m they only make things worse.
        if (!tried.empty() && tried.back().plain_bits != candidate.plain_bits) before = -1e9;
        if (!tried.empty() && tried.back().plain_bits == candidate.plain_bits && tried.back().snr_db < before - 1) continue;
        if (!tried.empty() && tried.back().plain_bits == candidate.plain_bits) before = tried.back().fits ? tried.back().snr_db : before;
        try {
            const QuantiseOptions quantise_options{options.margin, options.channel_floor, options.overflow_rate, candidate.share_bits,
                                                   model::kPlainModuli[static_cast<std::size_t>(candidate.plain_bits - model::kMinPlainBits)], options.result_bits};
            Quantised quantised = quantise(network, ranges, bound, quantise_options);
            model::Model model{quantised.architecture, quantised.weights};
            model.architecture.name = options.name.empty() ? imported.name : options.name;
            model.architecture.preprocessing = imported.preprocessing;
            model.architecture.classes = imported.classes;
            const PublicSeed salt = generate_public_seed();
            model.weights.salt.assign(salt.begin(), salt.end());
            const double from = 0.5 + step * static_cast<double>(tried.size());
            const Check checked = check(network, model, quantised.shift, calibration, kCheckImages, report_progress(from, from + step, "comparing parameters"));
            candidate.snr_db = checked.logits.db();
            candidate.overflows = checked.overflows;
            prove_range(checked, network, options.margin);
            candidate.fits = true;
            if (!chosen || candidate.snr_db > best) {
                best = candidate.snr_db;
                best_index = tried.size();
                result.model = std::move(model);
                chosen = std::move(quantised);
            }
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::kRange) throw;
            candidate.problem = error.what();
            if (!first_problem) first_problem = error;
        }
        tried.push_back(candidate);
        if (candidate.fits && candidate.snr_db >= options.target_snr_db) break;
    }
    report.candidates = std::move(tried);
    if (!chosen) throw *first_problem;
    report.candidates[best_index].chosen = true;

    const Check proof = check(network, result.model, chosen->shift, calibration, kProofImages, report_progress(0.8, 1, "checking ranges"));
    prove_range(proof, network, options.margin);
    if (options.small_ring) choose_rings(result.model.architecture, result.model.weights);
    report.snr_db = proof.logits.db();
    report.agreement = static_cast<double>(proof.agree) / static_cast<double>(proof.images);
    report.check_images = proof.images;
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
        model::LayerWeights& weights = result.model.weights.layers[i];
        weights.calibrated_use = proof.use[i];
        LayerReport layer;
        layer.name = network.layers[i].name;
        layer.output = network.layers[i].output;
        layer.share_bits = result.model.architecture.layers[i].share_bits;
        layer.range = ranges.layer(i);
        layer.margin = std::max(options.margin, ranges.tail(i, options.overflow_rate));
        layer.use = proof.use[i];
        for (const model::TermWeights& term : weights.terms) {
            for (std::int8_t w : term.weights) layer.max_weight = std::max(layer.max_weight, std::abs(int{w}));
            if (!term.weights.empty()) layer.multiplier = std::max(layer.multiplier, term.multiplier);
        }
        layer.noise_bits = weights.noise_bits;
        layer.snr_db = proof.layers[i].db();
        report.layers.push_back(layer);
    }
    model::validate(result.model);
    return result;
}

}  // namespace flash::compiler
