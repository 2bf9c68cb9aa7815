// Naive evaluation of a FloatGraph in double precision.
#pragma once

#include <vector>

#include "compiler/float_graph.h"

namespace flash::testing {

std::vector<double> run_float_graph(const compiler::FloatGraph& graph, const std::vector<float>& image);

}  // namespace flash::testing
