#include "compiler/linear.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace flash::compiler {
namespace {

using model::Shape;
using model::TermKind;
using model::Window;

constexpr std::size_t kMaxWeights = std::size_t{1} << 29;  // of one term; far beyond any network that is practical here

std::size_t size(int value) { return static_cast<std::size_t>(value); }

[[noreturn]] void refuse(const std::string& node, const std::string& why) {
    throw Error(ErrorKind::kUnsupported, fmt::format("node {}: {}", node, why));
}

std::size_t kernel_size(const Window& w) { return size(w.kernel_h) * size(w.kernel_w); }

/// What a window makes of a map; the reader has checked that it fits.
Shape output_shape(const Shape& in, int channels, const Window& window) {
    return {channels, window.out_height(in.height), window.out_width(in.width)};
}

void check_weights(std::size_t out, std::size_t in, const Window& window, const std::string& node) {
    if (window.reach_h() > model::kMaxExtent || window.reach_w() > model::kMaxExtent ||
        in * kernel_size(window) > static_cast<std::size_t>(model::kMaxInnerDimension) ||
        out * in * kernel_size(window) > kMaxWeights)
        refuse(node, "its linear map has more weights than Flash allows");
}

/// A convolution of single pixels: the same before and after a pooling.
bool single_pixels(const FloatTerm& term) {
    return term.kind == TermKind::kConvolution && !term.pool && term.window == Window{};
}

/// Padding adds zeros around the expression's result; that is only a linear map of the values where the result itself
/// carries no bias and is a value or a mixture of channels, not a convolution over several pixels.
void check_padding(const Linear& expression, const Window& window, const std::string& node, bool pooling) {
    if (!window.padded()) return;
    const char* what = pooling ? "pooling" : "convolution";
    for (const FloatTerm& term : expression.terms)
        if (term.kind == TermKind::kConvolution && !(pooling ? single_pixels(term) : term.window == Window{}))
            refuse(
                node,
                fmt::format(
                    "two linear layers without an activation between them: the zero padding of this {} applies to the "
                    "result of "
                    "{}, so the two do not fold into one. Put the activation x*x + x between them, or drop the padding",
                    what, expression.name));
    for (double b : expression.bias)
        if (b != 0)
            refuse(node, fmt::format("the zero padding of this {} follows a constant added to {} without an activation "
                                     "between them; near the "
                                     "border the two do not fold into one. Move the constant (for the input: into the "
                                     "image normalisation of "
                                     "the \"flash.input\" metadata), or drop the padding",
                                     what, expression.name.empty() ? "the input" : expression.name));
}

/// Weights of a convolution term and where they lie.
struct Kernel {
    std::size_t group_outputs, group_inputs, positions;
    Kernel(const FloatTerm& term, std::size_t outputs)
        : group_outputs(outputs / size(term.groups)),
          group_inputs(term.weights.size() / (outputs * kernel_size(term.window))),
          positions(kernel_size(term.window)) {}
    std::size_t inputs(int groups) const { return group_inputs * size(groups); }
};

/// The same term without groups: zeros stand for what a group does not read.
FloatTerm dense(const FloatTerm& term, std::size_t outputs, const std::string& node) {
    if (term.kind != TermKind::kConvolution || term.groups == 1) return term;
    const Kernel from(term, outputs);
    check_weights(outputs, from.inputs(term.groups), term.window, node);
    FloatTerm result = term;
    result.groups = 1;
    result.weights.assign(outputs * from.inputs(term.groups) * from.positions, 0.0);
    for (std::size_t o = 0; o < outputs; ++o)
        std::copy_n(&term.weights[o * from.group_inputs * from.positions], from.group_inputs * from.positions,
                    &result.weights[(o * from.inputs(term.groups) + o / from.group_outputs * from.group_inputs) *
                                    from.positions]);
    return result;
}

/// Window of `second` applied to the result of `first`; second has no padding, unless first is a single pixel. Unless
/// one of them is a single pixel, the gaps of dilated kernels are filled with zeros.
Window compose(const Window& first, const Window& second, const std::string& node) {
    if (std::max(std::int64_t{first.stride_h} * second.stride_h, std::int64_t{first.stride_w} * second.stride_w) >
        model::kMaxExtent)
        refuse(node,
               fmt::format("its stride and that of the layer below come to more than {} pixels", model::kMaxExtent));
    Window w = first;
    if (first == Window{}) {
        w.pad_top = second.pad_top;
        w.pad_left = second.pad_left;
        w.pad_bottom = second.pad_bottom;
        w.pad_right = second.pad_right;
    }
    w.stride_h = first.stride_h * second.stride_h;
    w.stride_w = first.stride_w * second.stride_w;
    const auto extent = [](int kernel1, int stride1, int dilation1, int kernel2, int dilation2, int& kernel,
                           int& dilation) {
        dilation = kernel2 == 1 ? dilation1 : kernel1 == 1 ? dilation2 * stride1 : 1;
        kernel = ((kernel1 - 1) * dilation1 + (kernel2 - 1) * dilation2 * stride1) / dilation + 1;
    };
    extent(first.kernel_h, first.stride_h, first.dilation_h, second.kernel_h, second.dilation_h, w.kernel_h,
           w.dilation_h);
    extent(first.kernel_w, first.stride_w, first.dilation_w, second.kernel_w, second.dilation_w, w.kernel_w,
           w.dilation_w);
    return w;
}

/// target[a + stride * b] += factor * source[a] for one pair of channels: `b` is a position of the second kernel.
void add_shifted(const double* source, const Window& first, const Window& second, int by, int bx, double factor,
                 double* target, const Window& composed) {
    for (int y = 0; y < first.kernel_h; ++y) {
        double* row =
            target + size((y * first.dilation_h + by * second.dilation_h * first.stride_h) / composed.dilation_h) *
                         size(composed.kernel_w);
        for (int x = 0; x < first.kernel_w; ++x)
            row[(x * first.dilation_w + bx * second.dilation_w * first.stride_w) / composed.dilation_w] +=
                factor * source[y * first.kernel_w + x];
    }
}

/// A convolution on top of a term with `middle` channels. The result has groups where the term only scales, or both
/// have them alike.
FloatTerm convolve_term(const FloatTerm& below, std::size_t middle, const std::vector<double>& weights, std::size_t out,
                        const Window& window, int groups, const std::string& node) {
    const std::size_t kernel = kernel_size(window), group_middle = middle / size(groups),
                      group_out = out / size(groups);
    FloatTerm result{below.source, below.pool, TermKind::kConvolution, window, {}, groups};
    if (below.kind == TermKind::kScale) {
        result.weights.resize(weights.size());
        for (std::size_t o = 0, k = 0; o < out; ++o)
            for (std::size_t c = 0; c < group_middle; ++c)
                for (std::size_t i = 0; i < kernel; ++i, ++k)
                    result.weights[k] = weights[k] * below.weights[o / group_out * group_middle + c];
        return result;
    }
    const FloatTerm term = below.groups == groups ? below : dense(below, middle, node);
    const bool grouped = term.groups == groups;
    result.groups = grouped ? groups : 1;
    result.window = compose(term.window, window, node);
    const std::size_t first_kernel = kernel_size(term.window), composed_kernel = kernel_size(result.window);
    const std::size_t in = Kernel(term, middle).group_inputs;
    check_weights(out, in, result.window, node);
    result.weights.assign(out * in * composed_kernel, 0.0);
    for (std::size_t o = 0; o < out; ++o)
        for (std::size_t c = 0; c < group_middle; ++c)
            for (int by = 0; by < window.kernel_h; ++by)
                for (int bx = 0; bx < window.kernel_w; ++bx) {
                    const double factor =
                        weights[((o * group_middle + c) * size(window.kernel_h) + size(by)) * size(window.kernel_w) +
                                size(bx)];
                    if (factor == 0) continue;
                    const double* source = &term.weights[(o / group_out * group_middle + c) * in * first_kernel];
                    double* target = &result.weights[o * in * composed_kernel];
                    if (composed_kernel == 1) {
                        for (std::size_t i = 0; i < in; ++i) target[i] += factor * source[i];
                        continue;
                    }
                    for (std::size_t i = 0; i < in; ++i)
                        add_shifted(source + i * first_kernel, term.window, window, by, bx, factor,
                                    target + i * composed_kernel, result.window);
                }
    return result;
}

FloatTerm pool_term(const FloatTerm& term, const Shape& shape, const Window& window, const std::string& node) {
    const std::size_t channels = size(shape.channels);
    const double share =
        1.0 / static_cast<double>(window.level ? static_cast<std::size_t>(model::pool_levels(shape, window).unit)
                                               : kernel_size(window));
    FloatTerm result = term;
    if (window.level && (term.pool || (term.kind == TermKind::kConvolution && !single_pixels(term))))
        refuse(node,
               "it averages over fewer pixels near the border, of a result that is no activation. Put the activation "
               "x*x + x in front of it, or "
               "export it with count_include_pad=True and ceil_mode=False");
    if (term.kind == TermKind::kConvolution && !single_pixels(term)) {
        result.window = compose(term.window, window, node);
        const std::size_t first_kernel = kernel_size(term.window), composed_kernel = kernel_size(result.window);
        const std::size_t pairs = term.weights.size() / first_kernel;
        check_weights(channels, pairs / channels, result.window, node);
        result.weights.assign(pairs * composed_kernel, 0.0);
        for (std::size_t p = 0; p < pairs; ++p)
            for (int by = 0; by < window.kernel_h; ++by)
                for (int bx = 0; bx < window.kernel_w; ++bx)
                    add_shifted(&term.weights[p * first_kernel], term.window, window, by, bx, share,
                                &result.weights[p * composed_kernel], result.window);
        return result;
    }
    const bool tiles = term.pool && !window.padded() && !term.pool->level &&
                       term.pool->kernel_h == term.pool->stride_h && term.pool->kernel_w == term.pool->stride_w;
    if (!term.pool || tiles) {
        result.pool = term.pool ? compose(*term.pool, window, node) : window;
        for (double& w : result.weights) w *= share;
        return result;
    }
    // A pooling of overlapping windows: a convolution that stays within each channel.
    const std::size_t kernel = kernel_size(window);
    result.kind = TermKind::kConvolution;
    result.window = window;
    result.groups = static_cast<int>(channels);
    result.weights.clear();
    for (std::size_t c = 0; c < channels; ++c)
        result.weights.insert(result.weights.end(), kernel, share * term.weights[c]);
    return result;
}

void merge(std::vector<FloatTerm>& terms) {
    std::vector<FloatTerm> merged;
    for (FloatTerm& term : terms) {
        const auto same = std::ranges::find_if(merged, [&](const FloatTerm& other) {
            return other.source == term.source && other.pool == term.pool && other.kind == term.kind &&
                   other.window == term.window && other.groups == term.groups;
        });
        if (same == merged.end()) {
            merged.push_back(std::move(term));
        } else {
            for (std::size_t i = 0; i < term.weights.size(); ++i) same->weights[i] += term.weights[i];
        }
    }
    terms = std::move(merged);
}

}  // namespace

bool padded(const Window& w) { return w.pad_top != 0 || w.pad_left != 0 || w.pad_bottom != 0 || w.pad_right != 0; }

Linear identity(int value, const Shape& shape) {
    return {"",
            shape,
            {{value, {}, TermKind::kScale, {}, std::vector<double>(size(shape.channels), 1.0)}},
            std::vector<double>(size(shape.channels), 0.0)};
}

void scale_channels(Linear& expression, std::span<const double> scale, std::span<const double> shift) {
    const std::size_t channels = size(expression.shape.channels);
    for (FloatTerm& term : expression.terms) {
        const std::size_t per_channel = term.weights.size() / channels;
        for (std::size_t i = 0; i < term.weights.size(); ++i) term.weights[i] *= scale[i / per_channel];
    }
    for (std::size_t c = 0; c < channels; ++c) expression.bias[c] = expression.bias[c] * scale[c] + shift[c];
}

Linear add(Linear left, Linear right, double sign) {
    for (FloatTerm& term : right.terms) {
        for (double& w : term.weights) w *= sign;
        left.terms.push_back(std::move(term));
    }
    for (std::size_t c = 0; c < left.bias.size(); ++c) left.bias[c] += sign * right.bias[c];
    merge(left.terms);
    return left;
}

Linear convolve(const Linear& expression, const std::vector<double>& weights, int out_channels, const Window& window,
                const std::vector<double>& bias, const std::string& node, int groups) {
    check_padding(expression, window, node, false);
    const std::size_t middle = size(expression.shape.channels), out = size(out_channels), kernel = kernel_size(window);
    const std::size_t group_middle = middle / size(groups), group_out = out / size(groups);
    Linear result{node, output_shape(expression.shape, out_channels, window), {}, bias};
    check_weights(out, group_middle, window, node);
    for (const FloatTerm& term : expression.terms)
        result.terms.push_back(convolve_term(term, middle, weights, out, window, groups, node));
    for (std::size_t o = 0; o < out; ++o)
        for (std::size_t c = 0; c < group_middle; ++c)
            for (std::size_t i = 0; i < kernel; ++i)
                result.bias[o] +=
                    weights[(o * group_middle + c) * kernel + i] * expression.bias[o / group_out * group_middle + c];
    merge(result.terms);
    return result;
}

Linear embed(const Linear& expression, int first, int channels) {
    const std::size_t from = size(expression.shape.channels), to = size(channels), offset = size(first);
    Linear result{
        expression.name, {channels, expression.shape.height, expression.shape.width}, {}, std::vector<double>(to, 0.0)};
    std::ranges::copy(expression.bias, result.bias.begin() + first);
    for (const FloatTerm& term : expression.terms) {
        FloatTerm wide = dense(term, from, expression.name);
        if (term.kind == TermKind::kScale) {
            wide.kind = TermKind::kConvolution;
            wide.weights.assign(to * from, 0.0);
            for (std::size_t c = 0; c < from; ++c) wide.weights[(offset + c) * from + c] = term.weights[c];
        } else {
            const std::size_t per_output = wide.weights.size() / from;
            check_weights(to, per_output / kernel_size(wide.window), wide.window, expression.name);
            std::vector<double> weights(to * per_output, 0.0);
            std::ranges::copy(wide.weights, weights.begin() + static_cast<std::ptrdiff_t>(offset * per_output));
            wide.weights = std::move(weights);
        }
        result.terms.push_back(std::move(wide));
    }
    return result;
}

Linear average_pool(const Linear& expression, const Window& window, const std::string& node) {
    check_padding(expression, window, node, true);
    Linear result{expression.name.empty() ? node : expression.name,
                  output_shape(expression.shape, expression.shape.channels, window),
                  {},
                  expression.bias};
    if (kernel_size(window) == 1 && window.stride_h == 1 && window.stride_w == 1 && !window.padded()) return expression;
    for (const FloatTerm& term : expression.terms)
        result.terms.push_back(pool_term(term, expression.shape, window, node));
    merge(result.terms);
    return result;
}

}  // namespace flash::compiler
