#include "compiler/compile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "base/random.h"
#include "compiler/calibrate.h"
#include "compiler/margin.h"
#include "compiler/network.h"
#include "compiler/outliers.h"
#include "compiler/search.h"
#include "model/names.h"
#include "packing/choose_packing.h"
#include "scheme/direct_noise.h"

namespace flash::compiler {
namespace {

constexpr std::size_t kWorstLayers = 3;
constexpr double kPixelMargin = 2;

void check_options(const CompileOptions& options) {
    const auto check_that = [](bool condition, const char* message) {
        require(condition, ErrorKind::kInvalidArgument, message);
    };
    check_that(options.share_bits == 0 ||
                   (options.share_bits >= model::kMinShareBits && options.share_bits <= model::kMaxShareBits),
               "the share bits m must be 6 to 16");
    check_that(options.plain_bits == 0 ||
                   (options.plain_bits >= model::kMinPlainBits && options.plain_bits <= model::kMaxPlainBits),
               "the bits of T must be 20 to 28");
    check_that(!options.slots || model::has_plain_moduli(
                                     *options.slots, options.plain_bits ? options.plain_bits : model::kMaxPlainBits),
               "the slots' degree must be 4096, 8192 or 16384, the values in a slot 1 to 7, and there must be as many "
               "primes of the bits of T");
    check_that(options.result_bits >= model::kMinShareBits && options.result_bits <= model::kMaxShareBits,
               "the result bits must be 6 to 16");
    check_that(options.margin == 0 || (options.margin >= 1 && options.margin <= 16), "the margin must be 1 to 16");
    check_that(options.channel_floor >= 0 && options.channel_floor <= 1, "the channel floor must be 0 to 1");
    check_that(options.overflow_rate > 0 && options.overflow_rate < 0.5, "the overflow rate must be between 0 and 0.5");
    check_that(std::isfinite(options.target_snr_db) && std::isfinite(options.least_snr_db),
               "the target signal to noise ratio must be a number");
}

/// No normalised pixel is larger, if pictures come through the preprocessing (pixels in 0..1).
double pixel_bound(const model::Preprocessing& p, double largest_seen) {
    double bound = 1e-6;
    for (std::size_t c = 0; c < std::max(p.mean.size(), p.std.size()); ++c)
        for (double pixel : {0.0, 1.0}) {
            // One of both may be left out (model/architecture.h).
            const double mean = p.mean.empty() ? 0.0 : static_cast<double>(p.mean[c]);
            const double std = p.std.empty() ? 1.0 : static_cast<double>(p.std[c]);
            bound = std::max(bound, std::abs(pixel - mean) / std);
        }
    // Calibrated pixels beyond it come from elsewhere than pictures: leave room for others like them.
    return largest_seen > 1.001 * bound ? kPixelMargin * largest_seen : bound;
}

/// A Clip may be left out only where nothing reaches its bounds: for all |x| up to the range that its layer holds.
void prove_clips_idle(const Network& network, const std::vector<LayerRange>& ranges) {
    for (const LeftOutClip& clip : network.clips) {
        const double margin = ranges[clip.layer].margin;
        double low = std::numeric_limits<double>::infinity(), high = -low;
        for (std::size_t c = 0; c < clip.poly.a.size(); ++c) {
            const double a = clip.poly.a[c], b = clip.poly.b[c], range = ranges[clip.layer].channels[c];
            std::vector<double> extremes{-range, range};
            if (a != 0 && std::abs(b / (2 * a)) < range) extremes.push_back(-b / (2 * a));
            for (double x : extremes) {
                const double y = (a * x + b) * x + clip.poly.c[c];
                low = std::min(low, y);
                high = std::max(high, y);
            }
        }
        if (low < clip.low || high > clip.high)
            throw Error(ErrorKind::kUnsupported, fmt::format("node {}: it limits values to {:.4g} .. {:.4g}, but those "
                                                             "of layer {} ({}) reach {:.4g} .. {:.4g} (calibrated "
                                                             "range times the margin of {:.2f}). Private inference "
                                                             "cannot limit values: train the network without it",
                                                             clip.node, clip.low, clip.high, clip.layer,
                                                             network.layers[clip.layer].name, low, high, margin));
    }
}

std::string margin_text(const std::vector<LayerRange>& ranges, const CompileOptions& options, std::int64_t images) {
    if (std::ranges::all_of(std::span(ranges).first(ranges.size() - 1), &LayerRange::periodic))
        return fmt::format("{}the logits have a range with a margin of {:.2f} on {} images",
                           ranges.size() > 1 ? "sines have none; " : "", ranges.back().margin, images);
    const LayerRange& first = *std::ranges::find_if_not(ranges, &LayerRange::periodic);
    if (first.source == MarginSource::kGiven) return fmt::format("margin of {:g} as given", options.margin);
    if (first.source == MarginSource::kAssumed)
        return fmt::format(
            "margin of 2 assumed: {} images are too few to measure how far others reach (100 are needed)", images);
    return fmt::format("margins measured on {} images: about one in {:.0f} like them may leave a range", images,
                       1 / options.overflow_rate);
}

std::vector<LayerReport> layer_reports(const Network& network, const Calibration& calibration,
                                       const model::Model& model, const Found& found, const Check& layers) {
    const double total = std::accumulate(found.layer_errors.begin(), found.layer_errors.end(), 0.0);
    std::vector<LayerReport> reports;
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
        const model::LayerWeights& weights = model.weights.layers[i];
        LayerReport layer;
        layer.name = network.layers[i].name;
        layer.output = network.layers[i].output;
        layer.share_bits = model.architecture.layers[i].share_bits;
        const auto [low, high] = std::ranges::minmax(weights.x_scale);
        layer.scale_low = low;
        layer.scale_high = high;
        layer.range = calibration.largest(i);
        layer.amplitude = model.architecture.layers[i].amplitude;
        layer.margin = found.ranges[i].periodic ? 0 : found.ranges[i].margin;
        layer.tail = found.ranges[i].tail;
        layer.use = found.proof.use[i];
        for (const model::TermWeights& term : weights.terms) {
            for (std::int8_t w : term.weights) layer.max_weight = std::max(layer.max_weight, std::abs(int{w}));
            if (!term.weights.empty()) layer.multiplier = std::max(layer.multiplier, term.multiplier);
        }
        layer.noise_bits = weights.noise_bits;
        layer.noise_limit = std::log2(scheme::phase_noise_limit(layer.share_bits));
        layer.snr_db = layers.layers[i].db();
        layer.error_share = total > 0 ? found.layer_errors[i] / total : 0;
        reports.push_back(std::move(layer));
    }
    return reports;
}

std::vector<std::size_t> worst_layers(const std::vector<LayerReport>& layers) {
    std::vector<std::size_t> order(layers.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(
        order, [&](std::size_t i, std::size_t j) { return layers[i].error_share > layers[j].error_share; });
    order.resize(std::min(order.size(), kWorstLayers));
    return order;
}

}  // namespace

CompileResult compile(const ImportedModel& imported, std::span<const std::vector<float>> given,
                      const CompileOptions& options) {
    check_options(options);
    model::check_name(options.name, "what the model is to be called");
    const Network& network = *imported.network;
    const auto report_progress = [&](double from, double to, const char* phase) {
        return std::function<void(double)>([&options, from, to, phase](double fraction) {
            if (options.progress) options.progress(from + (to - from) * fraction, phase);
        });
    };
    const SoundCalibration sound = calibrate_soundly(network, given, report_progress(0, 0.5, "calibrating"));
    const Calibration& calibration = sound.calibration;
    require(calibration.largest_input() > 0, ErrorKind::kInvalidArgument,
            "all calibration pictures are zero: no range follows from them");
    std::vector<std::vector<float>> kept;
    if (!sound.outliers.empty())
        for (const std::size_t i : sound.kept) kept.push_back(given[i]);
    const std::span<const std::vector<float>> images = kept.empty() ? given : kept;
    const std::vector<LayerRange> ranges =
        choose_ranges(network, calibration, {options.margin, options.overflow_rate, options.channel_floor});
    prove_clips_idle(network, ranges);
    const double pixels = pixel_bound(imported.preprocessing, calibration.largest_input());
    const model::SlotChoice slots =
        options.slots ? *options.slots : predict_slots(network, calibration, ranges, pixels, images, options);
    Found found = search(network, calibration, ranges, pixels, images, options, slots,
                         report_progress(0.5, 0.9, "comparing parameters"));
    prove_clips_idle(network, found.ranges);  // which may be wider than they were

    CompileResult result;
    result.model = {std::move(found.quantised.architecture), std::move(found.quantised.weights)};
    model::Model& model = result.model;
    model.architecture.name = options.name.empty() ? imported.name : options.name;
    model.architecture.preprocessing = imported.preprocessing;
    model.architecture.classes = imported.classes;
    model.architecture.trust_server = options.trust_server;
    const PublicSeed salt = generate_public_seed();
    model.weights.salt.assign(salt.begin(), salt.end());
    for (std::size_t i = 0; i < network.layers.size(); ++i) model.weights.layers[i].calibrated_use = found.proof.use[i];
    packing::choose_packing(model.architecture, model.weights, options.small_ring);
    model::validate(model);

    Report& report = result.report;
    const std::int64_t agree = found.check.agree();
    const Check layers = check_layers(network, model, found.quantised.shift, calibration, images, found.checked,
                                      report_progress(0.9, 1, "measuring layers"));
    report.layers = layer_reports(network, calibration, model, found, layers);
    report.worst = worst_layers(report.layers);
    report.candidates = std::move(found.candidates);
    report.snr_db = found.check.logits.db();
    report.predicted_snr_db = found.predicted_snr_db;
    report.verdicts = std::move(found.check.verdicts);
    for (Verdict& verdict : report.verdicts)
        if (!kept.empty()) verdict.image = sound.kept[verdict.image];
    std::ranges::sort(report.verdicts, {}, &Verdict::image);
    report.agreement = static_cast<double>(agree) / static_cast<double>(report.verdicts.size());
    report.margin = margin_text(ranges, options, calibration.images);
    report.calibration_images = calibration.images;
    report.outliers = sound.outliers;
    report.check_images = static_cast<std::int64_t>(report.verdicts.size());
    report.proof_images = static_cast<std::int64_t>(found.proof.verdicts.size());
    return result;
}

}  // namespace flash::compiler
