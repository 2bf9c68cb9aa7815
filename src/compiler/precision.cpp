#include "compiler/precision.h"

#include <algorithm>
#include <cmath>

#include "compiler/quantise.h"
#include "model/sine.h"
#include "packing/plan.h"
#include "packing/upload_bits.h"
#include "scheme/parameters.h"

namespace flash::compiler {
namespace {

constexpr int kLeastChosen = 7, kLeastPeriodic = 6, kMostChosen = 14;
constexpr std::size_t kFirstAmplitude = 7;  // of kAmplitudes, where the search for S begins
constexpr double kSlackDb = 0.1;            // that the cheapest choice may lose where the target is out of reach

struct Judged {
    double misfit = 0, error = 0;
    bool better_than(const Judged& other) const {
        return misfit != other.misfit ? misfit < other.misfit : error < other.error;
    }
};

Judged judge(const ErrorModel& model, const Precision& precision) {
    return {model.misfit(precision), model.error(precision)};
}

double bytes(const ErrorModel& model, const Precision& precision, const BitCosts& costs) {
    double sum = 0;
    std::vector<int> upload(model.layers(), model::kMinUploadBits);
    for (std::size_t l = 0; l < model.layers(); ++l) {
        sum += costs.response[l] * precision.share_bits[l];
        const int bits = packing::least_upload_bits(model.weight_energy(precision, l), precision.share_bits[l]);
        for (int source : model.sources(l)) upload[source] = std::max(upload[source], bits);
    }
    for (std::size_t v = 0; v < upload.size(); ++v) sum += costs.upload[v] * upload[v];
    return sum;
}

PrecisionPlan plan_of(const ErrorModel& model, Precision precision) {
    const Judged judged = judge(model, precision);
    return {std::move(precision), model.snr_db(judged.error), judged.misfit == 0};
}

/// Layers whose m may change, and how far.
bool allowed(const ErrorModel& model, const PrecisionLimits& limits, std::size_t layer, int bits) {
    if (layer + 1 == model.layers())
        return bits <= limits.result_bits && bits >= std::min(limits.result_bits, kLeastChosen);
    if (limits.share_bits) return bits <= limits.share_bits && bits >= std::min(limits.share_bits, kLeastChosen);
    return bits >= (model.periodic(layer) ? kLeastPeriodic : kLeastChosen) && bits <= kMostChosen;
}

/// m that was asked for goes down only where the layer does not fit otherwise.
bool fixed(const ErrorModel& model, const PrecisionLimits& limits, std::size_t layer) {
    return layer + 1 == model.layers() || limits.share_bits != 0;
}

/// A larger S rounds the factors less and leaves the weights that read them fewer integers. Whether something changed.
bool choose_amplitude(const ErrorModel& model, std::size_t layer, Precision& best, Judged& judged) {
    if (!model.periodic(layer)) return false;
    bool changed = false;
    for (int amplitude : model::kAmplitudes) {
        Precision other = best;
        other.amplitude[layer] = amplitude;
        const Judged result = judge(model, other);
        if (!result.better_than(judged)) continue;
        best = std::move(other);
        judged = result;
        changed = true;
    }
    return changed;
}

}  // namespace

BitCosts bit_costs(const Network& network) {
    const model::Architecture architecture = skeleton(network);
    const packing::Plan plan = packing::make_plan(architecture);
    BitCosts costs;
    costs.upload.assign(network.layers.size() + 1, 0.0);
    for (std::size_t l = 0; l < network.layers.size(); ++l)
        costs.response.push_back(
            (static_cast<double>(plan.layers[l].polynomials()) * static_cast<double>(plan.layers[l].degree()) +
             static_cast<double>(network.layers[l].output.size())) /
            8);
    for (const packing::Stream& stream : plan.streams)
        costs.upload[stream.source] +=
            static_cast<double>(stream.polynomials()) * static_cast<double>(stream.sent_coefficients()) / 8;
    return costs;
}

PrecisionPlan most_precise(const ErrorModel& model, int plain_bits, const PrecisionLimits& limits) {
    Precision best{plain_bits, std::vector<int>(model.layers(), limits.share_bits ? limits.share_bits : 9)};
    best.share_bits.back() = limits.result_bits;
    for (std::size_t l = 0; l < model.layers(); ++l)
        best.amplitude.push_back(model.periodic(l) ? model::kAmplitudes[kFirstAmplitude] : 0);
    Judged judged = judge(model, best);
    // One layer after the other, until none can be improved. What is fixed moves only to fit.
    for (bool changed = true; changed;) {
        changed = false;
        for (std::size_t l = 0; l < model.layers(); ++l) {
            changed |= choose_amplitude(model, l, best, judged);
            for (int step : {1, -1})
                for (;;) {
                    Precision other = best;
                    other.share_bits[l] += step;
                    if (!allowed(model, limits, l, other.share_bits[l]) ||
                        (fixed(model, limits, l) && (judged.misfit == 0 || step > 0)))
                        break;
                    const Judged result = judge(model, other);
                    if (!result.better_than(judged)) break;
                    best = std::move(other);
                    judged = result;
                    changed = true;
                }
        }
    }
    return plan_of(model, std::move(best));
}

PrecisionPlan cheapest(const ErrorModel& model, const PrecisionPlan& from, const BitCosts& costs, double snr_db,
                       const PrecisionLimits& limits) {
    if (!from.fits) return from;
    const double allowance = model.error_of(std::min(snr_db, from.snr_db - kSlackDb));
    Precision best = from.precision;
    double error = model.error(best), size = bytes(model, best, costs);
    struct Move {
        std::size_t layer;
        int step;
        double gain;
    };
    for (bool changed = true; changed;) {
        changed = false;
        std::vector<Move> moves;
        // Bytes that a move saves for the error that it costs; negative if it saves none or costs too much.
        const auto consider = [&](std::size_t l, int step, bool make) {
            Precision other = best;
            other.share_bits[l] += step;
            if (!allowed(model, limits, l, other.share_bits[l])) return -1.0;
            const double other_error = model.error(other);
            if (other_error > allowance || model.misfit(other) > 0) return -1.0;
            const double other_size = bytes(model, other, costs);
            if (other_size >= size) return -1.0;
            const double gain = (size - other_size) / std::max(other_error - error, 1e-6 * allowance);
            if (make) {
                best = std::move(other);
                error = other_error;
                size = other_size;
            }
            return gain;
        };
        for (std::size_t l = 0; l < model.layers(); ++l)
            for (int step : {-1, 1})
                if (!fixed(model, limits, l))
                    if (const double gain = consider(l, step, false); gain > 0) moves.push_back({l, step, gain});
        std::ranges::sort(moves, std::ranges::greater{}, &Move::gain);
        // The best half of them at once: each is looked at again after those before it.
        for (std::size_t i = 0; i < (moves.size() + 1) / 2; ++i)
            changed |= consider(moves[i].layer, moves[i].step, true) > 0;
    }
    return plan_of(model, std::move(best));
}

}  // namespace flash::compiler
