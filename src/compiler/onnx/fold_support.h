// What the evaluations of constants share. Internal to fold.cpp and fold_arithmetic.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "compiler/onnx/fold.h"

namespace flash::compiler {

using FoldResults = std::vector<Constant>;

constexpr std::int64_t kMaxFoldedElements = std::int64_t{1} << 24;  // of results that have no file bytes to bound them

std::size_t folded_size(const FoldNode& node, const Dims& dims);
Dims strides_of(const Dims& dims);
/// The dims that both broadcast to.
Dims common_dims(const FoldNode& node, const Dims& left, const Dims& right);
/// A tensor repeated along its dimensions of extent 1 until it has these dims, which it broadcasts to.
Constant expanded(const FoldNode& node, const Constant& in, const Dims& dims);

/// Arithmetic, comparisons and reductions.
const std::map<std::string, Fold>& arithmetic_folds();

}  // namespace flash::compiler
