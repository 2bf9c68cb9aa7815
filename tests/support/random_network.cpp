#include "support/random_network.h"

#include <algorithm>
#include <string>

#include "support/network_pieces.h"
#include "support/onnx_reference.h"

namespace flash::testing {
namespace {

/// Blocks of known families of networks, one behind the other.
class Generator : NetworkPieces {
public:
    using NetworkPieces::NetworkPieces;

    RandomNetwork run() {
        Map map{writer_.input, input_};
        const int blocks = range(options_.min_layers, options_.max_layers);
        map = activate(normalise(convolve(map, random_channels(), true)));
        for (int i = 1; i < blocks; ++i) map = block(map);
        const std::string output = head(map);
        RandomNetwork network{writer_.finish(output), input_};
        network.onnx = with_measured_batch_norms(network.onnx, network.images(32, random_()));
        return network;
    }

private:
    Map block(const Map& in) {
        switch (options_.family) {
            case NetworkFamily::kAny: return any_block(in);
            case NetworkFamily::kResidual:
                return chance(3) ? pre_activation_block(in) : chance(2) ? projection_block(in) : identity_block(in);
            case NetworkFamily::kBottleneck: return bottleneck_block(in);
            case NetworkFamily::kDepthwise: return chance(2) ? separable_block(in) : inverted_residual(in);
            case NetworkFamily::kDense:
                return chance(2) && in.shape.height > 3 && in.shape.width > 3 ? average(in) : dense_block(in);
            case NetworkFamily::kHeads: return heads_block(in);
        }
        return in;
    }

    Map any_block(const Map& in) {
        const int kind = range(0, deep_ ? 9 : 7);
        if (kind == 0) return identity_block(in);
        if (kind == 1) return projection_block(in);
        if (kind == 2) return pre_activation_block(in);
        if (kind == 6) return separable_block(in);
        if (kind == 7) return activate(normalise(convolve(branches(in), random_channels(), false)));
        if (kind == 8) return inverted_residual(in);
        if (kind == 9) return dense_block(in);
        if (kind == 3 && in.shape.height > 3 && in.shape.width > 3) return average(in);
        return activate(normalise(convolve(in, random_channels(), true)));
    }

    Map identity_block(const Map& in) { return activate(add(normalise(convolve_same(in, in.shape.channels)), in)); }

    Map projection_block(const Map& in) {
        const int channels = random_channels(), stride = range(1, std::min({2, in.shape.height, in.shape.width}));
        Map main = activate(normalise(convolve(in, channels, model::Window{3, 3, stride, stride, 1, 1, 1, 1})));
        main = normalise(convolve_same(main, channels));
        const Map shortcut = convolve(in, channels, model::Window{1, 1, stride, stride});
        return activate(normalise(add(main, chance(2) ? normalise(shortcut) : shortcut)));
    }

    Map pre_activation_block(const Map& in) {
        // The sum that is normalised and activated is itself the next shortcut.
        const Map sum = add(convolve_same(in, in.shape.channels), in);
        const Map branch = convolve_same(activate(normalise(sum)), in.shape.channels);
        return activate(normalise(add(branch, sum)));
    }

    /// A 3x3 convolution in groups, down to one channel each, possibly dilated, and perhaps a pointwise one behind it.
    Map separable_block(const Map& in) {
        int groups = in.shape.channels;
        while (chance(3) && groups > 1) do
                --groups;
            while (in.shape.channels % groups != 0);
        const int d = chance(3) ? range(1, 2) : 1, stride = range(1, 2);
        const Map spatial = normalise(convolve(in, in.shape.channels * range(1, 2),
                                               model::Window{3, 3, stride, stride, d, d, d, d, d, d}, groups));
        if (chance(3))
            return activate(
                normalise(convolve(spatial, random_channels(), model::Window{})));  // nothing activated between
        return activate(normalise(convolve(activate(spatial), random_channels(), model::Window{})));
    }

    /// Linear bottlenecks: the sums are not activated before the next expansion.
    Map inverted_residual(const Map& in) {
        Map x = normalise(convolve(in, range(1, 6), model::Window{}));
        for (int i = range(1, 2); i > 0; --i) {
            const Map expanded = activate(normalise(convolve(x, 2 * x.shape.channels, model::Window{})));
            const Map spatial = activate(normalise(convolve(
                expanded, expanded.shape.channels, model::Window{3, 3, 1, 1, 1, 1, 1, 1}, expanded.shape.channels)));
            x = add(normalise(convolve(spatial, x.shape.channels, model::Window{})), x);
        }
        return activate(normalise(convolve(x, random_channels(), model::Window{})));
    }

    /// Side by side: activated branches, or linear ones that are activated together; with the input or without it.
    Map branches(const Map& in) {
        const bool together = chance(2);
        std::vector<Map> parts;
        if (chance(2)) parts.push_back(in);
        for (int i = range(1, 3); i > 0 || parts.empty(); --i) {
            const Map part = normalise(convolve_same(in, range(1, 8)));
            parts.push_back(together ? part : activate(part));
        }
        const Map all = concatenate(parts);
        return together ? activate(normalise(all)) : all;
    }

    /// Every layer activates all features so far, each with a batch norm of its own, and appends some.
    Map dense_block(const Map& in) {
        std::vector<Map> features{in};
        for (int i = range(1, 2); i > 0; --i) {
            const Map bottleneck =
                activate(normalise(convolve(activate(normalise(concatenate(features))), range(2, 8), model::Window{})));
            features.push_back(convolve_same(bottleneck, range(1, 4)));
        }
        return activate(
            normalise(convolve(activate(normalise(concatenate(features))), random_channels(), model::Window{})));
    }

    Map bottleneck_block(const Map& in) {
        const int groups = range(1, 3), width = groups * range(1, 4), stride = chance(3) ? 2 : 1,
                  dilation = chance(4) ? 2 : 1;
        const int outputs = stride == 1 && chance(2) ? in.shape.channels : random_channels();
        Map main = activate(normalise(convolve(in, width, model::Window{})));
        main = activate(normalise(convolve(main, width * range(1, 2), keeping(3, 3, stride, dilation), groups)));
        main = normalise(convolve(main, outputs, model::Window{}));
        if (stride == 1 && outputs == in.shape.channels) return activate(add(main, chance(2) ? normalise(in) : in));
        const Map shortcut = normalise(convolve(in, outputs, model::Window{1, 1, stride, stride}));
        return activate(chance(2) ? add(main, shortcut) : add(shortcut, main));
    }

    /// Branches side by side on one map: some read it the same way, others with another kernel, behind a narrow layer,
    /// or as means. All have one stride. Then two convolutions read what they make, and are added or concatenated.
    Map heads_block(const Map& in) {
        const int stride = chance(3) && in.shape.height > 2 && in.shape.width > 2 ? 2 : 1;
        const auto small = [&] { return range(1, 6); };
        std::vector<Map> parts;
        for (int i = range(2, 3); i > 0; --i) {
            switch (range(0, 4)) {
                case 0: parts.push_back(convolve(in, small(), model::Window{1, 1, stride, stride})); break;
                case 1: parts.push_back(convolve(in, small(), keeping(3, 3, stride, range(1, 2)))); break;
                case 2:
                    parts.push_back(convolve(activate(normalise(convolve(in, small(), model::Window{}))), small(),
                                             keeping(range(2, 4), range(1, 5), stride)));
                    break;
                case 3:
                    parts.push_back(convolve(pool(in, keeping(range(2, 3), 3, stride)), small(), model::Window{}));
                    break;
                default: {
                    const Map first = activate(normalise(convolve(in, small(), keeping(1, 3, 1))));
                    parts.push_back(convolve(first, small(), keeping(3, 1, stride)));
                }
            }
            parts.back() = activate(normalise(parts.back()));
        }
        const Map all = concatenate(parts);
        const int channels = random_channels();
        const Map left = normalise(convolve(all, channels, model::Window{})),
                  right = normalise(convolve(all, channels, keeping(3, 3, 1)));
        return chance(2) ? activate(add(left, right)) : concatenate({activate(left), activate(right)});
    }

    Map average(const Map& in) {
        const int k = range(2, 3);
        model::Window w{k, k, k, k};
        if (chance(2)) w.stride_h = w.stride_w = range(1, 2);
        std::vector<OnnxWriter::Attribute> attributes{{"kernel_shape", std::vector<I>{k, k}},
                                                      {"strides", std::vector<I>{w.stride_h, w.stride_w}}};
        std::string source = in.name;
        if (chance(3)) {
            w.pad_top = w.pad_left = 1;
            if (chance(3)) {
                attributes.push_back({"pads", std::vector<I>{1, 1, 0, 0}});  // which does not count
            } else if (chance(2)) {
                source = writer_.node("Pad", {source, writer_.integers({0, 0, 1, 1, 0, 0, 0, 0})});
            } else {
                attributes.push_back({"pads", std::vector<I>{1, 1, 0, 0}});
                attributes.push_back({"count_include_pad", 1});
            }
        }
        const Map pooled{writer_.node("AveragePool", {source}, attributes),
                         {in.shape.channels, w.out_height(in.shape.height), w.out_width(in.shape.width)}};
        return activate(normalise(convolve(pooled, random_channels(), false)));
    }

    std::string head(const Map& in) {
        std::string flat;
        std::int64_t features = in.shape.size();
        const int kind = features > 3000 ? range(0, 1) : range(0, 3);
        if (kind == 0) {
            flat = writer_.node("Flatten", {writer_.node("GlobalAveragePool", {in.name})}, {{"axis", 1}});
            features = in.shape.channels;
        } else if (kind == 1) {
            flat = writer_.node("ReduceMean", {in.name}, {{"axes", std::vector<I>{2, 3}}, {"keepdims", 0}});
            features = in.shape.channels;
        } else if (kind == 2) {
            flat = writer_.node("Flatten", {in.name}, {{"axis", 1}});
        } else {
            flat = writer_.node("Reshape", {in.name, writer_.integers({chance(2) ? 1 : 0, -1})});
        }
        if (chance(3)) {  // a hidden fully connected layer
            const int hidden = range(2, 30);
            Map x = normalise({fully_connected(flat, features, hidden), {hidden, 1, 1}});
            flat = writer_.node("Add", {writer_.node("Mul", {x.name, x.name}), x.name});
            features = hidden;
        }
        return fully_connected(flat, features, range(2, options_.max_outputs));
    }
};

}  // namespace

std::vector<std::vector<float>> RandomNetwork::images(std::size_t count, std::uint64_t seed) const {
    std::mt19937_64 random(seed);
    std::normal_distribution<float> pixel;
    std::vector<std::vector<float>> images(count, std::vector<float>(static_cast<std::size_t>(input.size())));
    for (auto& image : images)
        for (float& value : image) value = pixel(random);
    return images;
}

RandomNetwork random_network(std::uint64_t seed, const RandomNetworkOptions& options) {
    return Generator(seed, options).run();
}

}  // namespace flash::testing
