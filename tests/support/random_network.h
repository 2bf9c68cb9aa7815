// Random networks as ONNX files: the shapes that an importer, a packing and a protocol have to cope with.
#pragma once

#include <cstdint>
#include <vector>

#include "model/architecture.h"
#include "support/random_model.h"

namespace flash::testing {

/// What the blocks of a network are.
enum class NetworkFamily {
    kAny,         ///< a mixture
    kResidual,    ///< identity and projection shortcuts, pre-activation
    kBottleneck,  ///< 1x1, k x k in groups, 1x1 beside a shortcut
    kDepthwise,   ///< depthwise separable convolutions and linear bottlenecks
    kDense,       ///< dense blocks with transitions between them
    kHeads,       ///< branches of different kernels and pools that read one map side by side
};

struct RandomNetworkOptions {
    Curves curves = Curves::kSquares;
    NetworkFamily family = NetworkFamily::kAny;
    int min_layers = 1, max_layers = 5;  ///< activation blocks
    int max_channels = 40;               ///< one network in six goes up to wide_channels in one layer
    int wide_channels = 300;
    int max_extent = 20;  ///< of the input map
    int max_outputs = 12;
};

struct RandomNetwork {
    std::vector<std::uint8_t> onnx;
    model::Shape input;
    /// Images of the kind that the weights were scaled for: independent standard normal pixels.
    std::vector<std::vector<float>> images(std::size_t count, std::uint64_t seed) const;
};

/// Kernels 1 to 7, strides 1 to 3, odd and non-square maps, asymmetric padding, the blocks of NetworkFamily, grouped,
/// depthwise and dilated convolutions, concatenations, average and global pools, fully connected layers, per-channel
/// activation coefficients, all-zero filters. Every pre-activation is normalised, so that depth does not make values
/// grow or vanish. Deterministic.
RandomNetwork random_network(std::uint64_t seed, const RandomNetworkOptions& options = {});

}  // namespace flash::testing
