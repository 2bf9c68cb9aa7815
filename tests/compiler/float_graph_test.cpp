// The network as it was exported: what it computes against an independent evaluation of the ONNX graph, and what was
// fused into what.
#include "compiler/float_graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/error.h"
#include "compiler/compile.h"
#include "support/float_graph_run.h"
#include "support/onnx_reference.h"
#include "support/onnx_writer.h"
#include "support/random_network.h"

namespace flash::compiler {
namespace {

using Kind = GraphNode::Kind;

TEST(FloatGraph, ComputesWhatTheFileSays) {
    using testing::NetworkFamily;
    for (NetworkFamily family : {NetworkFamily::kAny, NetworkFamily::kResidual, NetworkFamily::kBottleneck,
                                 NetworkFamily::kDepthwise, NetworkFamily::kDense, NetworkFamily::kHeads})
        for (std::uint64_t seed = 1; seed <= 12; ++seed) {
            SCOPED_TRACE(::testing::Message() << "family " << static_cast<int>(family) << ", seed " << seed);
            testing::RandomNetworkOptions options;
            options.family = family;
            options.max_extent = 12;
            const testing::RandomNetwork random = testing::random_network(seed, options);
            const FloatGraph graph = import_float_graph(random.onnx);
            EXPECT_EQ(graph.input, random.input);
            const std::vector<float> image = random.images(1, seed)[0];
            const std::vector<double> expected = testing::evaluate_onnx(random.onnx, image),
                                      got = testing::run_float_graph(graph, image);
            ASSERT_EQ(got.size(), expected.size());
            double scale = 0;
            for (double value : expected) scale = std::max(scale, std::abs(value));
            for (std::size_t i = 0; i < got.size(); ++i)
                ASSERT_NEAR(got[i], expected[i], 1e-4 * scale) << "float32 weights";
        }
}

/// A writer with the pieces that the next tests need.
struct Writer : testing::OnnxWriter {
    Writer() : OnnxWriter({1, 2, 4, 4}) {}
    std::string conv(const std::string& in, int outputs, int inputs) {
        return node(
            "Conv",
            {in, floats({outputs, inputs, 1, 1}, std::vector<double>(static_cast<std::size_t>(outputs * inputs), 0.5))},
            {{"kernel_shape", std::vector<std::int64_t>{1, 1}}});
    }
    std::string norm(const std::string& in, std::size_t channels) {
        const std::vector<std::int64_t> dims{static_cast<std::int64_t>(channels)};
        const std::vector<double> scale(channels, -0.5), other(channels, 0.25);
        return node("BatchNormalization",
                    {in, floats(dims, scale), floats(dims, other), floats(dims, other), floats(dims, other)});
    }
    std::string act(const std::string& in) { return node("Add", {node("Mul", {in, in}), in}); }
};

std::vector<Kind> kinds(const FloatGraph& graph) {
    std::vector<Kind> list;
    for (const GraphNode& node : graph.nodes) list.push_back(node.kind);
    return list;
}

TEST(FloatGraph, BatchNormsActivationsAndSumsArePartsOfConvolutions) {
    Writer w;
    const std::string first = w.act(w.norm(w.conv(w.input, 3, 2), 3));
    const std::string sum = w.node("Add", {w.norm(w.conv(w.act(w.norm(w.conv(first, 3, 3), 3)), 3, 3), 3), first});
    const FloatGraph graph = import_float_graph(w.finish(w.act(sum)));
    EXPECT_EQ(kinds(graph), std::vector<Kind>(3, Kind::kConvolution));
    EXPECT_EQ(graph.nodes[2].inputs, (std::vector<int>{2, 1}));
    for (const GraphNode& node : graph.nodes) {
        ASSERT_TRUE(node.activation);
        EXPECT_NEAR(node.activation->a[0], 1, 1e-6) << "x^2 + x = (x + 1/2)^2 - 1/4";
        EXPECT_EQ(node.activation->b[0], 0);
        EXPECT_NEAR(node.activation->c[0], -0.25, 1e-6);
    }
    EXPECT_EQ(graph.multiply_adds(), 16 * (3 * 2 + 3 * 3 + 3 * 3));
}

TEST(FloatGraph, NothingLinearIsFoldedFurther) {
    // A linear bottleneck, read twice, stays a convolution; a concatenation stays, and its batch norm and activation
    // become one pass over it.
    Writer w;
    const std::string narrow = w.norm(w.conv(w.act(w.conv(w.input, 4, 2)), 1, 4), 1);
    const std::string wide = w.act(w.norm(w.conv(narrow, 5, 1), 5));
    const std::string all = w.node("Concat", {wide, narrow}, {{"axis", 1}});
    const std::vector<std::uint8_t> bytes = w.finish(w.conv(w.act(w.norm(all, 6)), 2, 6));
    const FloatGraph graph = import_float_graph(bytes);
    EXPECT_EQ(kinds(graph), (std::vector<Kind>{Kind::kConvolution, Kind::kConvolution, Kind::kConvolution,
                                               Kind::kConcatenation, Kind::kQuadratic, Kind::kConvolution}));
    EXPECT_FALSE(graph.nodes[1].activation);
    EXPECT_FALSE(graph.nodes[5].activation);
}

TEST(FloatGraph, AValueWithAnotherReaderIsKept) {
    // The convolution is read as it is and activated: two nodes.
    Writer w;
    const std::string x = w.conv(w.input, 3, 2);
    const FloatGraph graph = import_float_graph(w.finish(w.node("Concat", {w.act(x), x}, {{"axis", 1}})));
    EXPECT_EQ(kinds(graph), (std::vector<Kind>{Kind::kConvolution, Kind::kQuadratic, Kind::kConcatenation}));
    EXPECT_FALSE(graph.nodes[0].activation);
}

TEST(FloatGraph, Refusals) {
    const auto kind_of = [](const std::vector<std::uint8_t>& bytes) {
        try {
            import_float_graph(bytes);
        } catch (const Error& error) {
            return error.kind();
        }
        return ErrorKind::kInternal;
    };
    EXPECT_EQ(kind_of({}), ErrorKind::kFile);
    EXPECT_EQ(kind_of({1, 2, 3}), ErrorKind::kFile);
    Writer relu;
    EXPECT_EQ(kind_of(relu.finish(relu.node("Relu", {relu.conv(relu.input, 3, 2)}))), ErrorKind::kUnsupported);
    Writer cube;
    const std::string x = cube.conv(cube.input, 3, 2);
    EXPECT_EQ(kind_of(cube.finish(cube.node("Mul", {cube.act(x), x}))), ErrorKind::kUnsupported);
    Writer wrong;
    EXPECT_EQ(kind_of(wrong.finish(wrong.conv(wrong.input, 3, 5))), ErrorKind::kFile);
}

}  // namespace
}  // namespace flash::compiler
