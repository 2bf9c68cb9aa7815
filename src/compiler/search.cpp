#include "compiler/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "model/arithmetic.h"

namespace flash::compiler {
namespace {

constexpr int kMostTries = 8;
constexpr int kLeastPlainBits = 24, kLeastOfSines = 20;  // of T, if none is asked for
constexpr double kCloseDb = 0.3;                         // a measured SNR that misses the target by less has reached it
constexpr double kSurplusDb = 1.5;                       // beyond the target, with which fewer bytes are tried once
constexpr double kWorthDb = 0.5;                         // that another T must promise beyond what was measured
constexpr std::size_t kMostProved = 256;
constexpr std::size_t kLeastChecked = 24, kMostChecked = 1024;
constexpr double kCheckOperations = 2e10;  // multiply-adds that comparing one candidate may take
constexpr std::size_t kLeastDerived = 4, kMostDerived = 64;
constexpr double kDeriveOperations = 1e10;  // multiply-adds that derivatives may take
constexpr double kAimDb = 1.5;              // less error after a range that did not hold
constexpr double kMostUse = 0.9;            // of T/4, if no choice leaves half of every margin
constexpr double kWiden = 1.05;             // beyond what a check asks for

double multiply_adds(const Network& network) {
    double sum = 0;
    for (const FloatLayer& layer : network.layers)
        for (const FloatTerm& term : layer.terms)
            sum += static_cast<double>(term.weights.size()) * layer.output.height * layer.output.width;
    return sum;
}

std::vector<std::size_t> spread(std::size_t count, std::size_t of) {
    std::vector<std::size_t> result;
    count = std::min(count, of);
    for (std::size_t i = 0; i < count; ++i) result.push_back(i * of / count);
    return result;
}

std::vector<std::vector<Worth>> worth_of(const Network& network, std::span<const std::vector<float>> images) {
    std::vector<const std::vector<float>*> derived;
    for (std::size_t i : spread(std::clamp(static_cast<std::size_t>(kDeriveOperations / multiply_adds(network)),
                                           kLeastDerived, kMostDerived),
                                images.size()))
        derived.push_back(&images[i]);
    return sensitivity(network, derived, {});
}

/// Widths of T that are looked at: those with which these slots can serve the network.
std::vector<int> widths(const Network& network, const CompileOptions& options, const model::SlotChoice& slots) {
    std::vector<int> result;
    model::Architecture architecture = skeleton(network);
    architecture.slots = slots;
    const bool sines = std::ranges::none_of(network.layers, &FloatLayer::quadratic);
    const int first = options.plain_bits ? options.plain_bits : sines ? kLeastOfSines : kLeastPlainBits;
    const int last = options.plain_bits ? options.plain_bits : model::kMaxPlainBits;
    for (architecture.plain_bits = first; architecture.plain_bits <= last; ++architecture.plain_bits)
        if (planner::can_serve(architecture)) result.push_back(architecture.plain_bits);
    return result;
}

/// Whether a choice promises less than another.
bool is_worse(const PrecisionPlan& a, const PrecisionPlan& b) {
    return a.fits != b.fits ? b.fits : a.snr_db < b.snr_db;
}

class Search {
public:
    Search(const Network& network, const Calibration& calibration, std::vector<LayerRange> ranges, double pixel_bound,
           std::span<const std::vector<float>> images, const CompileOptions& options, const model::SlotChoice& slots,
           const std::function<void(double)>& progress)
        : network_(network),
          calibration_(calibration),
          ranges_(std::move(ranges)),
          pixel_bound_(pixel_bound),
          images_(images),
          options_(options),
          slots_(slots),
          widths_(widths(network, options, slots)),
          progress_(progress),
          costs_(bit_costs(network)),
          limits_{options.share_bits, options.result_bits} {
        const auto affordable = static_cast<std::size_t>(kCheckOperations / multiply_adds(network));
        checked_ = spread(std::clamp(affordable, kLeastChecked, kMostChecked), images.size());
        if (widths_.empty())
            throw Error(
                ErrorKind::kUnsupported,
                fmt::format("slots of degree {} with {} values each cannot serve this network with a T of {}: its "
                            "answers would be wrong more often than once in 2^30 inferences. Choose others, or "
                            "leave the choice to the compiler",
                            slots.degree, slots.moduli,
                            options.plain_bits ? fmt::format("{} bits", options.plain_bits) : "24 bits or more"));
        worth_ = worth_of(network, images);
        predict();
    }

    Found run() {
        for (int number = 0; number < kMostTries; ++number) {
            const std::optional<std::size_t> choice = next();
            if (!choice || !try_choice(*choice, static_cast<double>(number) / kMostTries)) break;
        }
        if (!best_ && tight_) {  // its ranges hold, with less than half of the margin left
            best_ = std::move(tight_);
            best_index_ = tight_index_;
        }
        if (!best_) refuse();
        if (best_->check.logits.db() < options_.least_snr_db) refuse_noise();
        best_->candidates = candidates_;
        best_->candidates[best_index_].chosen = true;
        return std::move(*best_);
    }

private:
    struct Choice {
        int plain_bits = 0;
        PrecisionPlan precise;
        bool excluded = false;  // it fits no layer, or was tried with the precision it has
    };

    void predict() {
        model_.emplace(network_, calibration_, worth_, ranges_, pixel_bound_, slots_);
        choices_.resize(0);
        for (int bits : widths_)
            choices_.push_back({bits, most_precise(*model_, bits, limits_), std::ranges::count(excluded_, bits) > 0});
    }

    /// The cheapest T that promises the target; else the one that promises most, if that is more than was measured.
    /// Once the target is reached, nothing, or fewer bytes if it was passed by far.
    std::optional<std::size_t> next() {
        const double reached = best_ ? best_->check.logits.db() : -200;
        if (reached >= options_.target_snr_db - kCloseDb && (reached < options_.target_snr_db + kSurplusDb || refined_))
            return std::nullopt;
        refined_ = reached >= options_.target_snr_db - kCloseDb;
        std::optional<std::size_t> most;
        for (std::size_t i = 0; i < choices_.size(); ++i) {
            if (choices_[i].excluded) continue;
            if (choices_[i].precise.fits && choices_[i].precise.snr_db + offset_ >= options_.target_snr_db) return i;
            if (!most || is_worse(choices_[*most].precise, choices_[i].precise)) most = i;
        }
        // Nearly as much with a smaller T.
        for (std::size_t i = 0; most && i < *most; ++i)
            if (!choices_[i].excluded && choices_[i].precise.fits == choices_[*most].precise.fits &&
                choices_[i].precise.snr_db >= choices_[*most].precise.snr_db - kCloseDb)
                most = i;
        if (most && best_ && choices_[*most].precise.snr_db + offset_ < reached + kWorthDb) return std::nullopt;
        return most;
    }

    void exclude(Choice& choice) {
        choice.excluded = true;
        excluded_.push_back(choice.plain_bits);
    }

    /// False if that is what was tried before.
    bool try_choice(std::size_t index, double done) {
        Choice& choice = choices_[index];
        const PrecisionPlan plan =
            cheapest(*model_, choice.precise, costs_, options_.target_snr_db + aim_ - offset_, limits_);
        if (best_ && plan.precision == best_->precision) return false;
        CandidateReport report;
        report.plain_bits = choice.plain_bits;
        report.predicted_snr_db = plan.snr_db + offset_;
        const auto activations =
            std::span(plan.precision.share_bits).first(std::max<std::size_t>(1, plan.precision.share_bits.size() - 1));
        report.least_share_bits = *std::ranges::min_element(activations);
        report.most_share_bits = *std::ranges::max_element(activations);
        const auto part = [&](double from, double to) {
            return std::function<void(double)>([this, done, from, to](double fraction) {
                if (progress_) progress_(done + (from + (to - from) * fraction) / kMostTries);
            });
        };
        try {
            Found found;
            found.quantised = quantise(network_, calibration_, ranges_, pixel_bound_, plan.precision, slots_);
            model::Model model{found.quantised.architecture, found.quantised.weights};
            model.weights.salt.assign(32, 0);  // for the twin, which has no secrets to hide
            found.check = check_logits(model, calibration_, images_, checked_, part(0, 0.4));
            report.snr_db = found.check.logits.db();
            report.overflows = found.check.overflows;
            const bool trimmed = plan.snr_db < choice.precise.snr_db - 0.05;
            const bool reached = report.snr_db >= options_.target_snr_db - kCloseDb;
            const bool promising = !best_ || (refined_ ? reached : report.snr_db > best_->check.logits.db());
            const std::vector<std::size_t> furthest = furthest_unchecked();
            if (promising && holds(found.check))
                found.proof = check_logits(model, calibration_, images_, furthest, part(0.4, 1));
            found.proof.add(found.check);
            if (!holds(found.proof)) {
                const bool tight = found.proof.overflows == 0 &&
                                   largest_use(found.proof) < (tight_ ? largest_use(tight_->proof) : kMostUse);
                if (tight) {
                    complete(found, plan, report);
                    tight_index_ = candidates_.size();
                }
                report.problem = widen(found.proof);
                aim_ += kAimDb;
                if (tight) tight_ = std::move(found);
                candidates_.push_back(report);
                return true;
            }
            report.fits = true;
            offset_ += report.snr_db - report.predicted_snr_db;
            // The same T again only if it was cut down too far for what was measured.
            if (!reached && !(trimmed && choice.precise.snr_db + offset_ >= options_.target_snr_db))
                choice.excluded = true;
            if (promising) {
                complete(found, plan, report);
                best_ = std::move(found);
                best_index_ = candidates_.size();
            }
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::kRange) throw;
            report.problem = error.what();
            exclude(choice);
        }
        candidates_.push_back(report);
        return true;
    }

    void complete(Found& found, const PrecisionPlan& plan, const CandidateReport& report) const {
        found.precision = plan.precision;
        found.checked = checked_;
        found.ranges = ranges_;
        found.layer_errors = model_->layer_errors(plan.precision);
        found.predicted_snr_db = report.predicted_snr_db;
    }

    static double largest_use(const Check& result) { return *std::ranges::max_element(result.use); }

    /// Of the images that reach furthest, those that are not checked anyway.
    std::vector<std::size_t> furthest_unchecked() const {
        std::vector<std::size_t> furthest = furthest_images(calibration_, ranges_);
        furthest.resize(std::min(furthest.size(), kMostProved));
        std::erase_if(furthest, [&](std::size_t image) { return std::ranges::binary_search(checked_, image); });
        return furthest;
    }

    bool holds(const Check& result) const {
        for (std::size_t l = 0; l < result.use.size(); ++l)
            if (result.use[l] > allowed_use(ranges_[l])) return false;
        return result.overflows == 0;
    }

    /// Gives the layers whose ranges do not hold wider ones, and says which was worst.
    std::string widen(const Check& result) {
        std::size_t worst = 0;
        double most = 0;
        for (std::size_t l = 0; l < result.use.size(); ++l)
            if (result.use[l] / allowed_use(ranges_[l]) > most) {
                most = result.use[l] / allowed_use(ranges_[l]);
                worst = l;
            }
        std::string problem = fmt::format(
            "layer {} ({}), range {:.4g}: on calibration images its accumulator reaches {:.3f} of T/4, more than the "
            "{:.3f} that leave half of "
            "the margin of {:.2f}; {} values leave their range. Tried again with a wider one",
            worst, network_.layers[worst].name, *std::ranges::max_element(ranges_[worst].channels), result.use[worst],
            allowed_use(ranges_[worst]), ranges_[worst].margin, result.overflows);
        // Only up to the first layer that overflows: what comes behind it computed with wrong values.
        for (std::size_t l = 0; l < result.use.size(); ++l) {
            const double missed = result.use[l] / allowed_use(ranges_[l]);
            if (missed > 1) ranges_[l].widen(kWiden * std::min(missed, 2.0));
            if (result.use[l] >= 1) break;
        }
        if (most <= 1)
            for (LayerRange& range : ranges_)
                range.widen(kWiden);  // an activation is too large for T, though its accumulator is not
        predict();
        return problem;
    }

    [[noreturn]] void refuse() const {
        std::string tried;
        for (const CandidateReport& c : candidates_)
            tried += fmt::format("\n  T of {} bits, m {} to {}: {}", c.plain_bits, c.least_share_bits,
                                 c.most_share_bits, c.problem);
        throw Error(ErrorKind::kRange, "no choice of T and m holds this network:" + tried);
    }

    [[noreturn]] void refuse_noise() const {
        const std::vector<double>& errors = best_->layer_errors;
        const auto l = static_cast<std::size_t>(std::ranges::max_element(errors) - errors.begin());
        const double share = 100 * errors[l] / std::max(std::accumulate(errors.begin(), errors.end(), 0.0), 1e-300);
        throw Error(ErrorKind::kRange,
                    fmt::format("integers cannot hold this network: the best choice keeps {:.1f} dB of its logits, "
                                "less than {:.1f} dB. Layer {} ({}), range {:.4g} ({:.4g} seen in "
                                "calibration), at m = {}, T = {} makes {:.0f}% of the noise: its values are far "
                                "smaller than its range, or its weights very unequal. Train with a "
                                "batch normalisation in front of every activation and a penalty on large "
                                "pre-activations, or calibrate on images like those to be answered",
                                best_->check.logits.db(), options_.least_snr_db, l, network_.layers[l].name,
                                *std::ranges::max_element(best_->ranges[l].channels), calibration_.largest(l),
                                best_->precision.share_bits[l],
                                model::plain_moduli(slots_, best_->precision.plain_bits).front(), share));
    }

    const Network& network_;
    const Calibration& calibration_;
    std::vector<LayerRange> ranges_;
    double pixel_bound_;
    std::span<const std::vector<float>> images_;
    const CompileOptions& options_;
    const model::SlotChoice slots_;
    const std::vector<int> widths_;
    const std::function<void(double)>& progress_;
    BitCosts costs_;
    PrecisionLimits limits_;
    std::vector<std::size_t> checked_;
    std::vector<std::vector<Worth>> worth_;
    std::optional<ErrorModel> model_;
    std::vector<Choice> choices_;
    std::vector<int> excluded_;  // bits of T
    bool refined_ = false;       // much more than the target was reached: fewer bytes were tried once
    double aim_ = 0;             // dB beyond the target: a range that the error of quantisation leaves wants less of it
    double offset_ = 0;          // dB: measured less predicted
    std::vector<CandidateReport> candidates_;
    std::optional<Found> best_;
    std::size_t best_index_ = 0;
    std::optional<Found> tight_;  // where less than half of the margin is left
    std::size_t tight_index_ = 0;
};

}  // namespace

Found search(const Network& network, const Calibration& calibration, std::vector<LayerRange> ranges, double pixel_bound,
             std::span<const std::vector<float>> images, const CompileOptions& options, const model::SlotChoice& slots,
             const std::function<void(double)>& progress) {
    return Search(network, calibration, std::move(ranges), pixel_bound, images, options, slots, progress).run();
}

model::SlotChoice predict_slots(const Network& network, const Calibration& calibration,
                                const std::vector<LayerRange>& ranges, double pixel_bound,
                                std::span<const std::vector<float>> images, const CompileOptions& options) {
    const std::vector<std::vector<Worth>> worth = worth_of(network, images);
    const BitCosts costs = bit_costs(network);
    const PrecisionLimits limits{options.share_bits, options.result_bits};
    struct Shape {
        model::SlotChoice slots;
        ErrorModel model;
        std::vector<PrecisionPlan> plans;  // by increasing T
    };
    std::vector<Shape> shapes;
    std::optional<PrecisionPlan> most;
    for (const scheme::CompositeShape& shape : scheme::kCompositeShapes) {
        const model::SlotChoice slots{static_cast<int>(shape.degree), shape.residues};
        shapes.push_back({slots, ErrorModel(network, calibration, worth, ranges, pixel_bound, slots), {}});
        Shape& tried = shapes.back();
        for (int bits : widths(network, options, slots)) {
            tried.plans.push_back(most_precise(tried.model, bits, limits));
            if (!most || is_worse(*most, tried.plans.back())) most = tried.plans.back();
        }
    }
    // What all shapes have to promise: the target, or nearly as much as the best of all. Each with its least T for
    // that.
    const double promise =
        !most || most->snr_db >= options.target_snr_db ? options.target_snr_db : most->snr_db - kCloseDb;
    std::optional<planner::TimedSlots> best;
    for (const auto& [slots, model, plans] : shapes) {
        const auto chosen = std::ranges::find_if(
            plans, [&](const PrecisionPlan& plan) { return plan.fits == most->fits && plan.snr_db >= promise; });
        if (chosen == plans.end()) continue;
        const Precision precision = cheapest(model, *chosen, costs, options.target_snr_db, limits).precision;
        model::Architecture architecture = skeleton(network);
        architecture.slots = slots;
        architecture.plain_bits = precision.plain_bits;
        for (std::size_t l = 0; l < architecture.layers.size(); ++l)
            architecture.layers[l].share_bits = precision.share_bits[l];
        const auto weighed = planner::weigh_slots(architecture, options.timing ? &*options.timing : nullptr);
        if (weighed && (!best || planner::is_better(*weighed, *best))) best = weighed;
    }
    return best ? best->slots : model::SlotChoice{};
}

}  // namespace flash::compiler
