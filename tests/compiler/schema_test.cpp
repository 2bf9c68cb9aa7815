// What Flash knows of the ONNX operators against the ONNX project's own list of them, over all operator sets that its
// library knows: an attribute, input or output that some version defines is read or refused by name, never ignored.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "compiler/compile.h"
#include "compiler/onnx/fold.h"
#include "compiler/onnx/operators.h"
#include "support/onnx_schemas.h"
#include "support/onnx_writer.h"

namespace flash::compiler {
namespace {

using I = std::int64_t;

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::ranges::find(names, name) != names.end();
}

std::vector<testing::OnnxSchema> schemas_of_known_operators(int opset) {
    std::vector<testing::OnnxSchema> known;
    for (testing::OnnxSchema& schema : testing::onnx_schemas(opset))
        if (find_operator(schema.op)) known.push_back(std::move(schema));
    return known;
}

TEST(Schemas, EveryAttributeAndInputIsKnown) {
    std::set<std::string> seen;
    for (int opset = kOldestOpset; opset <= testing::newest_onnx_opset(); ++opset)
        for (const testing::OnnxSchema& schema : schemas_of_known_operators(opset)) {
            const OperatorRule& rule = *find_operator(schema.op);
            seen.insert(schema.op);
            for (const std::string& attribute : schema.attributes)
                EXPECT_TRUE(contains(rule.attributes, attribute) || contains(rule.without_effect, attribute))
                    << schema.op << " " << schema.since << ": " << attribute;
            EXPECT_GE(rule.most_inputs, schema.most_inputs) << schema.op << " " << schema.since;
            EXPECT_TRUE(schema.most_outputs == 1 || rule.outputs != Outputs::kOne) << schema.op << " " << schema.since;
        }
    for (const auto& [op, rule] : all_operators()) EXPECT_TRUE(seen.contains(op)) << op << " is no ONNX operator";
}

TEST(Schemas, WhatIsKnownIsDefinedSomewhere) {
    // Of operator sets that are newer than the library.
    const std::set<std::pair<std::string, std::string>> newer = {{"AveragePool", "dilations"},
                                                                 {"Cast", "saturate"},
                                                                 {"CastLike", "saturate"},
                                                                 {"Cast", "round_mode"},
                                                                 {"CastLike", "round_mode"},
                                                                 {"ReduceMax", "noop_with_empty_axes"},
                                                                 {"ReduceMean", "noop_with_empty_axes"},
                                                                 {"Split", "num_outputs"},
                                                                 {"ReduceMin", "noop_with_empty_axes"},
                                                                 {"ReduceProd", "noop_with_empty_axes"}};
    std::set<std::pair<std::string, std::string>> defined;
    for (int opset = kOldestOpset; opset <= testing::newest_onnx_opset(); ++opset)
        for (const testing::OnnxSchema& schema : schemas_of_known_operators(opset))
            for (const std::string& attribute : schema.attributes) defined.emplace(schema.op, attribute);
    for (const auto& [op, rule] : all_operators())
        for (const std::vector<std::string>* names : {&rule.attributes, &rule.without_effect})
            for (const std::string& name : *names)
                EXPECT_TRUE(defined.contains({op, name}) || newer.contains({op, name})) << op << ": " << name;
}

TEST(Schemas, EveryKnownOperatorIsReadOrFolded) {
    for (const auto& [op, rule] : all_operators())
        EXPECT_TRUE(find_fold(op) || rule.read || rule.read_parts || rule.measure) << op;
}

void expect_refused(testing::OnnxWriter& writer, const std::string& output, const std::vector<std::string>& words) {
    try {
        import_onnx(writer.finish(output), "x");
        ADD_FAILURE() << "not refused: " << words[0];
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kUnsupported) << error.what();
        for (const std::string& word : words)
            EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    }
}

TEST(Schemas, WhatIsUnknownIsRefusedByName) {
    for (int opset = kOldestOpset; opset <= kNewestOpset; ++opset) {
        for (const auto& [op, rule] : all_operators()) {
            if (!rule.read && !rule.read_parts) continue;
            testing::OnnxWriter w({1, 2, 4, 4}, opset);
            expect_refused(w, w.node(op, {w.input}, {{"from_the_future", 1}}), {op, "from_the_future"});
        }
        for (const char* op : {"Add", "Conv", "Reshape", "GlobalAveragePool"}) {
            testing::OnnxWriter w({1, 2, 4, 4}, opset);
            const std::vector<std::string> inputs(5, w.input);
            expect_refused(w, w.node(op, inputs), {op, "5 inputs"});
        }
    }
}

TEST(Schemas, TrainingModeIsRefusedInEveryOperatorSet) {
    for (int opset = kOldestOpset; opset <= kNewestOpset; ++opset) {
        const auto norm = [&](std::size_t outputs, std::vector<testing::OnnxWriter::Attribute> attributes) {
            testing::OnnxWriter w({1, 2, 4, 4}, opset);
            const std::string two = w.floats({2}, {1, 2});
            const std::string x = w.node("BatchNormalization", {w.input, two, two, two, two}, outputs, attributes)[0];
            expect_refused(w, w.node("GlobalAveragePool", {x}),
                           {"BatchNormalization", "training mode", "model.eval()"});
        };
        for (std::size_t outputs : {2u, 3u, 5u}) norm(outputs, {});
        norm(1, {{"training_mode", 1}});
        testing::OnnxWriter w({1, 2, 4, 4}, opset);
        const std::string training = w.typed(9, {}, {1});  // a bool
        expect_refused(w, w.node("Dropout", {w.input, w.floats({}, {0.5}), training}), {"Dropout", "training mode"});
        testing::OnnxWriter masked({1, 2, 4, 4}, opset);
        const std::vector<std::string> both = masked.node("Dropout", {masked.input}, 2, {});
        expect_refused(masked, masked.node("Mul", both), {"Dropout", both[1], "model.eval()"});
    }
}

TEST(Schemas, AttributesThatAskForWhatFlashLacksAreRefused) {
    using List = std::vector<I>;
    struct Case {
        const char* op;
        testing::OnnxWriter::Attribute attribute;
        const char* word;
    };
    for (const Case& c : {Case{"BatchNormalization", {"spatial", 0}, "spatial"},
                          Case{"AveragePool", {"dilations", List{2, 2}}, "dilations"},
                          Case{"Pad", {"mode", "reflect"}, "zeros"}, Case{"Pad", {"value", 1.0}, "zeros"},
                          Case{"Gemm", {"transA", 1}, "transA"}, Case{"Cast", {"to", 7}, "float"}}) {
        testing::OnnxWriter w({1, 2, 4, 4}, 8);
        const std::string two = w.floats({2}, {1, 2});
        const std::string op = c.op;
        std::vector<std::string> inputs{w.input};
        std::vector<testing::OnnxWriter::Attribute> attributes{c.attribute};
        if (op == "BatchNormalization") inputs.insert(inputs.end(), 4, two);
        if (op == "AveragePool") attributes.push_back({"kernel_shape", List{2, 2}});
        if (op == "Pad") attributes.push_back({"pads", List{0, 0, 1, 1, 0, 0, 1, 1}});
        if (op == "Gemm") inputs = {w.node("Flatten", inputs), w.floats({32, 2}, std::vector<double>(64, 1))};
        expect_refused(w, w.node(op, inputs, attributes), {op, c.word});
    }
}

}  // namespace
}  // namespace flash::compiler
