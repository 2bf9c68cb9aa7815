// The model compiler: an ONNX file and some calibration images in, a compiled integer model and a report out.
//
//   ImportedModel imported = import_onnx("net.onnx");
//   ... load calibration pictures of imported.input, normalised by imported.preprocessing ...
//   CompileResult result = compile(imported, pictures, {});
//   model::save(result.model, "net.flash");
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/model.h"

namespace flash::compiler {

struct Network;  // the folded float network; compiler/network.h

/// An ONNX model after import: batch norms folded, activations recognised, still in float.
struct ImportedModel {
    std::string name;  ///< metadata "flash.name", else the file name without its ending
    model::Shape input;
    model::Preprocessing preprocessing;  ///< metadata "flash.input"; default: centre crop to the input, mean 0, std 1
    std::vector<std::string> classes;    ///< metadata "flash.classes"; may be empty
    std::shared_ptr<const Network> network;

    model::Shape output() const;
    int activation_layers() const;
};

/// Reads and folds an ONNX model. Error(kFile): missing, truncated, or not ONNX; Error(kUnsupported): an operator or a
/// structure that Flash cannot run, naming the node, the reason and what to do instead.
ImportedModel import_onnx(const std::filesystem::path& path);
/// The same from bytes; `name` is used where the metadata has none.
ImportedModel import_onnx(std::span<const std::uint8_t> bytes, const std::string& name);

/// Logits of the folded float network on one normalised CHW image.
std::vector<float> evaluate_float(const ImportedModel& imported, std::span<const float> image);

struct CompileOptions {
    std::string name;  ///< overrides the name from the file when not empty
    double margin =
        0;  ///< every calibrated range is multiplied by this before it must fit T/4; 0: measured, see compiler/margin.h
    double overflow_rate = 1e-4;  ///< of images that may leave a range of the network, where the margin is measured
    double channel_floor = 0.5;   ///< a channel's range is taken to be at least this fraction of its layer's largest
    int share_bits = 0;           ///< m of all layers, 6..16; 0: chosen for each
    int plain_bits = 0;           ///< T are the largest suitable primes below 2^plain_bits, 20..28; 0: 24..28 are tried
    model::SlotChoice slots;      ///< degree of the rings of the activations, and values in a slot
    bool trust_server = false;    ///< of the architecture
    int result_bits = 16;         ///< m of the result layer
    bool small_ring =
        true;  ///< linear layers may be in the small ring, where that sends less (compiler/choose_packing.h)
    double target_snr_db = 30;  ///< signal to quantisation noise of the logits that is good enough
    double least_snr_db = 3;    ///< a network that keeps less is refused
    /// Called now and then with a fraction in 0..1 and what is being done; possibly from another thread.
    std::function<void(double fraction, const std::string& phase)> progress;
};

struct LayerReport {
    std::string name;
    model::Shape output;
    int share_bits = 0;
    double scale_low = 0, scale_high = 0;  ///< real value of one unit of X, over the channels
    double range = 0;                      ///< largest |x| on the calibration images
    double margin = 0;                     ///< smallest factor between a channel's largest |x| and what fits
    double tail = 0;                       ///< exponent of the tail that the margin was taken from; 0: not measured
    double use = 0;                        ///< largest |acc| / (T/4) on the check images (twin)
    int max_weight = 0;                    ///< largest |int8 weight|, 0 if the layer has none
    std::int32_t multiplier = 0;           ///< largest multiplier of the layer's convolution terms
    double noise_bits = 0;                 ///< log2 of the ten-sigma phase noise
    double noise_limit = 0;                ///< what that must stay below: 32 - share_bits - 1
    double snr_db = 0;                     ///< of the pre-activation against the float network, over the check images
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

struct Report {
    std::vector<LayerReport> layers;
    std::vector<CandidateReport> candidates;
    std::vector<std::size_t> worst;  ///< up to three layers that make the most of the logits' noise
    double snr_db = 0;               ///< of the logits, of the chosen candidate
    double predicted_snr_db = 0;
    double agreement = 0;  ///< fraction of the check images whose top class equals the float network's
    std::string margin;    ///< how the margin was chosen and what that assumes
    std::int64_t calibration_images = 0;
    std::int64_t check_images = 0;  ///< spread evenly over the calibration images: SNR and agreement
    std::int64_t proof_images = 0;  ///< these and those that reach furthest: no value may leave its range on them
};

struct CompileResult {
    model::Model model;
    Report report;
};

/// Calibrates, quantises and checks. calibration: normalised CHW float images of imported.input's size, at least one.
/// Error(kRange) names the layer that does not fit, its range, by how much and what to do; Error(kInvalidArgument) for
/// unusable options or images.
CompileResult compile(const ImportedModel& imported, std::span<const std::vector<float>> calibration,
                      const CompileOptions& options);

}  // namespace flash::compiler
