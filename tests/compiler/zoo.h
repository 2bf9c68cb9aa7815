// Small ONNX graphs, each with the operator sets that it can be written in.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "support/onnx_writer.h"

namespace flash::compiler {

using I = std::int64_t;
using List = std::vector<I>;
using Name = std::string;
using Attributes = std::vector<testing::OnnxWriter::Attribute>;

inline constexpr I kFirst = 7, kLast = 23;

/// A writer that knows its operator set: parameters go where that wants them.
struct Zoo : testing::OnnxWriter {
    Zoo(const List& dims, I version) : OnnxWriter(dims, version), opset(version) {}
    const I opset;

    Name random(const List& dims, double scale = 0.5) {
        std::size_t count = 1;
        for (I d : dims) count *= static_cast<std::size_t>(d);
        std::mt19937_64 engine(++seed_);
        std::normal_distribution<double> normal(0, scale);
        std::vector<double> values(count);
        for (double& value : values) value = normal(engine);
        return floats(dims, values);
    }
    Name conv(const Name& in, I from, I to, I kernel = 1, I pad = 0, I stride = 1) {
        return node("Conv", {in, random({to, from, kernel, kernel}), random({to})},
                    {{"kernel_shape", List{kernel, kernel}},
                     {"pads", List{pad, pad, pad, pad}},
                     {"strides", List{stride, stride}}});
    }
    Name act(const Name& x) { return node("Add", {node("Mul", {x, x}), x}); }
    Name body(I channels = 4) { return act(conv(input, 3, channels, 3, 1)); }

    /// A parameter that is an attribute up to some operator set and an input from `since` on.
    Name with_axes(const Name& op, const Name& in, const List& axes, I since, Attributes attributes = {}) {
        if (opset >= since) return node(op, {in, integers(axes)}, attributes);
        attributes.push_back({"axes", axes});
        return node(op, {in}, attributes);
    }
    Name squeeze(const Name& in, const List& axes) { return with_axes("Squeeze", in, axes, 13); }
    Name unsqueeze(const Name& in, const List& axes) { return with_axes("Unsqueeze", in, axes, 13); }
    Name mean(const Name& in, const List& axes, I keep) {
        return with_axes("ReduceMean", in, axes, 18, {{"keepdims", keep}});
    }
    Name slice(const Name& in, const List& starts, const List& ends, const List& axes, const List& steps = {}) {
        if (opset < 10) return node("Slice", {in}, {{"starts", starts}, {"ends", ends}, {"axes", axes}});
        std::vector<Name> inputs{in, integers(starts), integers(ends), integers(axes)};
        if (!steps.empty()) inputs.push_back(integers(steps));
        return node("Slice", inputs);
    }
    Name pad(const Name& in, const List& pads) {
        return opset < 11 ? node("Pad", {in}, {{"pads", pads}, {"mode", "constant"}})
                          : node("Pad", {in, integers(pads)}, {{"mode", "constant"}});
    }
    std::vector<Name> split(const Name& in, I axis, const List& sizes) {
        if (opset < 13) return node("Split", {in}, sizes.size(), {{"axis", axis}, {"split", sizes}});
        return node("Split", {in, integers(sizes)}, sizes.size(), {{"axis", axis}});
    }
    Name head(const Name& in, I channels) {
        return node("Gemm", {node("Flatten", {node("GlobalAveragePool", {in})}), random({5, channels}), random({5})},
                    {{"transB", 1}});
    }

private:
    std::uint64_t seed_ = 0;
};

struct Animal {
    const char* name;
    std::function<Name(Zoo&)> build;
    I first = kFirst, last = kLast;
    List dims = {-1, 3, 6, 5};
    bool last_step = false;  ///< the output is not the logits: softmax of it is
};

/// Every operator in every operator set that has it, and the shapes that exporters write.
const std::vector<Animal>& animals();

}  // namespace flash::compiler
