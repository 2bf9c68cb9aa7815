// Naive evaluation of an ONNX graph in double precision, node by node, from the ONNX definitions. Written apart from
// the importer and sharing no code with it, so that one checks the other. Supports what the tests write.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace flash::testing {

/// The graph's output for one image (batch 1). visit, where given, sees every floating-point tensor that a node
/// produces. Throws std::runtime_error on anything it does not know.
std::vector<double> evaluate_onnx(
    std::span<const std::uint8_t> model, std::span<const float> image,
    const std::function<void(const std::string& name, const std::vector<double>&)>& visit = {});

/// The same file with the statistics of every batch norm replaced by those of its input on these images, in graph
/// order.
std::vector<std::uint8_t> with_measured_batch_norms(std::span<const std::uint8_t> model,
                                                    const std::vector<std::vector<float>>& images);

}  // namespace flash::testing
