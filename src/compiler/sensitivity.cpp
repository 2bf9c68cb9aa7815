#include "compiler/sensitivity.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <random>

#include "base/error.h"

namespace flash::compiler {
namespace {

constexpr int kBlock = 4;

std::size_t size(int value) { return static_cast<std::size_t>(value); }

/// The transposed map of a convolution: from derivatives by its results to those by its operands.
class Transposed {
public:
    Transposed(const FloatTerm& term, const model::Shape& in, const model::Shape& out)
        : term_(term),
          in_(in),
          out_(out) {
        if (single()) return;
        // A convolution without stride over the derivatives, which are laid out as far apart as the stride says, with
        // the mirrored kernel.
        const model::Window& w = term.window;
        stretched_ = {out.channels, in.height + w.reach_h() - 1, in.width + w.reach_w() - 1};
        const std::size_t kernel = size(w.kernel_h) * size(w.kernel_w), groups = size(term.groups);
        const std::size_t group_in = size(in.channels) / groups, group_out = size(out.channels) / groups;
        std::vector<double> mirrored(term.weights.size());
        for (std::size_t o = 0, k = 0; o < size(out.channels); ++o)
            for (std::size_t c = 0; c < group_in; ++c)
                for (std::size_t i = 0; i < kernel; ++i, ++k)
                    mirrored[((o / group_out * group_in + c) * group_out + o % group_out) * kernel + kernel - 1 - i] =
                        term.weights[k];
        model::Window window{w.kernel_h, w.kernel_w};
        window.dilation_h = w.dilation_h;
        window.dilation_w = w.dilation_w;
        convolution_ = std::make_unique<model::Convolution>(mirrored, in.channels, stretched_, window, term.groups);
    }

    void add_to(const std::vector<double>& out, std::vector<double>& in) const {
        const model::Window& w = term_.window;
        if (single()) {
            for_each_tap([&](std::size_t o, std::size_t k, std::size_t i) { in[i] += term_.weights[k] * out[o]; });
            return;
        }
        std::vector<double> stretched(static_cast<std::size_t>(stretched_.size()), 0.0);
        const int top = w.reach_h() - 1 - w.pad_top, left = w.reach_w() - 1 - w.pad_left;
        std::size_t from = 0;
        for (int c = 0; c < out_.channels; ++c)
            for (int y = 0; y < out_.height; ++y)
                for (int x = 0; x < out_.width; ++x, ++from) {
                    const int row = y * w.stride_h + top, column = x * w.stride_w + left;
                    if (row >= 0 && row < stretched_.height && column >= 0 && column < stretched_.width)
                        stretched[(size(c) * size(stretched_.height) + size(row)) * size(stretched_.width) +
                                  size(column)] = out[from];
                }
        convolution_->add_to(stretched, in);
    }

private:
    bool single() const { return out_.height == 1 && out_.width == 1; }

    /// body(output channel, index of the weight, index of the operand) of a convolution with one result per channel.
    template <class Body>
    void for_each_tap(Body&& body) const {
        const model::Window& w = term_.window;
        const std::size_t group_in = size(in_.channels) / size(term_.groups),
                          group_out = size(out_.channels) / size(term_.groups);
        std::size_t k = 0;
        for (std::size_t o = 0; o < size(out_.channels); ++o)
            for (std::size_t c = 0; c < group_in; ++c)
                for (int y = 0; y < w.kernel_h; ++y)
                    for (int x = 0; x < w.kernel_w; ++x, ++k) {
                        const int row = y * w.dilation_h - w.pad_top, column = x * w.dilation_w - w.pad_left;
                        if (row < 0 || row >= in_.height || column < 0 || column >= in_.width) continue;
                        body(o, k,
                             ((o / group_out * group_in + c) * size(in_.height) + size(row)) * size(in_.width) +
                                 size(column));
                    }
    }

    const FloatTerm& term_;
    model::Shape in_, out_, stretched_;
    std::unique_ptr<model::Convolution> convolution_;
};

/// The transposed map of a sum pooling.
void spread_windows(const std::vector<double>& out, const model::Shape& in, const model::Window& window,
                    std::vector<double>& result) {
    const int out_h = window.out_height(in.height), out_w = window.out_width(in.width);
    const model::PoolLevels levels = model::pool_levels(in, window);
    std::size_t from = 0;
    for (int c = 0; c < in.channels; ++c)
        for (int y = 0; y < out_h; ++y)
            for (int x = 0; x < out_w; ++x, ++from) {
                const int top = y * window.stride_h - window.pad_top, left = x * window.stride_w - window.pad_left;
                const double value = out[from] * static_cast<double>(levels.rows[size(y)] * levels.columns[size(x)]);
                for (int sy = std::max(top, 0); sy < std::min(top + window.kernel_h, in.height); ++sy)
                    for (int sx = std::max(left, 0); sx < std::min(left + window.kernel_w, in.width); ++sx)
                        result[(size(c) * size(in.height) + size(sy)) * size(in.width) + size(sx)] += value;
            }
}

/// Derivatives by the places of one channel.
Worth worth_of(const double* derivatives, int height, int width) {
    Worth worth;
    double all = 0;
    for (int top = 0; top < height; top += kBlock)
        for (int left = 0; left < width; left += kBlock) {
            double block = 0;
            for (int y = top; y < std::min(top + kBlock, height); ++y)
                for (int x = left; x < std::min(left + kBlock, width); ++x) {
                    const double d = derivatives[size(y) * size(width) + size(x)];
                    worth.white += d * d;
                    block += d;
                }
            worth.smooth += block * block;
            all += block;
        }
    worth.common = all * all;
    return worth;
}

/// Random signs, less their mean.
std::vector<double> combination(std::size_t classes, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<double> signs(classes);
    double mean = 0;
    for (double& sign : signs) {
        sign = random() % 2 == 0 ? 1 : -1;
        mean += sign / static_cast<double>(classes);
    }
    for (double& sign : signs) sign -= classes > 1 ? mean : 0;
    return signs;
}

}  // namespace

std::vector<std::vector<Worth>> sensitivity(const Network& network, std::span<const std::vector<float>* const> images,
                                            const std::function<void(double)>& progress) {
    require(!images.empty(), ErrorKind::kInternal, "no image to take derivatives on");
    std::vector<std::vector<std::unique_ptr<Transposed>>> transposed;
    std::vector<std::vector<Worth>> total;
    for (const FloatLayer& layer : network.layers) {
        total.emplace_back(size(layer.output.channels));
        auto& terms = transposed.emplace_back();
        for (const FloatTerm& term : layer.terms)
            terms.push_back(term.kind == model::TermKind::kScale
                                ? nullptr
                                : std::make_unique<Transposed>(term, network.pooled_shape(term), layer.output));
    }
    std::mutex mutex;
    std::atomic<std::size_t> done{0};
    tbb::parallel_for(std::size_t{0}, images.size(), [&](std::size_t n) {
        std::vector<std::vector<double>> x(network.layers.size());
        network.evaluate(*images[n], [&](std::size_t layer, const std::vector<double>& values) { x[layer] = values; });
        std::vector<std::vector<double>> by_value(network.layers.size() +
                                                  1);  // derivatives; the input's are not needed
        by_value.back() = combination(x.back().size(), n + 1);
        std::vector<double> pooled;
        for (std::size_t l = network.layers.size(); l-- > 0;) {
            const FloatLayer& layer = network.layers[l];
            std::vector<double> own = std::move(by_value[l + 1]);  // by x
            own.resize(x[l].size(), 0.0);
            const std::size_t channels = total[l].size(), plane = own.size() / channels;
            std::vector<double> output(channels, 0.0);  // sums of squares of the derivatives by y
            if (layer.activation)
                std::visit(
                    [&](const auto& curve) {
                        for (std::size_t c = 0; c < channels; ++c)
                            for (std::size_t p = c * plane; p < (c + 1) * plane; ++p) {
                                output[c] += own[p] * own[p];
                                own[p] *= slope_at(curve, c, x[l][p]);
                            }
                    },
                    *layer.activation);
            std::vector<double>().swap(x[l]);
            {
                const std::lock_guard lock(mutex);
                for (std::size_t c = 0; c < channels; ++c) {
                    const Worth worth = worth_of(&own[c * plane], layer.output.height, layer.output.width);
                    const auto count = static_cast<double>(images.size());
                    total[l][c].white += worth.white / count;
                    total[l][c].smooth += worth.smooth / count;
                    total[l][c].common += worth.common / count;
                    total[l][c].output += output[c] / count;
                }
            }
            for (std::size_t t = 0; t < layer.terms.size(); ++t) {
                const FloatTerm& term = layer.terms[t];
                if (term.source == 0) continue;
                const model::Shape& shape = network.value_shape(term.source);
                std::vector<double>& target = by_value[static_cast<std::size_t>(term.source)];
                target.resize(static_cast<std::size_t>(shape.size()), 0.0);
                std::vector<double>& direct = term.pool ? pooled : target;
                if (term.pool) pooled.assign(static_cast<std::size_t>(network.pooled_shape(term).size()), 0.0);
                if (term.kind == model::TermKind::kConvolution) {
                    transposed[l][t]->add_to(own, direct);
                } else {
                    for (std::size_t p = 0; p < own.size(); ++p) direct[p] += term.weights[p / plane] * own[p];
                }
                if (term.pool) spread_windows(pooled, shape, *term.pool, target);
            }
        }
        if (progress) progress(static_cast<double>(++done) / static_cast<double>(images.size()));
    });
    return total;
}

}  // namespace flash::compiler
