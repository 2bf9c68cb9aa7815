#include "support/onnx_writer.h"

#include <onnx/onnx_pb.h>

namespace flash::testing {

struct OnnxWriter::State {
    onnx::ModelProto model;
    int counter = 0;
    onnx::GraphProto& graph() { return *model.mutable_graph(); }
};

OnnxWriter::OnnxWriter(const std::vector<std::int64_t>& input_dims, std::int64_t opset)
    : state_(std::make_unique<State>()) {
    state_->model.set_ir_version(8);
    state_->model.add_opset_import()->set_version(opset);
    onnx::ValueInfoProto* info = state_->graph().add_input();
    info->set_name(input);
    onnx::TypeProto::Tensor* type = info->mutable_type()->mutable_tensor_type();
    type->set_elem_type(onnx::TensorProto::FLOAT);
    for (std::int64_t dim : input_dims) {
        auto* d = type->mutable_shape()->add_dim();
        if (dim < 0)
            d->set_dim_param("N");
        else
            d->set_dim_value(dim);
    }
}

OnnxWriter::~OnnxWriter() = default;

std::string OnnxWriter::floats(const std::vector<std::int64_t>& dims, const std::vector<double>& values, bool raw) {
    onnx::TensorProto* tensor = state_->graph().add_initializer();
    tensor->set_name("c" + std::to_string(state_->counter++));
    tensor->set_data_type(onnx::TensorProto::FLOAT);
    for (std::int64_t dim : dims) tensor->add_dims(dim);
    if (raw) {
        std::vector<float> single(values.begin(), values.end());
        tensor->set_raw_data(single.data(), single.size() * sizeof(float));
    } else {
        for (double value : values) tensor->add_float_data(static_cast<float>(value));
    }
    return tensor->name();
}

std::string OnnxWriter::integers(const std::vector<std::int64_t>& values, bool scalar) {
    onnx::TensorProto* tensor = state_->graph().add_initializer();
    tensor->set_name("c" + std::to_string(state_->counter++));
    tensor->set_data_type(onnx::TensorProto::INT64);
    if (!scalar) tensor->add_dims(static_cast<std::int64_t>(values.size()));
    for (std::int64_t value : values) tensor->add_int64_data(value);
    return tensor->name();
}

std::string OnnxWriter::typed(int type, const std::vector<std::int64_t>& dims,
                              const std::vector<std::int64_t>& values) {
    onnx::TensorProto* tensor = state_->graph().add_initializer();
    tensor->set_name("c" + std::to_string(state_->counter++));
    tensor->set_data_type(type);
    for (std::int64_t dim : dims) tensor->add_dims(dim);
    for (std::int64_t value : values) tensor->add_int32_data(static_cast<std::int32_t>(value));
    return tensor->name();
}

std::string OnnxWriter::external(const std::vector<std::int64_t>& dims,
                                 const std::vector<std::pair<std::string, std::string>>& entries) {
    onnx::TensorProto* tensor = state_->graph().add_initializer();
    tensor->set_name("c" + std::to_string(state_->counter++));
    tensor->set_data_type(onnx::TensorProto::FLOAT);
    tensor->set_data_location(onnx::TensorProto::EXTERNAL);
    for (std::int64_t dim : dims) tensor->add_dims(dim);
    for (const auto& [key, value] : entries) {
        onnx::StringStringEntryProto* entry = tensor->add_external_data();
        entry->set_key(key);
        entry->set_value(value);
    }
    return tensor->name();
}

std::string OnnxWriter::filled(const std::string& shape, int type, double value) {
    const std::string result = node("ConstantOfShape", {shape});
    onnx::AttributeProto* a = state_->graph().mutable_node(state_->graph().node_size() - 1)->add_attribute();
    a->set_name("value");
    a->set_type(onnx::AttributeProto::TENSOR);
    a->mutable_t()->set_data_type(type);
    a->mutable_t()->add_dims(1);
    if (type == onnx::TensorProto::FLOAT)
        a->mutable_t()->add_float_data(static_cast<float>(value));
    else
        a->mutable_t()->add_int64_data(static_cast<std::int64_t>(value));
    return result;
}

std::string OnnxWriter::node(const std::string& op, const std::vector<std::string>& inputs,
                             const std::vector<Attribute>& attributes) {
    return node(op, inputs, 1, attributes)[0];
}

std::vector<std::string> OnnxWriter::node(const std::string& op, const std::vector<std::string>& inputs,
                                          std::size_t outputs, const std::vector<Attribute>& attributes) {
    onnx::NodeProto* node = state_->graph().add_node();
    node->set_op_type(op);
    node->set_name("/" + op + "_" + std::to_string(state_->counter++));
    for (const std::string& name : inputs) node->add_input(name);
    for (std::size_t i = 0; i < outputs; ++i) node->add_output(node->name() + "_output_" + std::to_string(i));
    for (const Attribute& attribute : attributes) {
        onnx::AttributeProto* a = node->add_attribute();
        a->set_name(attribute.name);
        switch (attribute.kind) {
            case 0:
                a->set_type(onnx::AttributeProto::INT);
                a->set_i(attribute.integer);
                break;
            case 1:
                a->set_type(onnx::AttributeProto::FLOAT);
                a->set_f(static_cast<float>(attribute.real));
                break;
            case 2:
                a->set_type(onnx::AttributeProto::INTS);
                for (std::int64_t value : attribute.list) a->add_ints(value);
                break;
            default: a->set_type(onnx::AttributeProto::STRING); a->set_s(attribute.text);
        }
    }
    return {node->output().begin(), node->output().end()};
}

void OnnxWriter::metadata(const std::string& key, const std::string& value) {
    onnx::StringStringEntryProto* entry = state_->model.add_metadata_props();
    entry->set_key(key);
    entry->set_value(value);
}

std::vector<std::uint8_t> OnnxWriter::finish(const std::string& output) {
    onnx::ModelProto model = state_->model;
    onnx::ValueInfoProto* info = model.mutable_graph()->add_output();
    info->set_name(output);
    info->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
    std::vector<std::uint8_t> bytes(model.ByteSizeLong());
    model.SerializeToArray(bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
}

}  // namespace flash::testing
