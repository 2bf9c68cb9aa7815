// A zoo of small ONNX files: every operator in every operator set that has it, and the shapes that exporters write.
// What the folded network and the float graph make of them is compared with an independent evaluation.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "base/error.h"
#include "compiler/compile.h"
#include "compiler/float_graph.h"
#include "compiler/network.h"
#include "support/float_graph_run.h"
#include "support/mutate.h"
#include "support/onnx_reference.h"
#include "zoo.h"

namespace flash::compiler {
namespace {

double scale_of(const std::vector<double>& values) {
    double scale = 1e-9;
    for (double value : values) scale = std::max(scale, std::abs(value));
    return scale;
}

void compare(const std::vector<double>& got, const std::vector<double>& expected, double tolerance) {
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], tolerance * scale_of(expected));
}

void check(const Animal& animal, I opset) {
    SCOPED_TRACE(::testing::Message() << animal.name << ", operator set " << opset);
    Zoo zoo(animal.dims, opset);
    const std::vector<std::uint8_t> bytes = zoo.finish(animal.build(zoo));
    ImportedModel imported;
    FloatGraph graph;
    try {
        imported = import_onnx(bytes, "zoo");
        graph = import_float_graph(bytes);
    } catch (const Error& error) {
        FAIL() << error.what();
    }
    std::mt19937_64 random(static_cast<std::uint64_t>(opset));
    std::normal_distribution<float> normal;
    std::vector<float> planar(static_cast<std::size_t>(imported.input.size()));
    for (float& value : planar) value = normal(random);
    std::vector<float> as_file = planar;
    if (animal.dims.size() == 4 && animal.dims[3] == imported.input.channels && animal.dims[1] != animal.dims[3]) {
        const auto plane = planar.size() / static_cast<std::size_t>(imported.input.channels);
        for (std::size_t i = 0; i < planar.size(); ++i)
            as_file[i % plane * static_cast<std::size_t>(imported.input.channels) + i / plane] = planar[i];
    }
    const std::vector<double> expected = testing::evaluate_onnx(bytes, as_file);
    std::vector<double> logits = imported.network->evaluate(planar), other = testing::run_float_graph(graph, planar);
    EXPECT_EQ(imported.notes.empty(), !animal.last_step && as_file == planar);
    if (animal.last_step) {
        double sum = 0;
        for (double& logit : logits) sum += logit = std::exp(logit);
        for (double& logit : logits) logit /= sum;
        return compare(logits, expected, 1e-5);
    }
    compare(logits, expected, 1e-5);
    compare(other, expected, 1e-4);
}

TEST(Zoo, EveryAnimalInEveryOperatorSet) {
    int files = 0;
    for (const Animal& animal : animals())
        for (I opset = animal.first; opset <= animal.last; ++opset, ++files) check(animal, opset);
    printf("%d files\n", files);
    EXPECT_GT(files, 800);
}

TEST(Zoo, DamagedAnimalsAreReadOrRefused) {
    std::mt19937_64 random(7);
    for (const Animal& animal : animals()) {
        SCOPED_TRACE(animal.name);
        Zoo zoo(animal.dims, std::clamp<I>(13, animal.first, animal.last));
        const std::vector<std::uint8_t> bytes = zoo.finish(animal.build(zoo));
        for (int i = 0; i < 100; ++i) {
            const auto damaged = testing::mutated(bytes, random);
            try {
                import_onnx(damaged, "damaged");
                import_float_graph(damaged);
            } catch (const Error& error) {
                EXPECT_NE(error.kind(), ErrorKind::kInternal) << error.what();
            }
        }
    }
}

TEST(Zoo, ClassesAreLeftToTheClient) {
    for (const auto& [op, attributes] : std::vector<std::pair<const char*, Attributes>>{
             {"ArgMax", {{"axis", 1}, {"keepdims", 0}}}, {"LogSoftmax", {{"axis", -1}}}, {"Hardmax", {{"axis", 1}}}}) {
        Zoo z({-1, 3, 6, 5}, 13);
        const ImportedModel imported =
            import_onnx(z.finish(z.node("Cast", {z.node(op, {z.head(z.body(), 4)}, attributes)}, {{"to", 1}})), "x");
        EXPECT_EQ(imported.output(), (model::Shape{5, 1, 1}));
        ASSERT_EQ(imported.notes.size(), 1u);
        EXPECT_NE(imported.notes[0].find(op), std::string::npos);
        EXPECT_NE(imported.notes[0].find("client"), std::string::npos);
    }
}

}  // namespace
}  // namespace flash::compiler
