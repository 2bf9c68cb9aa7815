// Small ONNX graphs, and what importing them is to give: the same function as an independent evaluation of the file, or
// a refusal with the right words.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "base/error.h"
#include "compiler/compile.h"
#include "compiler/network.h"
#include "support/onnx_reference.h"
#include "support/onnx_writer.h"

namespace flash::compiler {

using testing::OnnxWriter;
using I = std::int64_t;
using Name = std::string;

inline std::vector<double> noise(std::size_t count, std::uint64_t seed, double scale = 0.5) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal(0, scale);
    std::vector<double> values(count);
    for (double& value : values) value = normal(random);
    return values;
}

inline std::vector<float> picture(const model::Shape& shape, std::uint64_t seed) {
    const std::vector<double> values = noise(static_cast<std::size_t>(shape.size()), seed, 1);
    return {values.begin(), values.end()};
}

inline Name conv(OnnxWriter& w, const Name& in, I from, I to, I kernel, I pad = 0, I stride = 1,
                 std::uint64_t seed = 1) {
    return w.node(
        "Conv",
        {in, w.floats({to, from, kernel, kernel}, noise(static_cast<std::size_t>(to * from * kernel * kernel), seed))},
        {{"kernel_shape", std::vector<I>{kernel, kernel}},
         {"pads", std::vector<I>{pad, pad, pad, pad}},
         {"strides", std::vector<I>{stride, stride}}});
}

inline Name norm(OnnxWriter& w, const Name& in, I channels, std::uint64_t seed = 5) {
    const auto count = static_cast<std::size_t>(channels);
    return w.node(
        "BatchNormalization",
        {in, w.floats({channels}, noise(count, seed)), w.floats({channels}, noise(count, seed + 1)),
         w.floats({channels}, noise(count, seed + 2)), w.floats({channels}, std::vector<double>(count, 1.5))});
}

inline Name square_plus(OnnxWriter& w, const Name& x) { return w.node("Add", {w.node("Mul", {x, x}), x}); }

using Build = std::function<Name(OnnxWriter&)>;

/// The network that import makes of the graph, after checking that both compute the same.
inline ImportedModel expect_equal(const Build& build, I opset = 13, std::vector<I> dims = {-1, 3, 7, 6}) {
    OnnxWriter writer(dims, opset);
    const std::vector<std::uint8_t> bytes = writer.finish(build(writer));
    ImportedModel imported = import_onnx(bytes, "test");
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        const std::vector<float> image = picture(imported.input, seed);
        const std::vector<double> expected = testing::evaluate_onnx(bytes, image);
        const std::vector<float> got = evaluate_float(imported, image);
        EXPECT_EQ(got.size(), expected.size());
        double scale = 1e-9;
        for (double value : expected) scale = std::max(scale, std::abs(value));
        for (std::size_t i = 0; i < std::min(got.size(), expected.size()); ++i)
            EXPECT_NEAR(got[i], expected[i], 1e-5 * scale);
    }
    return imported;
}

inline void expect_refused(const Build& build, ErrorKind kind, const std::vector<std::string>& words, I opset = 13,
                           std::vector<I> dims = {-1, 3, 7, 6}) {
    try {
        OnnxWriter writer(dims, opset);
        import_onnx(writer.finish(build(writer)), "test");
        ADD_FAILURE() << "not refused: " << (words.empty() ? "" : words[0]);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), kind) << error.what();
        for (const std::string& word : words)
            EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    }
}

inline Name grouped(OnnxWriter& w, const Name& in, I from, I to, I kernel, I groups, I dilation = 1, I stride = 1,
                    std::uint64_t seed = 1) {
    const I pad = (kernel - 1) * dilation / 2;
    return w.node("Conv",
                  {in, w.floats({to, from / groups, kernel, kernel},
                                noise(static_cast<std::size_t>(to * from / groups * kernel * kernel), seed))},
                  {{"kernel_shape", std::vector<I>{kernel, kernel}},
                   {"pads", std::vector<I>{pad, pad, pad, pad}},
                   {"strides", std::vector<I>{stride, stride}},
                   {"group", groups},
                   {"dilations", std::vector<I>{dilation, dilation}}});
}

}  // namespace flash::compiler
