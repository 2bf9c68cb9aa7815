// `flash compile`: an ONNX file and calibration pictures in, a compiled model and its table out.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/plan.h"
#include "compiler/compile.h"

namespace flash::app {

/// How pictures become the network's input, where the ONNX file does not say it or says it wrongly. What is not set
/// stays as the file has it.
struct PictureOptions {
    std::vector<int> input_size;    ///< height and width after cropping: those of the network, as a check
    std::optional<int> resize;      ///< short side before the crop; 0: none
    std::vector<float> mean, std;   ///< per channel, of pixels times `scale`
    std::optional<double> scale;    ///< factor of pixels 0..255, before mean and std; default: 1/255
    std::filesystem::path classes;  ///< a class name a line
};

/// Applies the options to what the ONNX file says. A file that says nothing, without options, gives a model that takes
/// arrays only: data::takes_pictures() is false.
void apply(const PictureOptions& options, compiler::ImportedModel& imported);

struct CompileCommand {
    std::filesystem::path onnx;
    std::string calibration;    ///< data SPEC; the training part where the set has one
    std::filesystem::path out;  ///< empty: the ONNX file's name with .flash
    std::size_t calibration_images = 1024;
    /// Share of the check images on which the compiled network must name the same class as the float network.
    double least_agreement = 0.6;
    /// Where the check images have labels: the accuracy that may be lost to the integers, beyond what chance explains.
    double accuracy_loss = 0.05;
    bool force = false;  ///< write the model whatever it keeps
    bool json = false;
    int threads = 0;
    PictureOptions pictures;
    std::optional<Place> place;  ///< slots and packing for the least time there; empty: for the fewest bytes
    compiler::CompileOptions options;
};

/// Writes the model, prints the table (or JSON) on standard output. Throws Error.
void run_compile(const CompileCommand& command);

}  // namespace flash::app
