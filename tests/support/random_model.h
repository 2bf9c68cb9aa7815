// Random compiled models made of integers directly, without the compiler, so that odd shapes and extreme weights can be
// reached.
#pragma once

#include <cstdint>
#include <vector>

#include "model/model.h"

namespace flash::testing {

/// What the activations of a network are: kBoth mixes them layer by layer.
enum class Curves { kSquares, kSines, kBoth };

struct RandomModelOptions {
    model::SlotChoice slots{8192, 2};
    bool trust_server = false;
    int plain_bits = 26;
    int share_bits = 10;
    int layers = 4;  ///< activation layers before the result layer
    int max_channels = 12;
    int max_extent = 14;
    Curves curves = Curves::kSquares;
    bool mixed_rings =
        true;  ///< every group of layers whose noise fits there is in the small ring with probability 1/2
};

/// A random valid model in random rings: convolutions of many shapes, strides, pads, dilations and groups, pools,
/// residual scales, projections.
model::Model random_model(std::uint64_t seed, const RandomModelOptions& options = {});

/// One convolution layer with a result layer after it, for targeted shapes.
model::Model single_convolution(model::Shape input, int outputs, model::Window window, std::uint64_t seed,
                                int share_bits = 10, int groups = 1);

/// Puts every layer in the ring of this degree, whether its noise fits or not, and chooses the upload bits anew.
void use_ring(model::Model& model, int degree);

/// Random integer input within the model's limit.
std::vector<std::int32_t> random_input(const model::Architecture& architecture, std::uint64_t seed);

}  // namespace flash::testing
