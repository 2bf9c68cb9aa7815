// Builds ONNX models node by node, for tests.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace flash::testing {

class OnnxWriter {
public:
    /// input_dims: -1 writes a named (dynamic) dimension.
    explicit OnnxWriter(const std::vector<std::int64_t>& input_dims, std::int64_t opset = 13);
    ~OnnxWriter();

    /// Adds an initializer; returns its name.
    std::string floats(const std::vector<std::int64_t>& dims, const std::vector<double>& values, bool raw = true);
    std::string integers(const std::vector<std::int64_t>& values, bool scalar = false);

    /// Of any ONNX element type, written as its numbers.
    std::string typed(int type, const std::vector<std::int64_t>& dims, const std::vector<std::int64_t>& values);
    /// A float tensor whose values lie in a file beside the model; the entries are those of its external_data.
    std::string external(const std::vector<std::int64_t>& dims,
                         const std::vector<std::pair<std::string, std::string>>& entries);

    struct Attribute {
        Attribute(std::string n, std::int64_t value) : name(std::move(n)), kind(0), integer(value) {}
        Attribute(std::string n, int value) : name(std::move(n)), kind(0), integer(value) {}
        Attribute(std::string n, double value) : name(std::move(n)), kind(1), real(value) {}
        Attribute(std::string n, std::vector<std::int64_t> values)
            : name(std::move(n)),
              kind(2),
              list(std::move(values)) {}
        Attribute(std::string n, const char* value) : name(std::move(n)), kind(3), text(value) {}
        std::string name;
        int kind;
        std::int64_t integer = 0;
        double real = 0;
        std::vector<std::int64_t> list;
        std::string text;
    };
    /// Adds a node; returns the name of its output.
    std::string node(const std::string& op, const std::vector<std::string>& inputs,
                     const std::vector<Attribute>& attributes = {});
    /// The same with several outputs; an empty name among the inputs is an absent one.
    std::vector<std::string> node(const std::string& op, const std::vector<std::string>& inputs, std::size_t outputs,
                                  const std::vector<Attribute>& attributes);
    /// ConstantOfShape with this value of this element type.
    std::string filled(const std::string& shape, int type, double value);
    void metadata(const std::string& key, const std::string& value);
    /// The finished file, with this tensor as its output.
    std::vector<std::uint8_t> finish(const std::string& output);

    const std::string input = "image";

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace flash::testing
