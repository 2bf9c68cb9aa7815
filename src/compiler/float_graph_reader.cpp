// From the operations of an ONNX graph to a FloatGraph. A tensor is a polynomial of degree two or a sine of one value,
// channel by channel, until something other than arithmetic with constants reads it: so the many ways to write a batch
// norm or an activation all become one node.
#include <algorithm>
#include <map>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "compiler/curve.h"
#include "compiler/float_graph.h"
#include "compiler/onnx/node.h"
#include "compiler/onnx/reader.h"

namespace flash::compiler {
namespace {

using Kind = GraphNode::Kind;

class FloatGraphBuilder {
public:
    explicit FloatGraphBuilder(const OperationGraph& graph) : operations_(graph) {
        result_.input = graph.input;
        parts_.push_back({0, unit(graph.input.channels)});
        for (const Operation& operation : graph.operations)
            parts_.push_back(std::visit([&](const auto& what) { return apply(what, operation); }, operation.what));
    }

    FloatGraph run() {
        if (value_of(operations_.result) != static_cast<int>(result_.nodes.size()))
            broken("its output is not what it computes last");
        fuse(result_);
        return std::move(result_);
    }

private:
    /// What a value of the operations is: base is a value of the FloatGraph here.
    Part& part(int value) { return parts_[static_cast<std::size_t>(value)]; }

    int append(GraphNode node) {
        result_.nodes.push_back(std::move(node));
        return static_cast<int>(result_.nodes.size());
    }
    Part append_linear(GraphNode node) {
        const int channels = node.output.channels;
        return {append(std::move(node)), unit(channels)};
    }

    /// The number of a part's value; a curve becomes a node, once.
    int value_of(const Part& of, const model::Shape& shape) {
        if (of.curve == Curve(unit(shape.channels))) return of.base;
        auto& known = curves_[of.base];
        for (const auto& [curve, value] : known)
            if (curve == of.curve) return value;
        GraphNode node{of.sine() ? Kind::kSine : Kind::kQuadratic, {of.base}, shape, {}, 1, {}, {}, {}, {}};
        if (of.sine())
            node.sine = std::get<Sine>(of.curve);
        else
            node.activation = of.poly();
        const int value = append(std::move(node));
        known.emplace_back(of.curve, value);
        origins_.emplace(value, of);
        return value;
    }
    int value_of(int value) { return value_of(part(value), operations_.shape_of(value)); }

    /// What a value is, if it is a polynomial of another.
    std::optional<Part> origin(int value) const {
        const auto found = origins_.find(value);
        return found == origins_.end() ? std::nullopt : std::optional<Part>(found->second);
    }
    void align(Part& left, Part& right) const {
        compiler::align(left, right, [&](int base) { return origin(base); });
    }

    Part apply(const Convolve& what, const Operation& operation) {
        return append_linear({Kind::kConvolution,
                              {value_of(what.of)},
                              operation.output,
                              what.window,
                              what.groups,
                              std::vector<float>(what.weights.begin(), what.weights.end()),
                              std::vector<float>(what.bias.begin(), what.bias.end()),
                              {}});
    }
    Part apply(const Average& what, const Operation& operation) {
        return append_linear({Kind::kAverage, {value_of(what.of)}, operation.output, what.window, 1, {}, {}, {}});
    }
    Part apply(const Affine& what, const Operation&) {
        Part result = part(what.of);
        rescale(result, what.scale, what.shift);
        return result;
    }
    Part apply(const Sum& what, const Operation& operation) {
        Part &left = part(what.left), &right = part(what.right);
        align(left, right);
        if (left.base == right.base)
            if (std::optional<Curve> curve = add(left.curve, right.curve, what.sign))
                return {left.base, std::move(*curve)};
        Part summand = right;
        rescale(summand, std::vector<double>(right.channels(), what.sign), std::vector<double>(right.channels(), 0.0));
        const int first = value_of(left, operation.output), second = value_of(summand, operation.output);
        return append_linear({Kind::kSum, {first, second}, operation.output, {}, 1, {}, {}, {}});
    }
    Part apply(const Product& what, const Operation& operation) {
        Part &left = part(what.left), &right = part(what.right);
        align(left, right);
        if (left.base != right.base) unsupported(operation.node, "it multiplies two different maps");
        const auto polynomials = [&] { return left.base == right.base && !left.sine() && !right.sine(); };
        std::optional<Quadratic> product;
        if (polynomials()) product = multiply(left.poly(), right.poly());
        if (!product) {
            // An activation of an activation: the inner one becomes a value.
            const int value = value_of(right, operation.output);
            rebase(left, value, origin(value));
            rebase(right, value, origin(value));
            if (polynomials()) product = multiply(left.poly(), right.poly());
        }
        if (!product) unsupported(operation.node, "it makes a polynomial of degree three or more");
        return {left.base, std::move(*product)};
    }
    Part apply(const SineOf& what, const Operation& operation) {
        const Part& of = part(what.of);
        if (!of.curved()) return {of.base, sine_of(of.poly(), what.cosine)};
        return {value_of(of, operation.output), sine_of(unit(operation.output.channels), what.cosine)};
    }
    Part apply(const Concatenate& what, const Operation& operation) {
        if (what.of.size() == 1) return part(what.of[0]);
        GraphNode node{Kind::kConcatenation, {}, operation.output, {}, 1, {}, {}, {}};
        for (int value : what.of) node.inputs.push_back(value_of(value));
        return append_linear(std::move(node));
    }
    Part apply(const Clip&, const Operation& operation) { unsupported(operation.node, advice("Clip")); }

    const OperationGraph& operations_;
    std::vector<Part> parts_;                                   ///< of the operations' values
    std::map<int, std::vector<std::pair<Curve, int>>> curves_;  ///< of a value: those that are nodes
    std::map<int, Part> origins_;                               ///< the other way round
    FloatGraph result_;
};

}  // namespace

FloatGraph import_float_graph(std::span<const std::uint8_t> bytes) {
    const OperationGraph operations = read_graph(parse_model(bytes));
    return FloatGraphBuilder(operations).run();
}

FloatGraph import_float_graph(const std::filesystem::path& path) {
    const ExternalData external(path.parent_path());
    const OperationGraph operations = read_graph(parse_model(read_file(path.string(), kMaxOnnxBytes)), &external);
    return FloatGraphBuilder(operations).run();
}

}  // namespace flash::compiler
