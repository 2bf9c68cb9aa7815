#include "comparison/layer_shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <random>

#include "base/error.h"
#include "packing/choose_packing.h"

namespace flash::comparison {

namespace {

/// Takes the shape's text apart from left to right.
class Reader {
public:
    explicit Reader(std::string_view text) : text_(text), rest_(text) {}

    int number(const char* what, int least) {
        int value = 0;
        const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
        if (error != std::errc{} || value < least || value > model::kMaxExtent)
            fail(fmt::format("{} must be a number of {} to {}", what, least, model::kMaxExtent));
        rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
        return value;
    }
    bool take(char c) {
        if (!rest_.starts_with(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    void expect(char c, const char* after) {
        if (!take(c)) fail(fmt::format("'{}' must follow {}", c, after));
    }
    void end() {
        if (!rest_.empty()) fail(fmt::format("nothing can follow '{}'", text_.substr(0, text_.size() - rest_.size())));
    }
    [[noreturn]] void fail(const std::string& why) const {
        throw Error(ErrorKind::kInvalidArgument,
                    fmt::format("layer '{}': {}; a layer is written like 64x56x56-64-3x3s1", text_, why));
    }

private:
    std::string_view text_, rest_;
};

}  // namespace

LayerShape parse_layer_shape(std::string_view text) {
    Reader reader(text);
    LayerShape shape;
    shape.input.channels = reader.number("the channels", 1);
    reader.expect('x', "the channels");
    shape.input.height = reader.number("the height", 1);
    reader.expect('x', "the height");
    shape.input.width = reader.number("the width", 1);
    reader.expect('-', "the map");
    shape.outputs = reader.number("the outputs", 1);
    reader.expect('-', "the outputs");
    model::Window& window = shape.window;
    window.kernel_h = reader.number("the kernel's height", 1);
    reader.expect('x', "the kernel's height");
    window.kernel_w = reader.number("the kernel's width", 1);
    if (reader.take('s')) window.stride_h = window.stride_w = reader.number("the stride", 1);
    window.pad_top = window.pad_bottom = (window.kernel_h - 1) / 2;
    window.pad_left = window.pad_right = (window.kernel_w - 1) / 2;
    if (reader.take('p'))
        window.pad_top = window.pad_bottom = window.pad_left = window.pad_right = reader.number("the padding", 0);
    reader.end();
    const model::Shape output = shape.output();
    if (output.height < 1 || output.width < 1) reader.fail("the kernel is larger than the padded map");
    return shape;
}

std::string LayerShape::text() const {
    std::string padding;
    if (window.pad_top != (window.kernel_h - 1) / 2 || window.pad_left != (window.kernel_w - 1) / 2)
        padding = fmt::format("p{}", window.pad_top);
    return fmt::format("{}x{}x{}-{}-{}x{}s{}{}", input.channels, input.height, input.width, outputs, window.kernel_h,
                       window.kernel_w, window.stride_h, padding);
}

const std::vector<std::string>& default_layer_shapes() {
    static const std::vector<std::string> shapes{"3x224x224-64-7x7s2",  "64x56x56-64-3x3s1", "128x28x28-128-3x3s1",
                                                 "256x14x14-256-3x3s1", "512x7x7-512-3x3s1", "16x32x32-16-3x3s1",
                                                 "32x16x16-32-3x3s1",   "64x8x8-64-3x3s1"};
    return shapes;
}

model::Model one_layer_model(const LayerShape& shape, std::uint64_t seed, int degree) {
    model::Model model;
    model::Architecture& architecture = model.architecture;
    architecture.name = shape.text();
    architecture.slots = {8192, 2};
    architecture.plain_bits = 24;
    // Where keys have levels, the input of a network is uploaded in the large ring only.
    architecture.trust_server = degree != 0 && degree != model::kDefaultDegree;
    architecture.input = shape.input;
    architecture.input_scale = 0.01;
    architecture.input_limit = 500;
    architecture.output_scale = 1;
    architecture.preprocessing.crop_height = shape.input.height;
    architecture.preprocessing.crop_width = shape.input.width;

    model::Layer layer;
    layer.name = shape.text();
    model::Term term;
    term.window = shape.window;
    layer.terms.push_back(term);
    layer.output = shape.output();
    layer.share_bits = 9;
    layer.activation = false;
    architecture.layers.push_back(layer);

    std::mt19937_64 random(seed);
    const auto draw = [&](int limit) { return std::uniform_int_distribution<int>(-limit, limit)(random); };
    model::LayerWeights weights;
    weights.terms.resize(1);
    auto& filter = weights.terms.front().weights;
    filter.resize(static_cast<std::size_t>(shape.outputs) * static_cast<std::size_t>(shape.input.channels) *
                  static_cast<std::size_t>(shape.window.kernel_h) * static_cast<std::size_t>(shape.window.kernel_w));
    // As large as a compiled model's: T limits the sum of the products, so weights shrink where there are many.
    const double fan_in = static_cast<double>(filter.size()) / shape.outputs;
    const int amplitude = std::max(1, static_cast<int>(127 * std::min(1.0, std::sqrt(576 / fan_in))));
    for (std::int8_t& w : filter) w = static_cast<std::int8_t>(draw(amplitude));
    for (int c = 0; c < shape.outputs; ++c) weights.bias.push_back(draw(1000));
    weights.x_scale.assign(static_cast<std::size_t>(shape.outputs), 1.0);
    model.weights.layers.push_back(std::move(weights));
    model.weights.salt.assign(32, 1);
    model.architecture.layers.front().packing.degree = degree;
    packing::choose_packing(model.architecture, model.weights);  // and the bits of the uploads
    model::validate(model);
    return model;
}

}  // namespace flash::comparison
