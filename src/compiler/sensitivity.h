// What an error of a pre-activation is worth at the logits: derivatives of the float network on some images.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "compiler/network.h"

namespace flash::compiler {

/// Power of the logits' error, summed over the classes, for errors of x of unit power at every place of one channel.
/// What is common to all classes changes none and does not count.
struct Worth {
    double white = 0;   ///< errors that are independent from place to place
    double smooth = 0;  ///< errors that are the same within 4 x 4 places
    double common = 0;  ///< one error at all places
    double output = 0;  ///< errors of y, independent from place to place; nothing for the result
};

/// [layer][channel], means over the images. Every image takes one derivative, of a random combination of the logits:
/// its expected square is the sum of the squares of all of them.
std::vector<std::vector<Worth>> sensitivity(const Network& network, std::span<const std::vector<float>* const> images,
                                            const std::function<void(double)>& progress);

}  // namespace flash::compiler
