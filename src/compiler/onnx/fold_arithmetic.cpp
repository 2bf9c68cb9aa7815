// Arithmetic, comparisons and reductions of constants.
#include <algorithm>
#include <cmath>

#include "compiler/onnx/fold_support.h"
#include "compiler/onnx/node.h"

namespace flash::compiler {
namespace {

using Results = FoldResults;
using Unary = double (*)(double);
using Binary = double (*)(double, double);

Constant apply(const FoldNode& node, const Constant& left, const Constant& right, Binary op) {
    const Dims dims = common_dims(node, left.dims, right.dims);
    Constant result = expanded(node, left, dims);
    const Constant other = expanded(node, right, dims);
    for (std::size_t i = 0; i < result.values.size(); ++i) result.values[i] = op(result.values[i], other.values[i]);
    return result;
}

/// Element by element, the inputs one after the other.
template <Binary op>
Results elementwise(const FoldNode& node) {
    Constant result = node.input(0);
    for (std::size_t i = 1; i < node.inputs.size(); ++i) result = apply(node, result, node.input(i), op);
    return {result};
}

template <Binary op>
Results comparison(const FoldNode& node) {
    Constant result = apply(node, node.input(0), node.input(1), op);
    result.type = ElementType::kBool;
    return {result};
}

template <Unary op>
Results each(const FoldNode& node) {
    Constant result = node.input(0);
    for (double& value : result.values) value = op(value);
    return {result};
}

double add(double a, double b) { return a + b; }
double subtract(double a, double b) { return a - b; }
double multiply(double a, double b) { return a * b; }
double power(double a, double b) { return std::pow(a, b); }
double least(double a, double b) { return std::min(a, b); }
double most(double a, double b) { return std::max(a, b); }
double equal(double a, double b) { return a == b ? 1 : 0; }
double less(double a, double b) { return a < b ? 1 : 0; }
double greater(double a, double b) { return a > b ? 1 : 0; }
double both(double a, double b) { return a != 0 && b != 0 ? 1 : 0; }
double either(double a, double b) { return a != 0 || b != 0 ? 1 : 0; }
double negated(double a) { return -a; }
double inverted(double a) { return a == 0 ? 1 : 0; }
double root(double a) { return std::sqrt(a); }
double magnitude(double a) { return std::abs(a); }
double rounded_down(double a) { return std::floor(a); }
double rounded_up(double a) { return std::ceil(a); }
double reciprocal(double a) { return 1 / a; }
double exponential(double a) { return std::exp(a); }
double sine(double a) { return std::sin(a); }
double cosine(double a) { return std::cos(a); }

/// Integers are divided towards zero.
Results divide(const FoldNode& node) {
    const bool integers = node.input(0).type == ElementType::kInteger && node.input(1).type == ElementType::kInteger;
    if (integers && std::ranges::count(node.input(1).values, 0.0) > 0)
        broken("node " + label(node.node) + ": it divides by zero");
    return {apply(
        node, node.input(0), node.input(1),
        integers ? [](double a, double b) { return std::trunc(a / b); } : [](double a, double b) { return a / b; })};
}

/// Takes the sign of the divisor, or with fmod that of the dividend.
Results modulo(const FoldNode& node) {
    if (std::ranges::count(node.input(1).values, 0.0) > 0) broken("node " + label(node.node) + ": it divides by zero");
    return {apply(
        node, node.input(0), node.input(1),
        integer_attribute(node.node, "fmod", 0) != 0 ? [](double a, double b) { return std::fmod(a, b); }
                                                     : [](double a, double b) { return a - b * std::floor(a / b); })};
}

Results where(const FoldNode& node) {
    const Dims dims = common_dims(node, node.input(0).dims, common_dims(node, node.input(1).dims, node.input(2).dims));
    const Constant condition = expanded(node, node.input(0), dims), other = expanded(node, node.input(2), dims);
    Constant result = expanded(node, node.input(1), dims);
    for (std::size_t i = 0; i < result.values.size(); ++i)
        if (condition.values[i] == 0) result.values[i] = other.values[i];
    return {result};
}

Results average(const FoldNode& node) {
    Results sum = elementwise<add>(node);
    for (double& value : sum[0].values) value /= static_cast<double>(node.inputs.size());
    return sum;
}

enum class Reduction { kSum, kMean, kProduct, kLeast, kMost };

template <Reduction kind>
Results reduce(const FoldNode& node) {
    const Constant& in = node.input(0);
    const std::vector<bool> reduced = reduced_dims(node.node, in.dims.size(), node.inputs);
    Dims kept = in.dims;  // with extent 1 where reduced
    for (std::size_t i = 0; i < kept.size(); ++i)
        if (reduced[i]) kept[i] = 1;
    const Dims strides = strides_of(in.dims), to = strides_of(kept);
    Constant result{kept, {}, in.type};
    result.values.resize(folded_size(node, kept));
    std::vector<double> count(result.values.size(), 0.0);
    for (std::size_t index = 0; index < in.values.size(); ++index) {
        std::size_t at = 0;
        for (std::size_t i = 0; i < kept.size(); ++i)
            if (!reduced[i])
                at += static_cast<std::size_t>(static_cast<std::int64_t>(index) / strides[i] % kept[i] * to[i]);
        double& value = result.values[at];
        const double next = in.values[index];
        if (count[at]++ == 0)
            value = next;
        else if (kind == Reduction::kProduct)
            value *= next;
        else if (kind == Reduction::kLeast)
            value = std::min(value, next);
        else if (kind == Reduction::kMost)
            value = std::max(value, next);
        else
            value += next;
    }
    for (std::size_t i = 0; i < count.size(); ++i) {
        if (count[i] == 0) result.values[i] = kind == Reduction::kProduct ? 1 : 0;
        if (kind == Reduction::kMean && count[i] > 0) result.values[i] /= count[i];
    }
    if (integer_attribute(node.node, "keepdims", 1) == 0) {
        result.dims.clear();
        for (std::size_t i = 0; i < kept.size(); ++i)
            if (!reduced[i]) result.dims.push_back(kept[i]);
    }
    return {result};
}

}  // namespace

const std::map<std::string, Fold>& arithmetic_folds() {
    static const std::map<std::string, Fold> folds = {
        {"Abs", each<magnitude>},
        {"Add", elementwise<add>},
        {"And", comparison<both>},
        {"Ceil", each<rounded_up>},
        {"Div", divide},
        {"Equal", comparison<equal>},
        {"Exp", each<exponential>},
        {"Sin", each<sine>},
        {"Cos", each<cosine>},
        {"Floor", each<rounded_down>},
        {"Greater", comparison<greater>},
        {"Less", comparison<less>},
        {"Max", elementwise<most>},
        {"Mean", average},
        {"Min", elementwise<least>},
        {"Mod", modulo},
        {"Mul", elementwise<multiply>},
        {"Neg", each<negated>},
        {"Not", each<inverted>},
        {"Or", comparison<either>},
        {"Pow", elementwise<power>},
        {"Reciprocal", each<reciprocal>},
        {"ReduceMax", reduce<Reduction::kMost>},
        {"ReduceMean", reduce<Reduction::kMean>},
        {"ReduceMin", reduce<Reduction::kLeast>},
        {"ReduceProd", reduce<Reduction::kProduct>},
        {"ReduceSum", reduce<Reduction::kSum>},
        {"Sqrt", each<root>},
        {"Sub", elementwise<subtract>},
        {"Sum", elementwise<add>},
        {"Where", where},
    };
    return folds;
}

}  // namespace flash::compiler
