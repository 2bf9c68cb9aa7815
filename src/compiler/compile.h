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

#include "compiler/compile_options.h"
#include "compiler/compile_report.h"
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
    std::vector<std::string> notes{};  ///< what was left out or turned, for the user to read

    model::Shape output() const;
    int activation_layers() const;
    bool sines_only() const;  ///< whether no activation is a square
};

/// Reads and folds an ONNX model; its weights may lie beside it, in the same folder. Error(kFile): missing, truncated,
/// or not ONNX; Error(kUnsupported): an operator or a structure that Flash cannot run, naming the node, the reason and
/// what to do instead.
ImportedModel import_onnx(const std::filesystem::path& path);
/// The same from bytes, which hold everything; `name` is used where the metadata has none.
ImportedModel import_onnx(std::span<const std::uint8_t> bytes, const std::string& name);

/// Logits of the folded float network on one normalised CHW image.
std::vector<float> evaluate_float(const ImportedModel& imported, std::span<const float> image);

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
