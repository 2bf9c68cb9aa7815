// A convolution taken apart by the moduli that its source's channels live in: one sum for each, and together as many
// products as before.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "model/convolution.h"

namespace flash::model {

/// What the channels of one modulus contribute. Its convolution reads the channels `inputs` of the source and adds to
/// the channels `outputs` of the layer.
struct TermPart {
    std::size_t modulus = 0;  ///< number of the modulus
    std::vector<int> inputs;  ///< -1: a map of zeros, so that all groups have as many; empty: all, as they are
    std::vector<int> outputs;
    std::unique_ptr<Convolution> convolution;

    /// The operand of the convolution from the source's maps of `plane` values each. With all inputs it is the source
    /// itself, without a copy; else it is put into `store`.
    std::span<const double> operand(const std::vector<double>& source, std::size_t plane,
                                    std::vector<double>& store) const;
};

/// weights: [out][in / groups][kernel_h][kernel_w]. number_of: for each channel of the source, which modulus it is in.
std::vector<TermPart> take_apart(std::span<const std::int8_t> weights, int out_channels, const Shape& in,
                                 const Window& window, int groups, std::span<const std::size_t> number_of);

}  // namespace flash::model
