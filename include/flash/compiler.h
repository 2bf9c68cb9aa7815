// From an ONNX file and calibration pictures to a compiled model.
//
//   flash::Network network = flash::Network::read("net.onnx");
//   flash::Compiled made = network.compile(pictures);   // inputs of network.info(), as prepare() makes them
//   made.model.save("net.flash");
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "flash/error.h"
#include "flash/model.h"
#include "flash/server.h"

namespace flash {

struct CompileOptions {
    std::string name;  ///< of the model; empty: the file's
    bool trust_server =
        false;  ///< one key for all depths: fewer bytes, private only from a server that follows the protocol
    double least_agreement = 0.6;  ///< share of check inputs that must keep the float network's class; 0: any
    /// Fractions in 0..1 and what is being done, possibly from another thread.
    std::function<void(double fraction, const std::string& phase)> progress;
    std::stop_token stop;  ///< ends it soon after, with Error(kCancelled)
};

struct LayerFigures {
    std::string name;
    Shape3 output;
    int share_bits = 0;  ///< m
    double range = 0;    ///< largest pre-activation on the calibration inputs
    double margin = 0;   ///< smallest factor between that and what fits
    double snr_db = 0;   ///< of the pre-activation against the float network
};

struct CompileReport {
    double snr_db = 0;     ///< of the logits against the float network
    double agreement = 0;  ///< fraction of check inputs that keep their class
    std::int64_t calibration_inputs = 0, check_inputs = 0;
    std::vector<LayerFigures> layers;
    std::vector<std::string> notes;  ///< what was left out or turned on the way in
};

struct Compiled {
    Model model;
    CompileReport report;
};

/// A float network after import: batch normalisations folded, activations recognised.
class Network {
public:
    /// Error(kFile): missing or not ONNX; Error(kUnsupported): names the node, the reason and the remedy.
    static Network read(const std::filesystem::path& onnx);
    /// The same from bytes that hold everything.
    static Network parse(std::span<const std::uint8_t> bytes, const std::string& name);

    ~Network();
    Network(Network&&) noexcept;
    Network& operator=(Network&&) noexcept;

    /// Without fingerprint and bytes, which only a compiled model has.
    const ModelInfo& info() const;
    /// How pictures become the input, where the file says nothing or something wrong.
    void set_pictures(const PictureRule& rule);
    void set_classes(std::vector<std::string> names);

    /// Logits of the float network.
    std::vector<float> evaluate(std::span<const float> input) const;
    /// Calibrates, quantises, checks. Error(kRange) names the layer that does not fit, or the agreement that is missed.
    Compiled compile(std::span<const std::vector<float>> calibration, const CompileOptions& options = {}) const;

private:
    struct Impl;
    explicit Network(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace flash
