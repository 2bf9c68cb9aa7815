// The search for T and the m of every layer: predicted first (compiler/error_model.h), then checked with the clear-text
// twin.
//
//   1. For every T the choice of least predicted error. The cheapest T whose prediction reaches the target is tried,
//   with the fewest bytes that
//      keep the target; if none reaches it, the T of least predicted error.
//   2. The twin runs on a few calibration images. What it measures beside the prediction corrects the next predictions.
//   3. A layer whose range does not hold on them gets a wider one; a T that fits no layer is left out.
//   4. The choice is proved on the images that reach furthest. If it fails there, the search goes on with wider ranges.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "compiler/check.h"
#include "compiler/compile_options.h"
#include "compiler/compile_report.h"
#include "compiler/precision.h"

namespace flash::compiler {

struct Found {
    Quantised quantised;
    Precision precision;
    std::vector<LayerRange> ranges;
    std::vector<double> layer_errors;  ///< predicted, power at the logits
    std::vector<std::size_t> checked;  ///< the calibration images of `check`, spread evenly
    Check check, proof;                ///< proof: on the images that reach furthest, and those of `check`
    double predicted_snr_db = 0;
    std::vector<CandidateReport> candidates;
};

/// slots: of the moduli. progress: fraction in 0..1. Error(kRange) if nothing fits or too little is kept, naming the
/// layer, its range and what to do.
Found search(const Network& network, const Calibration& calibration, std::vector<LayerRange> ranges, double pixel_bound,
             std::span<const std::vector<float>> images, const CompileOptions& options, const model::SlotChoice& slots,
             const std::function<void(double)>& progress);

/// The shape of slots that costs least (planner::is_better), each with the T and m that are predicted for it. Some
/// shape serves every network; if none did, the first of the table.
model::SlotChoice predict_slots(const Network& network, const Calibration& calibration,
                                const std::vector<LayerRange>& ranges, double pixel_bound,
                                std::span<const std::vector<float>> images, const CompileOptions& options);

}  // namespace flash::compiler
