// The ONNX project's own list of operators, as its library has it.
#pragma once

#include <string>
#include <vector>

namespace flash::testing {

struct OnnxSchema {
    std::string op;
    int since = 0;  ///< the operator set that it belongs to first
    std::vector<std::string> attributes;
    int most_inputs = 0, most_outputs = 0;
};

/// The newest operator set that the library knows.
int newest_onnx_opset();
/// The operators of the standard domain, each as of this operator set.
std::vector<OnnxSchema> onnx_schemas(int opset);

}  // namespace flash::testing
