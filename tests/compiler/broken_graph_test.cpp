// ONNX files that contradict themselves, or say what nobody may have meant: refused with the node and the reason, where
// reading on would give another network than the file's author had in mind.
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cmath>
#include <functional>
#include <limits>

#include "base/error.h"
#include "compiler/compile.h"
#include "support/onnx_writer.h"

namespace flash::compiler {
namespace {

/// A convolution, a batch norm, x^2 + x and a mean, as a file that can be changed.
class BrokenGraph : public ::testing::Test {
protected:
    BrokenGraph() {
        testing::OnnxWriter w({1, 2, 4, 4});
        const std::string weights = w.floats({2, 2, 1, 1}, {1, 2, 3, 4}), ones = w.floats({2}, {1, 1});
        const std::string conv =
            w.node("Conv", {w.input, weights}, {{"kernel_shape", std::vector<std::int64_t>{1, 1}}});
        const std::string norm = w.node("BatchNormalization", {conv, ones, ones, ones, ones});
        const std::string square = w.node("Mul", {norm, norm});
        const std::vector<std::uint8_t> bytes = w.finish(w.node("GlobalAveragePool", {w.node("Add", {square, norm})}));
        EXPECT_TRUE(model_.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
    }
    onnx::NodeProto& node(int index) { return *model_.mutable_graph()->mutable_node(index); }
    onnx::NodeProto& conv() { return node(0); }
    static onnx::AttributeProto& add(onnx::NodeProto& node, const char* name,
                                     onnx::AttributeProto::AttributeType type) {
        onnx::AttributeProto& attribute = *node.add_attribute();
        attribute.set_name(name);
        attribute.set_type(type);
        return attribute;
    }
    ImportedModel imported() const {
        const std::string bytes = model_.SerializeAsString();
        return import_onnx(std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()), "broken");
    }
    void expect_refused(ErrorKind kind, const char* words) const {
        try {
            imported();
            ADD_FAILURE() << "not refused: " << words;
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), kind) << error.what();
            EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
        }
    }

    onnx::ModelProto model_;
};

TEST_F(BrokenGraph, IsSoundBefore) { EXPECT_EQ(imported().activation_layers(), 1); }

TEST_F(BrokenGraph, AttributesOfAnotherTypeDoNotReadAsNone) {
    onnx::AttributeProto& strides = add(conv(), "strides", onnx::AttributeProto::FLOATS);
    strides.add_floats(2);
    strides.add_floats(2);
    expect_refused(ErrorKind::kFile, "its attribute \"strides\" is of type FLOATS, where INTS is wanted");
    conv().mutable_attribute()->RemoveLast();
    add(conv(), "group", onnx::AttributeProto::FLOAT).set_f(1);
    expect_refused(ErrorKind::kFile, "\"group\" is of type FLOAT, where INT is wanted");
    conv().mutable_attribute()->RemoveLast();
    add(node(1), "epsilon", onnx::AttributeProto::INT).set_i(1);
    expect_refused(ErrorKind::kFile, "\"epsilon\" is of type INT, where FLOAT is wanted");
}

TEST_F(BrokenGraph, AttributesThatStandTwiceOrAreNoNumbers) {
    onnx::AttributeProto& again = add(conv(), "kernel_shape", onnx::AttributeProto::INTS);
    again.add_ints(1);
    again.add_ints(1);
    expect_refused(ErrorKind::kFile, "has its attribute \"kernel_shape\" twice");
    conv().mutable_attribute()->RemoveLast();
    add(node(1), "epsilon", onnx::AttributeProto::FLOAT).set_f(std::numeric_limits<float>::quiet_NaN());
    expect_refused(ErrorKind::kUnsupported, "its attribute \"epsilon\" is not a finite number");
}

TEST_F(BrokenGraph, NamesThatAreMadeTwiceOrNever) {
    const std::string output = conv().output(0), second = node(1).output(0);
    *model_.mutable_graph()->add_initializer() = model_.graph().initializer(0);
    expect_refused(ErrorKind::kFile, "it holds two tensors");
    model_.mutable_graph()->mutable_initializer(2)->set_name(output);
    expect_refused(ErrorKind::kFile, (" makes " + output + ", which is there already").c_str());
    model_.mutable_graph()->mutable_initializer()->RemoveLast();
    node(1).set_output(0, output);
    expect_refused(ErrorKind::kFile, "which is there already");
    node(1).set_output(0, second);
    conv().set_input(1, "nowhere");
    expect_refused(ErrorKind::kFile, "reads nowhere, which nothing before it computes");
    conv().set_input(1, model_.graph().initializer(0).name());
    conv().add_output("more");
    expect_refused(ErrorKind::kUnsupported, "it has more than one output, which Flash does not know");
}

TEST_F(BrokenGraph, TwoOperatorSets) {
    model_.mutable_opset_import()->Add()->set_version(11);
    expect_refused(ErrorKind::kFile, "operator set 13 and operator set 11");
    model_.mutable_opset_import(1)->set_version(13);
    EXPECT_NO_THROW(imported());
}

TEST_F(BrokenGraph, MetadataThatFlashDoesNotKnow) {
    onnx::StringStringEntryProto& entry = *model_.add_metadata_props();
    entry.set_key("flash.layout");
    entry.set_value("NHWC");
    expect_refused(ErrorKind::kInvalidArgument, "the metadata \"flash.layout\", which Flash does not know");
    entry.set_key("flash.input");
    entry.set_value(R"({"mean": [0, 0], "std": [1, 1], "crop": 4, "gamma": 2})");
    expect_refused(ErrorKind::kInvalidArgument, "the entry \"gamma\"");
    entry.set_key("flash.classes");
    entry.set_value("[\"a\", \"" + std::string(2000, 'b') + "\"]");
    expect_refused(ErrorKind::kInvalidArgument, "cannot be a name: it has 2000 bytes");
    entry.set_key("somebody.else");
    EXPECT_NO_THROW(imported());
}

TEST_F(BrokenGraph, NamesThatNoFileCanHoldAreMadePrintable) {
    conv().set_name("layer\xff\n" + std::string(300, 'n'));
    onnx::StringStringEntryProto& entry = *model_.add_metadata_props();
    entry.set_key("flash.name");
    entry.set_value(std::string(199, 'm') + "\xc3\xa4");  // cut in the middle of a character
    const ImportedModel made = imported();
    EXPECT_EQ(made.name, std::string(199, 'm') + "?");
    EXPECT_EQ(made.network->layers[0].name.substr(0, 8), "layer??n");
}

TEST_F(BrokenGraph, IntegersAsInputAreNoted) {
    EXPECT_TRUE(imported().notes.empty());
    model_.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
        onnx::TensorProto::UINT8);
    ASSERT_EQ(imported().notes.size(), 1u);
    EXPECT_NE(imported().notes[0].find("holds integers in the file (ONNX data type 2)"), std::string::npos);
}

}  // namespace
}  // namespace flash::compiler
