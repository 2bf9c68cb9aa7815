#include "compiler/network.h"

#include <algorithm>

#include "base/error.h"

namespace flash::compiler {
namespace {

void sum_pool(const std::vector<double>& in, const model::Shape& shape, const model::Window& window,
              std::vector<double>& out) {
    const int out_h = window.out_height(shape.height), out_w = window.out_width(shape.width);
    const model::PoolLevels levels = model::pool_levels(shape, window);
    out.clear();
    out.reserve(static_cast<std::size_t>(shape.channels * out_h) * static_cast<std::size_t>(out_w));
    for (int c = 0; c < shape.channels; ++c)
        for (int y = 0; y < out_h; ++y)
            for (int x = 0; x < out_w; ++x) {
                const int top = y * window.stride_h - window.pad_top, left = x * window.stride_w - window.pad_left;
                double sum = 0;
                for (int sy = std::max(top, 0); sy < std::min(top + window.kernel_h, shape.height); ++sy)
                    for (int sx = std::max(left, 0); sx < std::min(left + window.kernel_w, shape.width); ++sx)
                        sum += in[(static_cast<std::size_t>(c) * static_cast<std::size_t>(shape.height) +
                                   static_cast<std::size_t>(sy)) *
                                      static_cast<std::size_t>(shape.width) +
                                  static_cast<std::size_t>(sx)];
                out.push_back(sum * static_cast<double>(levels.rows[y] * levels.columns[x]));
            }
}

}  // namespace

const model::Shape& Network::value_shape(int value) const { return value == 0 ? input : layers.at(value - 1).output; }

model::Shape Network::pooled_shape(const FloatTerm& term) const {
    model::Shape shape = value_shape(term.source);
    if (term.pool) shape = {shape.channels, term.pool->out_height(shape.height), term.pool->out_width(shape.width)};
    return shape;
}

void Network::prepare() {
    prepared_.clear();
    for (const FloatLayer& layer : layers) {
        auto& prepared = prepared_.emplace_back();
        for (const FloatTerm& term : layer.terms)
            prepared.push_back(term.kind == model::TermKind::kScale
                                   ? nullptr
                                   : std::make_unique<model::Convolution>(term.weights, layer.output.channels,
                                                                          pooled_shape(term), term.window,
                                                                          term.groups));
    }
}

std::vector<double> Network::evaluate(std::span<const float> image,
                                      const std::function<void(std::size_t, const std::vector<double>&)>& visit) const {
    require(static_cast<std::int64_t>(image.size()) == input.size(), ErrorKind::kInvalidArgument,
            "an image has the wrong number of values");
    require(prepared_.size() == layers.size(), ErrorKind::kInternal, "the network was not prepared");
    std::vector<std::size_t> last_use(layers.size() + 1, 0);
    for (std::size_t i = 0; i < layers.size(); ++i)
        for (const FloatTerm& term : layers[i].terms) last_use[term.source] = i;

    std::vector<std::vector<double>> values(layers.size() + 1);
    values[0].assign(image.begin(), image.end());
    std::vector<double> x, pooled;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const FloatLayer& layer = layers[i];
        const auto channels = static_cast<std::size_t>(layer.output.channels);
        const std::size_t plane = static_cast<std::size_t>(layer.output.size()) / channels;
        x.resize(channels * plane);
        for (std::size_t o = 0; o < channels; ++o)
            std::fill_n(x.begin() + static_cast<std::ptrdiff_t>(o * plane), plane, layer.bias[o]);
        for (std::size_t t = 0; t < layer.terms.size(); ++t) {
            const FloatTerm& term = layer.terms[t];
            const std::vector<double>* source = &values[term.source];
            if (term.pool) {
                sum_pool(*source, value_shape(term.source), *term.pool, pooled);
                source = &pooled;
            }
            if (term.kind == model::TermKind::kConvolution) {
                prepared_[i][t]->add_to(*source, x);
            } else {
                for (std::size_t o = 0; o < channels; ++o)
                    for (std::size_t p = o * plane; p < (o + 1) * plane; ++p) x[p] += term.weights[o] * (*source)[p];
            }
        }
        if (visit) visit(i, x);
        for (std::size_t v = 0; v <= i; ++v)
            if (last_use[v] == i) std::vector<double>().swap(values[v]);
        if (!layer.activation) continue;
        std::vector<double>& y = values[i + 1];
        y.resize(x.size());
        std::visit(
            [&](const auto& curve) {
                for (std::size_t o = 0; o < channels; ++o)
                    for (std::size_t p = o * plane; p < (o + 1) * plane; ++p) y[p] = value_at(curve, o, x[p]);
            },
            *layer.activation);
    }
    return x;
}

}  // namespace flash::compiler
