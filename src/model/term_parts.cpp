#include "model/term_parts.h"

#include <algorithm>
#include <numeric>

namespace flash::model {

std::span<const double> TermPart::operand(const std::vector<double>& source, std::size_t plane,
                                          std::vector<double>& store) const {
    if (inputs.empty()) return source;
    store.assign(inputs.size() * plane, 0.0);
    for (std::size_t i = 0; i < inputs.size(); ++i)
        if (inputs[i] >= 0)
            std::copy_n(source.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(inputs[i]) * plane),
                        plane, store.begin() + static_cast<std::ptrdiff_t>(i * plane));
    return store;
}

std::vector<TermPart> take_apart(std::span<const std::int8_t> weights, int out_channels, const Shape& in,
                                 const Window& window, int groups, std::span<const std::size_t> number_of) {
    const std::size_t count = *std::ranges::max_element(number_of) + 1;
    std::vector<TermPart> parts;
    if (std::ranges::all_of(number_of, [&](std::size_t number) { return number == number_of[0]; })) {
        TermPart& whole = parts.emplace_back();
        whole.modulus = number_of[0];
        whole.outputs.resize(static_cast<std::size_t>(out_channels));
        std::iota(whole.outputs.begin(), whole.outputs.end(), 0);
        whole.convolution = std::make_unique<Convolution>(std::vector<std::int8_t>(weights.begin(), weights.end()),
                                                          out_channels, in, window, groups);
        return parts;
    }
    const int group_in = in.channels / groups, group_out = out_channels / groups;
    const auto kernel = static_cast<std::size_t>(window.kernel_h) * static_cast<std::size_t>(window.kernel_w);
    for (std::size_t number = 0; number < count; ++number) {
        // The channels of each group that are in this modulus; groups without any take no part.
        std::vector<std::vector<int>> members;
        std::vector<int> kept;
        std::size_t width = 0;
        for (int group = 0; group < groups; ++group) {
            std::vector<int> own;
            for (int c = group * group_in; c < (group + 1) * group_in; ++c)
                if (number_of[static_cast<std::size_t>(c)] == number) own.push_back(c);
            if (own.empty()) continue;
            width = std::max(width, own.size());
            members.push_back(std::move(own));
            kept.push_back(group);
        }
        if (kept.empty()) continue;
        TermPart& part = parts.emplace_back();
        part.modulus = number;
        std::vector<std::int8_t> own_weights;
        for (std::size_t g = 0; g < kept.size(); ++g) {
            members[g].resize(width, -1);
            part.inputs.insert(part.inputs.end(), members[g].begin(), members[g].end());
            for (int o = kept[g] * group_out; o < (kept[g] + 1) * group_out; ++o) {
                part.outputs.push_back(o);
                for (int c : members[g]) {
                    if (c < 0) {
                        own_weights.insert(own_weights.end(), kernel, std::int8_t{0});
                        continue;
                    }
                    const auto first = weights.begin() + (std::ptrdiff_t{o} * group_in + c - kept[g] * group_in) *
                                                             static_cast<std::ptrdiff_t>(kernel);
                    own_weights.insert(own_weights.end(), first, first + static_cast<std::ptrdiff_t>(kernel));
                }
            }
        }
        part.convolution = std::make_unique<Convolution>(
            own_weights, static_cast<int>(part.outputs.size()),
            Shape{static_cast<int>(part.inputs.size()), in.height, in.width}, window, static_cast<int>(kept.size()));
    }
    return parts;
}

}  // namespace flash::model
