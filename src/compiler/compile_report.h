// What the compiler tells about its choices.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compiler/outliers.h"
#include "model/architecture.h"

namespace flash::compiler {

struct LayerReport {
    std::string name;
    model::Shape output;
    int share_bits = 0;
    double scale_low = 0, scale_high = 0;  ///< real value of one unit of X, over the channels
    int amplitude = 0;                     ///< S of a sine, 0 for all others
    double range = 0;                      ///< largest |x| on the calibration images
    double margin = 0;            ///< smallest factor between a channel's largest |x| and what fits; 0 for sines
    double tail = 0;              ///< exponent of the tail that the margin was taken from; 0: not measured
    double use = 0;               ///< largest |acc| / (T/4) on the check images (twin)
    int max_weight = 0;           ///< largest |int8 weight|, 0 if the layer has none
    std::int32_t multiplier = 0;  ///< largest multiplier of the layer's convolution terms
    double noise_bits = 0;        ///< log2 of the ten-sigma phase noise
    double noise_limit = 0;       ///< what that must stay below: 32 - share_bits - 1
    double snr_db = 0;            ///< of the pre-activation against the float network, over the check images
    double error_share = 0;  ///< predicted part of the logits' quantisation noise that this layer's own rounding makes
};

/// One choice of T and of the layers' m that was tried.
struct CandidateReport {
    int plain_bits = 0;
    int least_share_bits = 0, most_share_bits = 0;  ///< over the activation layers
    double predicted_snr_db = 0;                    ///< by compiler/error_model.h
    bool fits = false;                              ///< false: `problem` says which layer does not fit
    double snr_db = 0;                              ///< of the logits against the float network; measured with the twin
    std::int64_t overflows = 0;                     ///< on the check images
    bool chosen = false;
    std::string problem;
};

/// The top classes of a check image.
struct Verdict {
    std::size_t image = 0;  ///< as the calibration images were given
    int exact = 0;          ///< of the float network
    int quantised = 0;      ///< of the integers
};

struct Report {
    std::vector<LayerReport> layers;
    std::vector<CandidateReport> candidates;
    std::vector<std::size_t> worst;  ///< up to three layers that make the most of the logits' noise
    double snr_db = 0;               ///< of the logits, of the chosen candidate
    double predicted_snr_db = 0;
    double agreement = 0;                 ///< fraction of the check images whose top class equals the float network's
    std::string margin;                   ///< how the margin was chosen and what that assumes
    std::int64_t calibration_images = 0;  ///< without those that were left out
    std::vector<Outlier> outliers;        ///< images that were left out
    std::vector<Verdict> verdicts;        ///< of all check images, in their order
    std::int64_t check_images = 0;        ///< spread evenly over the calibration images: SNR and agreement
    std::int64_t proof_images = 0;        ///< these and those that reach furthest: no value may leave its range on them
};

}  // namespace flash::compiler
