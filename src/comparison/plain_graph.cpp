#include "comparison/plain_graph.h"

namespace flash::comparison {

namespace {

using compiler::FloatGraph;
using compiler::GraphNode;
using compiler::Quadratic;
using Kind = GraphNode::Kind;

Quadratic everywhere(int channels, double a, double b, double c) {
    const auto count = static_cast<std::size_t>(channels);
    return {std::vector<double>(count, a), std::vector<double>(count, b), std::vector<double>(count, c)};
}

class GraphMaker {
public:
    explicit GraphMaker(const model::Architecture& architecture) : architecture_(architecture) {
        graph_.input = architecture.input;
    }

    FloatGraph run() {
        for (const model::Layer& layer : architecture_.layers) values_.push_back(add_layer(layer));
        return std::move(graph_);
    }

private:
    int append(GraphNode node) {
        graph_.nodes.push_back(std::move(node));
        return static_cast<int>(graph_.nodes.size());
    }

    int pooled(const model::Term& term) {
        const int source = values_[static_cast<std::size_t>(term.source)];
        return term.pool
                   ? append({Kind::kAverage, {source}, architecture_.pooled_shape(term), *term.pool, 1, {}, {}, {}})
                   : source;
    }

    /// Shortcuts are added up first, and the convolutions onto them: so every sum but those of two shortcuts is part of
    /// a convolution.
    int add_layer(const model::Layer& layer) {
        std::optional<int> result;
        for (const model::Term& term : layer.terms) {
            if (term.kind == model::TermKind::kConvolution) continue;
            const int value = pooled(term);
            result = result ? append({Kind::kSum, {*result, value}, layer.output, {}, 1, {}, {}, {}}) : value;
        }
        bool last_is_convolution = false;
        for (const model::Term& term : layer.terms) {
            if (term.kind != model::TermKind::kConvolution) continue;
            GraphNode node{Kind::kConvolution, {pooled(term)}, layer.output, term.window, term.groups, {}, {}, {}};
            if (result) node.inputs.push_back(*result);
            result = append(std::move(node));
            last_is_convolution = true;
        }
        if (!layer.activation) return *result;
        if (layer.curve == model::Curve::kSine) {
            const std::vector<double> one(static_cast<std::size_t>(layer.output.channels), 1.0);
            result =
                append({Kind::kSine, {*result}, layer.output, {}, 1, {}, {}, {}, compiler::Sine{one, one, one, one}});
            return *result;
        }
        // x^2 + x = (x + 1/2)^2 - 1/4, the half being part of the bias.
        if (last_is_convolution)
            graph_.nodes.back().activation = everywhere(layer.output.channels, 1, 0, -0.25);
        else
            result = append(
                {Kind::kQuadratic, {*result}, layer.output, {}, 1, {}, {}, everywhere(layer.output.channels, 1, 1, 0)});
        return *result;
    }

    const model::Architecture& architecture_;
    FloatGraph graph_;
    std::vector<int> values_{0};  ///< of each value of the architecture: one of the graph
};

}  // namespace

FloatGraph graph_of(const model::Architecture& architecture) { return GraphMaker(architecture).run(); }

}  // namespace flash::comparison
