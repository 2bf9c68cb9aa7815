#include "model/architecture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "model/names.h"
#include "model/sine.h"

namespace flash::model {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorKind::kProtocol, "model architecture: " + what); }

void check(bool condition, const std::string& what) {
    if (!condition) refuse(what);
}

void check_text(const std::string& name, const std::string& what) {
    const std::string fault = fault_of_name(name);
    check(fault.empty(), what + ": " + fault);
}

int window_extent(int extent, int pad_before, int pad_after, int reach, int stride) {
    const int room = extent + pad_before + pad_after - reach;
    return room < 0 || stride < 1 ? 0 : room / stride + 1;
}

bool in_range(std::int64_t value, std::int64_t low, std::int64_t high) { return low <= value && value <= high; }

bool positive(double value) { return std::isfinite(value) && value > 0; }

void check_plain_bits(const Architecture& architecture, int plain_bits, const std::string& what) {
    const SlotChoice& slots = architecture.slots;
    check(std::ranges::count(kSlotDegrees, slots.degree) == 1,
          fmt::format("{}: slots of degree {}, known are 4096, 8192 and 16384", what, slots.degree));
    check(in_range(slots.moduli, 1, kMaxSlotModuli),
          fmt::format("{}: {} values in a slot, allowed are 1 to {}", what, slots.moduli, kMaxSlotModuli));
    check(in_range(plain_bits, kMinPlainBits, kMaxPlainBits),
          fmt::format("{}: moduli of {} bits, allowed are {} to {}", what, plain_bits, kMinPlainBits, kMaxPlainBits));
    check(has_plain_moduli(slots, plain_bits),
          fmt::format("{}: there are no {} suitable primes of {} bits for slots of degree {}", what, slots.moduli,
                      plain_bits, slots.degree));
}

void check_shape(const Shape& shape, const std::string& what) {
    check(in_range(shape.channels, 1, kMaxChannels),
          fmt::format("{}: {} channels, allowed are 1 to {}", what, shape.channels, kMaxChannels));
    check(
        in_range(shape.height, 1, kMaxExtent) && in_range(shape.width, 1, kMaxExtent),
        fmt::format("{}: a {} x {} map, allowed are extents of 1 to {}", what, shape.height, shape.width, kMaxExtent));
    check(shape.size() <= kMaxMapValues,
          fmt::format("{}: {} values, allowed are {}", what, shape.size(), kMaxMapValues));
}

void check_window(const Window& window, const std::string& what) {
    for (int kernel : {window.kernel_h, window.kernel_w})
        check(in_range(kernel, 1, kMaxExtent),
              fmt::format("{}: kernel extent {}, allowed are 1 to {}", what, kernel, kMaxExtent));
    for (int dilation : {window.dilation_h, window.dilation_w})
        check(in_range(dilation, 1, kMaxExtent),
              fmt::format("{}: dilation {}, allowed are 1 to {}", what, dilation, kMaxExtent));
    for (int reach : {window.reach_h(), window.reach_w()})
        check(reach <= kMaxExtent,
              fmt::format("{}: a kernel that reaches over {} pixels, allowed are {}", what, reach, kMaxExtent));
    for (int stride : {window.stride_h, window.stride_w})
        check(in_range(stride, 1, kMaxExtent),
              fmt::format("{}: stride {}, allowed are 1 to {}", what, stride, kMaxExtent));
    for (int pad : {window.pad_top, window.pad_left, window.pad_bottom, window.pad_right})
        check(in_range(pad, 0, kMaxExtent), fmt::format("{}: padding {}, allowed are 0 to {}", what, pad, kMaxExtent));
}

void check_term(const Architecture& architecture, const Layer& layer, const Term& term, int index,
                const std::string& what) {
    check(in_range(term.source, 0, index),
          fmt::format("{}: reads value {}, which does not exist before it", what, term.source));
    if (term.pool) {
        check_window(*term.pool, what + ", pooling");
        check(term.pool->dilation_h == 1 && term.pool->dilation_w == 1, what + ", pooling: it has no dilation");
        check_shape(architecture.pooled_shape(term), what + ", pooled source");
        pool_levels(architecture.value_shape(term.source), *term.pool);
    }
    const Shape pooled = architecture.pooled_shape(term);
    check_window(term.window, what);
    check(!term.window.level, what + ": only a pooling can be level");
    if (term.kind == TermKind::kScale) {
        check(term.window == Window{}, what + ": a per-channel scale has no window");
        check(pooled == layer.output, what + ": a per-channel scale must keep the shape of its source");
        check(term.groups == 1, what + ": a per-channel scale has no groups");
        return;
    }
    check(term.kind == TermKind::kConvolution, what + ": unknown kind");
    check(term.groups >= 1 && pooled.channels % term.groups == 0 && layer.output.channels % term.groups == 0,
          fmt::format("{}: {} groups do not divide its channels", what, term.groups));
    check(architecture.fan_in(term) <= kMaxInnerDimension,
          fmt::format("{}: more than {} weights per output channel", what, kMaxInnerDimension));
    check(term.window.out_height(pooled.height) == layer.output.height &&
              term.window.out_width(pooled.width) == layer.output.width,
          what + ": the window does not lead from the source's shape to the output's");
}

void check_curve(const Architecture& architecture, const Layer& layer, int index, const std::string& what) {
    if (layer.curve == Curve::kSquare) {
        check(layer.amplitude == 0, what + ": a square has no amplitude");
        return;
    }
    check(layer.curve == Curve::kSine && layer.activation, what + ": an unknown activation");
    check(std::ranges::count(kAmplitudes, layer.amplitude) == 1,
          fmt::format("{}: the amplitude of its sine is not one that this program knows", what));
    // With an offset below T/4 in size, Y stays below T/2.
    const std::int64_t largest = std::int64_t{layer.amplitude} * (layer.amplitude + 2),
                       least = plain_moduli(architecture.slots, architecture.plain_bits_of(index + 1)).back();
    check(largest <= least / 4, fmt::format("{}: its sine does not fit its plaintext moduli", what));
}

void check_preprocessing(const Architecture& architecture) {
    const Preprocessing& p = architecture.preprocessing;
    check(in_range(p.resize, 0, kMaxPictureExtent), "preprocessing: the size to resize to is out of range");
    const bool no_crop = p.crop_height == 0 && p.crop_width == 0;
    check(no_crop || (p.crop_height == architecture.input.height && p.crop_width == architecture.input.width),
          "preprocessing: the crop is not the input's size");
    const auto channels = static_cast<std::size_t>(architecture.input.channels);
    check(p.mean.empty() || p.mean.size() == channels, "preprocessing: there must be one mean per input channel");
    check(p.std.empty() || p.std.size() == channels, "preprocessing: there must be one std per input channel");
    for (float mean : p.mean) check(std::isfinite(mean), "preprocessing: a mean is not finite");
    for (float std : p.std) check(positive(std), "preprocessing: a std is not a positive number");
}

}  // namespace

int Window::out_height(int height) const { return window_extent(height, pad_top, pad_bottom, reach_h(), stride_h); }
int Window::out_width(int width) const { return window_extent(width, pad_left, pad_right, reach_w(), stride_w); }

PoolLevels pool_levels(const Shape& shape, const Window& window) {
    const auto axis = [&](int extent, int pad, int kernel, int stride, int outputs,
                          std::vector<std::int64_t>& factors) {
        std::int64_t unit = 1;
        for (int at = 0; at < outputs; ++at) {
            const int first = at * stride - pad;
            factors.push_back(window.level ? std::min(first + kernel, extent) - std::max(first, 0) : 1);
            check(factors.back() >= 1, "a level pooling has a window without a pixel");
            unit = std::lcm(unit, factors.back());
            check(unit <= kMaxPoolLevel, "a level pooling has windows of too many sizes");
        }
        for (std::int64_t& factor : factors) factor = unit / factor;
        return unit;
    };
    PoolLevels levels;
    levels.unit = axis(shape.height, window.pad_top, window.kernel_h, window.stride_h, window.out_height(shape.height),
                       levels.rows) *
                  axis(shape.width, window.pad_left, window.kernel_w, window.stride_w, window.out_width(shape.width),
                       levels.columns);
    check(levels.unit <= kMaxPoolLevel, "a level pooling has windows of too many sizes");
    return levels;
}

const Shape& Architecture::value_shape(int value) const { return value == 0 ? input : layers.at(value - 1).output; }

Shape Architecture::pooled_shape(const Term& term) const {
    Shape shape = value_shape(term.source);
    if (term.pool) {
        shape.height = term.pool->out_height(shape.height);
        shape.width = term.pool->out_width(shape.width);
    }
    return shape;
}

std::int64_t Architecture::fan_in(const Term& term) const {
    return std::int64_t{pooled_shape(term).channels} / term.groups * term.window.kernel_h * term.window.kernel_w;
}

int Architecture::upload_bits(int value) const {
    return value == 0 ? input_upload_bits : layers[static_cast<std::size_t>(value) - 1].upload_bits;
}

int Architecture::plain_bits_of(int value) const {
    const int own = value == 0 ? 0 : layers[static_cast<std::size_t>(value) - 1].plain_bits;
    return own != 0 ? own : plain_bits;
}

std::uint32_t Architecture::plain_modulus(int value, int channel) const {
    return plain_moduli(slots, plain_bits_of(value))[channel_group(value, channel, slots.moduli)];
}

std::vector<std::uint32_t> Architecture::channel_moduli(int value) const {
    const std::span<const std::uint32_t> moduli = plain_moduli(slots, plain_bits_of(value));
    const int channels = value_shape(value).channels;
    std::vector<std::uint32_t> result;
    result.reserve(static_cast<std::size_t>(channels));
    for (int c = 0; c < channels; ++c) result.push_back(moduli[channel_group(value, c, slots.moduli)]);
    return result;
}

std::vector<std::uint32_t> Architecture::layer_moduli(int layer) const {
    std::vector<std::uint32_t> result;
    for (const Term& term : layers[layer].terms)
        for (std::uint32_t modulus : plain_moduli(slots, plain_bits_of(term.source)))
            if (std::ranges::count(result, modulus) == 0) result.push_back(modulus);
    return result;
}

std::uint32_t Architecture::bias_modulus(int layer) const {
    return plain_moduli(slots, plain_bits_of(layers[layer].terms.front().source)).front();
}

std::int64_t Architecture::activation_values() const {
    std::int64_t values = 0;
    for (const Layer& layer : layers)
        if (layer.activation) values += layer.output.size();
    return values;
}

void validate(const Architecture& architecture) {
    check_text(architecture.name, "the name");
    check_plain_bits(architecture, architecture.plain_bits, "the plaintext moduli");
    check_shape(architecture.input, "input");
    check(positive(architecture.input_scale), "the input scale is not a positive number");
    check(in_range(architecture.input_limit, 1, plain_moduli(architecture.slots, architecture.plain_bits).back() / 4),
          "the input limit is not within 1 .. T/4");
    check(in_range(architecture.input_upload_bits, kMinUploadBits, kMaxUploadBits),
          "the width of the input's uploads is out of range");
    check(positive(architecture.output_scale), "the output scale is not a positive number");
    check_preprocessing(architecture);

    const auto layers = static_cast<int>(std::min(architecture.layers.size(), std::size_t{kMaxLayers} + 1));
    check(in_range(layers, 1, kMaxLayers), fmt::format("there must be 1 to {} layers", kMaxLayers));
    for (int index = 0; index < layers; ++index) {
        const Layer& layer = architecture.layers[index];
        check_text(layer.name, fmt::format("the name of layer {}", index));
        const std::string what = fmt::format("layer {} ({})", index, layer.name);
        check_shape(layer.output, what);
        check(in_range(layer.share_bits, kMinShareBits, kMaxShareBits),
              fmt::format("{}: {} share bits, allowed are {} to {}", what, layer.share_bits, kMinShareBits,
                          kMaxShareBits));
        check(layer.activation == (index + 1 < layers),
              what + ": every layer but the last, and only those, has an activation");
        check(in_range(layer.packing.channels_per_input, 0, kMaxChannels), what + ": the packing is out of range");
        check(layer.packing.degree == 0 || std::ranges::count(kDegrees, layer.packing.degree) == 1,
              fmt::format("{}: there is no ring of degree {}", what, layer.packing.degree));
        check(in_range(layer.upload_bits, kMinUploadBits, kMaxUploadBits),
              what + ": the width of its uploads is out of range");
        check(layer.plain_bits == 0 || layer.activation, what + ": a result has no plaintext moduli");
        if (layer.plain_bits != 0) check_plain_bits(architecture, layer.plain_bits, what);
        check_curve(architecture, layer, index, what);
        check(in_range(static_cast<std::int64_t>(layer.terms.size()), 1, kMaxTerms),
              fmt::format("{}: there must be 1 to {} terms", what, kMaxTerms));
        for (const Term& term : layer.terms) check_term(architecture, layer, term, index, what);
    }
    check(
        architecture.classes.empty() ||
            static_cast<std::int64_t>(architecture.classes.size()) == architecture.output_shape().size(),
        fmt::format("{} class names for {} outputs", architecture.classes.size(), architecture.output_shape().size()));
    for (const std::string& name : architecture.classes) check_text(name, "a class name");
}

std::vector<int> value_depths(const Architecture& architecture) {
    std::vector<int> depths{0};
    for (const Layer& layer : architecture.layers) {
        int deepest = 0;
        for (const Term& term : layer.terms) deepest = std::max(deepest, depths[term.source]);
        depths.push_back(deepest + 1);
    }
    return depths;
}

}  // namespace flash::model
