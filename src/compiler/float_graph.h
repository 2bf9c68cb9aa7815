// A float network as a deployment would run it: the operators of the exported graph in their order, with batch norms,
// sums and activations fused into the convolutions in front of them. Unlike Network, nothing linear is folded into what
// follows: concatenations and linear bottlenecks are computed. It is what a private inference is compared with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "compiler/network.h"

namespace flash::compiler {

struct GraphNode {
    enum class Kind {
        kConvolution,    ///< of inputs[0]; inputs[1], if there, is added to it
        kAverage,        ///< over windows; padding counts as zeros, or not at all if the window is level
        kConcatenation,  ///< along the channels
        kSum,            ///< of two maps
        kQuadratic,      ///< a x^2 + b x + c, channel by channel
        kSine,           ///< a sine, channel by channel
    };
    Kind kind = Kind::kConvolution;
    std::vector<int> inputs;  ///< values: 0 is the network's input, i + 1 the result of node i
    model::Shape output;
    model::Window window;
    int groups = 1;
    std::vector<float> weights;  ///< kConvolution: [out][in / groups][kernel_h][kernel_w]; empty: they do not matter
    std::vector<float> bias;     ///< kConvolution: one per channel; empty: they do not matter
    std::optional<Quadratic>
        activation;              ///< kQuadratic: always. kConvolution: a x^2 + c of the biased sum, if there; b is zero
    std::optional<Sine> sine{};  ///< kSine: always
};

struct FloatGraph {
    model::Shape input;
    std::vector<GraphNode> nodes;  ///< in order of execution; the last one's value is the result

    const model::Shape& value_shape(int value) const {
        return value == 0 ? input : nodes.at(static_cast<std::size_t>(value - 1)).output;
    }
    std::int64_t multiply_adds() const;  ///< of the convolutions
};

/// Reads an ONNX model of the kind that import_onnx() takes. Error(kFile) and Error(kUnsupported) as there; the latter
/// also for Clip, which import_onnx() leaves out.
FloatGraph import_float_graph(const std::filesystem::path& path);
FloatGraph import_float_graph(std::span<const std::uint8_t> bytes);

/// Fuses nodes of which only one other reads the result into that one, where the graph then computes the same. Called
/// by import_float_graph().
void fuse(FloatGraph& graph);

}  // namespace flash::compiler
