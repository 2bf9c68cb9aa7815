// Which linear layer to measure, as a text: "64x56x56-64-3x3s1".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/model.h"

namespace flash::comparison {

/// A convolution of a map by a rectangular kernel, with the same stride both ways and the same zero padding on all
/// sides.
struct LayerShape {
    model::Shape input;
    int outputs = 0;
    model::Window window;

    model::Shape output() const { return {outputs, window.out_height(input.height), window.out_width(input.width)}; }
    /// Of the plain convolution, padding counted as if it were data.
    std::int64_t multiply_adds() const { return output().size() * input.channels * window.kernel_h * window.kernel_w; }
    std::string text() const;
};

/// "CxHxW-O-KHxKWsS" or "...pP": channels, height, width, outputs, kernel, stride, padding (without it, and rounded
/// down, half a kernel, which keeps the size where the stride is 1). Error(kInvalidArgument) says what is wrong.
LayerShape parse_layer_shape(std::string_view text);

/// Layers of ResNets: the four sizes and the stem of ResNet-18 on 224x224 pictures, and the three of ResNet-32 on 32x32
/// ones.
const std::vector<std::string>& default_layer_shapes();

/// A model of this one layer (the result layer of a network of one): random int8 weights over their whole range, T of
/// 24 bits, shares of 9 bits. For timing: its results leave their range. degree: the ring, whether the noise fits there
/// or not; 0: chosen as the compiler does.
model::Model one_layer_model(const LayerShape& shape, std::uint64_t seed, int degree = 0);

}  // namespace flash::comparison
