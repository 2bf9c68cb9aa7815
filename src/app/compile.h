// `flash compile`: an ONNX file and calibration pictures in, a compiled model and its table out.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "app/plan.h"
#include "compiler/compile.h"

namespace flash::app {

struct CompileCommand {
    std::filesystem::path onnx;
    std::string calibration;    ///< data SPEC; the training part where the set has one
    std::filesystem::path out;  ///< empty: the ONNX file's name with .flash
    std::size_t calibration_images = 1024;
    bool json = false;
    int threads = 0;
    std::optional<Place> place;  ///< pack for the least time there; empty: for the fewest bytes
    compiler::CompileOptions options;
};

/// Writes the model, prints the table (or JSON) on standard output. Throws Error.
void run_compile(const CompileCommand& command);

}  // namespace flash::app
