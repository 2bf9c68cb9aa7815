// Walks over the weights of a term of the folded network, and how much of the source its kernel positions see.
#pragma once

#include <cstddef>
#include <vector>

#include "compiler/network.h"

namespace flash::compiler {

/// Calls body(output channel, source channel, index of the weight) for every weight of a term, in their order. A kScale
/// term has one weight per channel.
template <class Body>
void for_each_weight(const FloatTerm& term, std::size_t outputs, Body&& body) {
    if (term.kind == model::TermKind::kScale) {
        for (std::size_t o = 0; o < outputs; ++o) body(o, o, o);
        return;
    }
    const auto groups = static_cast<std::size_t>(term.groups);
    const auto kernel = static_cast<std::size_t>(term.window.kernel_h) * static_cast<std::size_t>(term.window.kernel_w);
    const std::size_t group_in = term.weights.size() / (outputs * kernel), group_out = outputs / groups;
    std::size_t k = 0;
    for (std::size_t o = 0; o < outputs; ++o) {
        const std::size_t first = o / group_out * group_in;
        for (std::size_t c = first; c < first + group_in; ++c)
            for (std::size_t i = 0; i < kernel; ++i, ++k) body(o, c, k);
    }
}

struct Coverage {
    std::vector<double>
        seen;        ///< per kernel position: the share of the output positions at which it lies within the map
    double sum = 1;  ///< a pooled value's mean over that of its source
    double independent =
        1;  ///< a pooled value's variance over that of its source, if the values of a window are independent
};

Coverage coverage(const Network& network, const FloatLayer& layer, const FloatTerm& term);

}  // namespace flash::compiler
