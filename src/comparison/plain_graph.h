// The networks that the plain side of a comparison runs.
#pragma once

#include "compiler/float_graph.h"
#include "model/architecture.h"

namespace flash::comparison {

/// What a compiled model computes, without its numbers: convolutions, residual sums (identity shortcuts without a
/// factor), averages in place of sum pools, and x^2 + x.
compiler::FloatGraph graph_of(const model::Architecture& architecture);

}  // namespace flash::comparison
