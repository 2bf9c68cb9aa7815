// Runs the clear-text twin of a quantised network against the float network.
#pragma once

#include "compiler/calibrate.h"
#include "compiler/compile_report.h"
#include "compiler/margin.h"
#include "compiler/network.h"
#include "compiler/quantise.h"
#include "model/model.h"

namespace flash::compiler {

/// Power of a signal and of its error.
struct Snr {
    double signal = 0, error = 0;
    void add(const Snr& other);
    double db() const;  ///< -200 to 200
};

/// What the twin did on some images.
struct Check {
    Snr logits;               ///< about the mean of each image's: what is common to all classes changes no class
    std::vector<Snr> layers;  ///< of the pre-activations; empty from check_logits()
    std::vector<double> use;  ///< [layer] largest |acc| / (T/4)
    std::int64_t overflows = 0;
    std::vector<Verdict> verdicts;  ///< of each image, numbered as in `images`; in any order

    std::int64_t agree() const;

    void add(const Check& other);
};

/// images: all calibration images, whose float logits are known; indices: those to run.
Check check_logits(const model::Model& model, const Calibration& calibration,
                   std::span<const std::vector<float>> images, std::span<const std::size_t> indices,
                   const std::function<void(double)>& progress);
/// With the pre-activations of all layers, for which the float network runs again. shift: [layer][channel], see
/// Quantised.
Check check_layers(const Network& network, const model::Model& model, const std::vector<std::vector<double>>& shift,
                   const Calibration& calibration, std::span<const std::vector<float>> images,
                   std::span<const std::size_t> indices, const std::function<void(double)>& progress);

/// The part of T/4 that a layer may use on calibration images: integer arithmetic includes the error of quantisation,
/// and at least half of the margin must be left after it.
double allowed_use(const LayerRange& range);

}  // namespace flash::compiler
