// How a Builder ends: the layers that the network needs, and the bounds that were left out on the way.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "compiler/builder.h"

namespace flash::compiler {
namespace {

[[noreturn]] void refuse(const std::string& node, const std::string& why) {
    throw Error(ErrorKind::kUnsupported, fmt::format("node {}: {}", node, why));
}

}  // namespace

std::set<int> Builder::several_activations() const {
    std::set<int> found;
    for (std::size_t i = 0; i < bases_.size(); ++i)
        if (bases_[i].replaceable > 1) found.insert(static_cast<int>(i));
    return found;
}

std::vector<LeftOutClip> Builder::left_out_clips(const std::vector<int>& renumbered, const Part& last) const {
    std::vector<LeftOutClip> result;
    for (const Clip& clip : clips_) {
        // The layer whose linear result the clipped tensor is a polynomial of.
        Part part = clip.part;
        const Base* base = &bases_[part.base];
        if (base->origin && !part.curved()) {
            Part origin = *base->origin;
            rescale(origin, part.poly().b, part.poly().c);
            part = std::move(origin);
            base = &bases_[part.base];
        }
        if (const auto* sine = std::get_if<Sine>(&part.curve)) {
            for (std::size_t c = 0; c < sine->channels(); ++c)
                if (sine->constant[c] - sine->amplitude[c] < clip.low ||
                    sine->constant[c] + sine->amplitude[c] > clip.high)
                    refuse(clip.node, fmt::format("it limits a sine of {:.4g} .. {:.4g} to {:.4g} .. {:.4g}. Private "
                                                  "inference cannot limit values: train the network without it",
                                                  sine->constant[c] - sine->amplitude[c],
                                                  sine->constant[c] + sine->amplitude[c], clip.low, clip.high));
            continue;
        }
        Quadratic limited = part.poly();
        int layer = 0;
        for (const auto& [curve, value] : base->values) layer = std::max(layer, renumbered[value]);
        if (base->two_activations && renumbered[base->two_activations->value] > 0) {
            layer = renumbered[base->two_activations->value];
            limited = in_normalised(*base, limited);
        }
        if (layer == 0 && part.base == last.base && !last.curved()) {
            // The result layer computes last.poly of it.
            const std::optional<Relation> relation = relate(limited, last.poly());
            if (relation) {
                limited = relation->line();
                layer = renumbered.back();
            }
        }
        if (layer == 0)
            refuse(clip.node,
                   "no activation follows it, so its range is not calibrated. Remove it, or put the activation x*x + x "
                   "behind it");
        result.push_back({clip.node, static_cast<std::size_t>(layer) - 1, limited, clip.low, clip.high});
    }
    return result;
}

Network Builder::finish(const Tensor& result, const std::string& node) {
    Linear last = linear(result, true, node);
    Network network;
    network.input = input_;
    layers_.push_back(
        {last.name.empty() ? node : last.name, std::move(last.terms), std::move(last.bias), last.shape, std::nullopt});

    std::vector<bool> needed(layers_.size(), false);
    needed.back() = true;
    for (std::size_t i = layers_.size(); i-- > 0;)
        for (const FloatTerm& term : layers_[i].terms)
            if (needed[i] && term.source > 0) needed[term.source - 1] = true;
    std::vector<int> renumbered(layers_.size() + 1, 0);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        if (!needed[i]) continue;
        for (FloatTerm& term : layers_[i].terms) term.source = renumbered[term.source];
        network.layers.push_back(std::move(layers_[i]));
        renumbered[i + 1] = static_cast<int>(network.layers.size());
    }
    if (network.layers.size() > static_cast<std::size_t>(model::kMaxLayers))
        refuse(node, fmt::format("the network has more than {} layers", model::kMaxLayers));
    network.clips = left_out_clips(renumbered, result.parts.back());
    for (const LeftOutClip& clip : network.clips)
        if (network.layers[clip.layer].sine())
            refuse(
                clip.node,
                "a sine follows it, whose values have no range that they could be held to. Train the network without "
                "it");
    network.prepare();
    return network;
}

}  // namespace flash::compiler
