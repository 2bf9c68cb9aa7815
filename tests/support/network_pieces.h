// The pieces that random networks are made of, written as exporters write them: convolutions, batch norms, activations
// in many spellings, pools and fully connected layers, each with random sizes and numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "support/onnx_writer.h"
#include "support/random_network.h"

namespace flash::testing {

/// A tensor [N, C, H, W] of the graph.
struct Map {
    std::string name;
    model::Shape shape;
};

class NetworkPieces {
public:
    NetworkPieces(std::uint64_t seed, const RandomNetworkOptions& options)
        : random_(seed * 0x9e3779b97f4a7c15u + 1),
          options_(options),
          input_{range(1, 4), range(5, options.max_extent), range(5, options.max_extent)},
          writer_({chance(2) ? -1 : 1, input_.channels, input_.height, input_.width}, range(11, 17)) {
        wide_ = chance(6);
        deep_ = chance(2) || options.family != NetworkFamily::kAny;
    }

protected:
    using Shape = model::Shape;
    using Values = std::vector<double>;
    using I = std::int64_t;

    int range(int low, int high) { return std::uniform_int_distribution<int>(low, std::max(low, high))(random_); }
    bool chance(int one_in) { return range(1, one_in) == 1; }
    double normal() { return std::normal_distribution<double>()(random_); }
    double uniform(double low, double high) { return std::uniform_real_distribution<double>(low, high)(random_); }
    int random_channels() {
        if (wide_) {
            wide_ = false;
            return range(options_.max_channels, options_.wide_channels);
        }
        return chance(3) ? range(1, options_.max_channels) : range(1, std::min(12, options_.max_channels));
    }

    std::string weights(const std::vector<I>& dims, std::size_t outputs) {
        std::size_t count = 1;
        for (I d : dims) count *= static_cast<std::size_t>(d);
        Values w(count);
        const std::size_t per = count / outputs;
        const double scale = 1 / std::sqrt(static_cast<double>(per));
        for (double& value : w) value = scale * normal();
        if (outputs > 1 && chance(4)) {  // an all-zero filter
            const std::size_t dead = static_cast<std::size_t>(range(0, static_cast<int>(outputs) - 1));
            std::fill_n(w.begin() + static_cast<std::ptrdiff_t>(dead * per), per, 0.0);
        }
        return writer_.floats(dims, w, !chance(3));
    }

    Map convolve(const Map& in, int channels, bool strided) {
        const int kh = range(1, std::min(7, in.shape.height)),
                  kw = chance(2) ? std::min(kh, in.shape.width) : range(1, std::min(7, in.shape.width));
        model::Window w{kh, kw, 1, 1, range(0, kh / 2), range(0, kw / 2), range(0, kh / 2), range(0, kw / 2)};
        if (strided && chance(2)) {
            w.stride_h = range(1, 3);
            w.stride_w = chance(2) ? w.stride_h : range(1, 3);
        }
        return convolve(in, channels, w);
    }

    Map convolve_same(const Map& in, int channels) {
        const int k = 1 + 2 * range(0, 1);
        return convolve(in, channels, model::Window{k, k, 1, 1, k / 2, k / 2, k / 2, k / 2});
    }

    Map convolve(const Map& in, int channels, const model::Window& w, int groups = 1) {
        const Shape out{channels, w.out_height(in.shape.height), w.out_width(in.shape.width)};
        std::vector<std::string> inputs{in.name, weights({channels, in.shape.channels / groups, w.kernel_h, w.kernel_w},
                                                         static_cast<std::size_t>(channels))};
        if (chance(3)) inputs.push_back(vector(channels, 0.3));
        return {writer_.node("Conv", inputs,
                             {{"dilations", std::vector<I>{w.dilation_h, w.dilation_w}},
                              {"group", groups},
                              {"kernel_shape", std::vector<I>{w.kernel_h, w.kernel_w}},
                              {"pads", std::vector<I>{w.pad_top, w.pad_left, w.pad_bottom, w.pad_right}},
                              {"strides", std::vector<I>{w.stride_h, w.stride_w}}}),
                out};
    }

    std::string vector(int count, double scale) {
        Values v(static_cast<std::size_t>(count));
        for (double& value : v) value = scale * normal();
        return writer_.floats({count}, v);
    }

    /// A batch norm with placeholder statistics, which are measured at the end.
    Map normalise(const Map& in) {
        const auto count = static_cast<std::size_t>(in.shape.channels);
        Values gamma(count), beta(count);
        // Single pixels, whose statistics are poor, are kept small, or a few images would have most of the range.
        const double scale = (deep_ ? 0.3 : 1) * (in.shape.height * in.shape.width < 4 ? 0.5 : 1);
        for (double& g : gamma) g = scale * uniform(0.1, 0.25) * (chance(2) ? 1 : -1);
        for (double& b : beta) b = (deep_ ? 0.03 : 0.1) * normal();
        const std::vector<I> dims{in.shape.channels};
        return {writer_.node("BatchNormalization",
                             {in.name, writer_.floats(dims, gamma), writer_.floats(dims, beta),
                              writer_.floats(dims, Values(count, 0.0)), writer_.floats(dims, Values(count, 1.0))},
                             {{"epsilon", 1e-5}, {"momentum", 0.9}}),
                in.shape};
    }

    std::string number(double value) { return writer_.floats({}, {value}); }
    std::string coefficients(int channels, double low, double high) {
        Values v(static_cast<std::size_t>(channels));
        for (double& value : v) value = uniform(low, high);
        return chance(2) ? writer_.floats({channels, 1, 1}, v) : writer_.floats({1, channels, 1, 1}, v);
    }

    /// a sin(b x + c) + d in one of the shapes that exporters write, with frequencies that wrap what is normalised.
    Map wave(const Map& in) {
        const std::string& x = in.name;
        const auto op = [&](const char* name, const std::string& a, const std::string& b) {
            return writer_.node(name, {a, b});
        };
        const auto sin = [&](const std::string& of) { return writer_.node("Sin", {of}); };
        const auto cos = [&](const std::string& of) { return writer_.node("Cos", {of}); };
        const int channels = in.shape.channels;
        const auto own = [&](double low, double high) { return coefficients(channels, low, high); };
        switch (range(0, 5)) {
            case 0: return {sin(x), in.shape};
            case 1: return {op("Add", op("Mul", own(0.5, 2), cos(op("Mul", own(0.3, 1.5), x))), own(-1, 1)), in.shape};
            case 2: {
                const std::string inner = op("Add", op("Mul", own(0.4, 1.5), x), own(-4, 4));
                return {op("Add", op("Mul", own(-2, -0.5), sin(inner)), own(-1, 1)), in.shape};
            }
            case 3: {  // of one frequency: one activation
                const std::string inner = op("Mul", own(0.4, 1.2), x);
                const std::string sum =
                    op("Sub", op("Mul", own(0.5, 1.5), sin(inner)), op("Mul", number(0.7), cos(inner)));
                return {op("Add", sum, number(0.7)), in.shape};
            }
            case 4: return {op("Sub", number(1), cos(op("Div", x, number(-0.8)))), in.shape};
            default: return {op("Add", sin(x), sin(op("Mul", x, number(1.7)))), in.shape};  // two activations
        }
    }

    /// x^2 + x, or a x^2 + b x + c per channel, in one of the shapes that exporters write; or a sine.
    Map activate(const Map& in) {
        if (options_.curves == Curves::kSines || (options_.curves == Curves::kBoth && chance(2))) return wave(in);
        const std::string& x = in.name;
        const auto op = [&](const char* name, const std::string& a, const std::string& b) {
            return writer_.node(name, {a, b});
        };
        const int channels = in.shape.channels;
        std::string y;
        switch (range(0, 6)) {
            case 0: y = op("Add", op("Mul", x, x), x); break;
            case 1: y = op("Add", x, op("Pow", x, number(2))); break;
            case 2: y = op("Mul", op("Add", x, number(1)), x); break;
            case 3: {
                const std::string a = coefficients(channels, 0.3, 1.2), b = coefficients(channels, 0.4, 1.2),
                                  c = coefficients(channels, -0.5, 0.5);
                y = op("Add", op("Add", op("Mul", op("Mul", a, x), x), op("Mul", b, x)), c);
                break;
            }
            case 4: {
                const std::string a = coefficients(channels, 0.3, 1.2), b = coefficients(channels, 0.4, 1.2),
                                  c = coefficients(channels, -0.5, 0.5);
                y = op("Add", c, op("Mul", x, op("Add", op("Mul", a, x), b)));
                break;
            }
            case 5: y = op("Sub", op("Div", op("Mul", x, x), number(1.5)), op("Mul", x, number(-0.7))); break;
            default: y = op("Add", op("Mul", number(-0.8), op("Mul", x, x)), op("Mul", number(0.5), x)); break;
        }
        return {y, in.shape};
    }

    Map add(const Map& a, const Map& b) { return {writer_.node("Add", {a.name, b.name}), a.shape}; }
    Map concatenate(const std::vector<Map>& parts) {
        std::vector<std::string> names;
        Shape shape = parts[0].shape;
        shape.channels = 0;
        for (const Map& part : parts) {
            names.push_back(part.name);
            shape.channels += part.shape.channels;
        }
        return {writer_.node("Concat", names, {{"axis", chance(2) ? 1 : -3}}), shape};
    }

    /// The padding in front of a window that makes the result as large as the input divided by the stride; the rest
    /// goes behind it.
    std::pair<int, int> split(int reach) {
        const int before = range(0, reach - 1);
        return {before, reach - 1 - before};
    }

    model::Window keeping(int kernel_h, int kernel_w, int stride, int dilation = 1) {
        const auto [top, bottom] = split((kernel_h - 1) * dilation + 1);
        const auto [left, right] = split((kernel_w - 1) * dilation + 1);
        return {kernel_h, kernel_w, stride, stride, top, left, bottom, right, dilation, dilation};
    }

    Map pool(const Map& in, const model::Window& w) {
        std::vector<OnnxWriter::Attribute> attributes{
            {"kernel_shape", std::vector<I>{w.kernel_h, w.kernel_w}},
            {"strides", std::vector<I>{w.stride_h, w.stride_w}},
            {"pads", std::vector<I>{w.pad_top, w.pad_left, w.pad_bottom, w.pad_right}}};
        if (chance(2)) attributes.push_back({"count_include_pad", 1});
        return {writer_.node("AveragePool", {in.name}, attributes),
                {in.shape.channels, w.out_height(in.shape.height), w.out_width(in.shape.width)}};
    }

    std::string fully_connected(const std::string& in, std::int64_t features, int outputs) {
        if (chance(2))
            return writer_.node(
                "Gemm", {in, weights({outputs, features}, static_cast<std::size_t>(outputs)), vector(outputs, 0.2)},
                {{"alpha", 1.0}, {"beta", 1.0}, {"transB", 1}});
        const std::string product = writer_.node("MatMul", {in, weights_by_column(features, outputs)});
        return writer_.node("Add", {product, vector(outputs, 0.2)});
    }

    std::string weights_by_column(std::int64_t features, int outputs) {
        Values w(static_cast<std::size_t>(features * outputs));
        for (double& value : w) value = normal() / std::sqrt(static_cast<double>(features));
        return writer_.floats({features, outputs}, w);
    }

    std::mt19937_64 random_;
    RandomNetworkOptions options_;
    Shape input_;
    OnnxWriter writer_;
    bool wide_ = false;
    bool deep_ =
        false;  // with blocks of many layers, whose values are kept smaller: squares of squares have heavy tails
};

}  // namespace flash::testing
