#include "compiler/builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace flash::compiler {
namespace {

[[noreturn]] void refuse(const std::string& node, const std::string& why) {
    throw Error(ErrorKind::kUnsupported, fmt::format("node {}: {}", node, why));
}

Quadratic unit(int channels) {
    const auto count = static_cast<std::size_t>(channels);
    return {std::vector<double>(count, 0.0), std::vector<double>(count, 1.0), std::vector<double>(count, 0.0)};
}

bool quadratic(const Quadratic& p) {
    return std::ranges::any_of(p.a, [](double a) { return a != 0; });
}

bool close(double x, double y) { return std::abs(x - y) <= 1e-9 * std::max(std::abs(x), std::abs(y)); }

/// p = scale * q + shift, channel by channel, if that is so.
struct Relation {
    std::vector<double> scale, shift;
    bool shifted() const {
        return std::ranges::any_of(shift, [](double s) { return s != 0; });
    }
};

std::optional<Relation> relate(const Quadratic& p, const Quadratic& q) {
    Relation relation;
    for (std::size_t c = 0; c < p.a.size(); ++c) {
        double scale = 0;
        if (q.a[c] != 0 || q.b[c] != 0) {
            scale = q.a[c] != 0 ? p.a[c] / q.a[c] : p.b[c] / q.b[c];
            if (!close(p.a[c], scale * q.a[c]) || !close(p.b[c], scale * q.b[c])) return std::nullopt;
        } else {
            if (p.a[c] != 0 || p.b[c] != 0) return std::nullopt;
            scale = q.c[c] != 0 ? p.c[c] / q.c[c] : 0;
        }
        relation.scale.push_back(scale);
        relation.shift.push_back(close(p.c[c], scale * q.c[c]) ? 0 : p.c[c] - scale * q.c[c]);
    }
    return relation;
}

}  // namespace

Builder::Builder(const model::Shape& input) : input_(input) { bases_.push_back({identity(0, input), {}, {}}); }

Tensor Builder::input() const { return {0, unit(input_.channels), input_, false, {}}; }

Tensor Builder::from_linear(Linear expression) {
    if (expression.terms.size() > static_cast<std::size_t>(model::kMaxTerms))
        refuse(expression.name, fmt::format("it adds up {} linear maps of earlier activations; Flash allows {}", expression.terms.size(), model::kMaxTerms));
    Tensor tensor{static_cast<int>(bases_.size()), unit(expression.shape.channels), expression.shape, false, {}};
    bases_.push_back({std::move(expression), {}, {}});
    return tensor;
}

Tensor Builder::affine(Tensor tensor, const std::vector<double>& scale, const std::vector<double>& shift) const {
    for (std::size_t c = 0; c < scale.size(); ++c) {
        tensor.poly.a[c] *= scale[c];
        tensor.poly.b[c] *= scale[c];
        tensor.poly.c[c] = tensor.poly.c[c] * scale[c] + shift[c];
    }
    return tensor;
}

Tensor Builder::normalise(const Tensor& tensor, const std::vector<double>& scale, const std::vector<double>& shift, const std::string& node) {
    if (quadratic(tensor.poly)) return affine(tensor, scale, shift);
    Linear expression = linear(tensor, true, node);
    scale_channels(expression, scale, shift);
    if (expression.name.empty()) expression.name = node;
    Tensor result = from_linear(std::move(expression));
    result.flat = tensor.flat;
    return result;
}

int Builder::materialise(int base, const Quadratic& poly, const std::string& node) {
    Base& from = bases_[static_cast<std::size_t>(base)];
    for (const auto& [known, value] : from.values)
        if (known == poly) return value;
    for (std::size_t c = 0; c < poly.a.size(); ++c)
        if (poly.a[c] == 0 && poly.b[c] != 0)
            refuse(node, fmt::format("the activation of {} is linear in channel {} (its quadratic coefficient is zero there). Give every channel "
                                     "a quadratic coefficient that is not zero",
                                     from.linear.name, c));
    layers_.push_back({from.linear.name.empty() ? node : from.linear.name, from.linear.terms, from.linear.bias, from.linear.shape, poly});
    const auto value = static_cast<int>(layers_.size());
    if (value >= model::kMaxLayers) refuse(node, fmt::format("the network has more than {} layers", model::kMaxLayers));
    from.values.emplace_back(poly, value);
    return value;
}

int Builder::base_of_value(int base, const Quadratic& poly, int value) {
    for (std::size_t i = 0; i < bases_.size(); ++i)
        if (bases_[i].origin && bases_[i].origin->first == base && bases_[i].origin->second == poly) return static_cast<int>(i);
    bases_.push_back({identity(value, layers_[static_cast<std::size_t>(value - 1)].output), {}, std::pair(base, poly)});
    return static_cast<int>(bases_.size()) - 1;
}

void Builder::align(Tensor& left, Tensor& right) const {
    if (left.base == right.base) return;
    const auto rebase = [&](Tensor& tensor, int target) {
        const auto& origin = bases_[static_cast<std::size_t>(target)].origin;
        if (!origin || origin->first != tensor.base) return false;
        const std::optional<Relation> relation = relate(tensor.poly, origin->second);
        if (!relation) return false;
        tensor.base = target;
        tensor.poly = {std::vector<double>(relation->scale.size(), 0.0), relation->scale, relation->shift};
        return true;
    };
    if (!rebase(left, right.base)) rebase(right, left.base);
}

Tensor Builder::add(Tensor& left, Tensor& right, double sign, const std::string& node) {
    if (left.shape != right.shape || left.flat != right.flat)
        refuse(node, "it adds tensors of different shapes; Flash adds tensors of equal shape and constants per channel");
    align(left, right);
    if (left.base == right.base) {
        Tensor sum = left;
        for (std::size_t c = 0; c < sum.poly.a.size(); ++c) {
            sum.poly.a[c] += sign * right.poly.a[c];
            sum.poly.b[c] += sign * right.poly.b[c];
            sum.poly.c[c] += sign * right.poly.c[c];
        }
        return sum;
    }
    Linear sum = compiler::add(linear(left, true, node), linear(right, true, node), sign);
    sum.name = node;
    Tensor result = from_linear(std::move(sum));
    result.flat = left.flat;
    return result;
}

Tensor Builder::multiply(Tensor& left, Tensor& right, const std::string& node) {
    if (left.shape != right.shape || left.flat != right.flat) refuse(node, "it multiplies tensors of different shapes");
    align(left, right);
    if (left.base != right.base)
        refuse(node, "it multiplies two different tensors. Flash multiplies a tensor by itself (the activation x*x + x) and by constants per channel");
    const auto too_high = [&] {
        for (std::size_t c = 0; c < left.poly.a.size(); ++c)
            if ((left.poly.a[c] != 0 && (right.poly.a[c] != 0 || right.poly.b[c] != 0)) || (right.poly.a[c] != 0 && left.poly.b[c] != 0)) return true;
        return false;
    };
    if (too_high()) {
        // A square of something that is itself an activation: that activation becomes a value, and both operands are
        // rewritten as linear functions of it. An existing value that differs by a factor and a constant will do.
        Quadratic target = right.poly;
        for (const auto& [known, value] : bases_[static_cast<std::size_t>(right.base)].values)
            if (relate(right.poly, known)) target = known;
        if (quadratic(left.poly) && quadratic(right.poly) && relate(left.poly, target)) {
            const int value = materialise(right.base, target, node);
            const int base = base_of_value(right.base, target, value);
            for (Tensor* tensor : {&left, &right}) {
                if (tensor->base == base) continue;  // both operands are one tensor
                const Relation relation = *relate(tensor->poly, target);
                tensor->base = base;
                tensor->poly = {std::vector<double>(relation.scale.size(), 0.0), relation.scale, relation.shift};
            }
        }
        if (too_high())
            refuse(node, "this product makes a polynomial of degree three or more. Flash runs activations of degree two, a*x*x + b*x + c, with a "
                         "linear layer between two of them");
    }
    Tensor product = left;
    for (std::size_t c = 0; c < product.poly.a.size(); ++c) {
        const double a1 = left.poly.a[c], b1 = left.poly.b[c], c1 = left.poly.c[c];
        const double a2 = right.poly.a[c], b2 = right.poly.b[c], c2 = right.poly.c[c];
        product.poly.a[c] = a1 * c2 + b1 * b2 + c1 * a2;
        product.poly.b[c] = b1 * c2 + c1 * b2;
        product.poly.c[c] = c1 * c2;
    }
    return product;
}

Linear Builder::linear(const Tensor& tensor, bool allow_bias, const std::string& node) {
    const Base& base = bases_[static_cast<std::size_t>(tensor.base)];
    if (!quadratic(tensor.poly)) {
        Linear result = base.linear;
        scale_channels(result, tensor.poly.b, tensor.poly.c);
        return result;
    }
    for (const auto& [known, value] : base.values) {
        if (known == tensor.poly) break;
        const std::optional<Relation> relation = relate(tensor.poly, known);
        if (!relation || (relation->shifted() && !allow_bias)) continue;
        Linear result = identity(value, tensor.shape);
        scale_channels(result, relation->scale, relation->shift);
        return result;
    }
    return identity(materialise(tensor.base, tensor.poly, node), tensor.shape);
}

Network Builder::finish(const Tensor& result, const std::string& node) {
    Linear last = linear(result, true, node);
    Network network;
    network.input = input_;
    layers_.push_back({last.name.empty() ? node : last.name, std::move(last.terms), std::move(last.bias), last.shape, std::nullopt});

    std::vector<bool> needed(layers_.size(), false);
    needed.back() = true;
    for (std::size_t i = layers_.size(); i-- > 0;)
        for (const FloatTerm& term : layers_[i].terms)
            if (needed[i] && term.source > 0) needed[static_cast<std::size_t>(term.source - 1)] = true;
    std::vector<int> renumbered(layers_.size() + 1, 0);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        if (!needed[i]) continue;
        for (FloatTerm& term : layers_[i].terms) term.source = renumbered[static_cast<std::size_t>(term.source)];
        network.layers.push_back(std::move(layers_[i]));
        renumbered[i + 1] = static_cast<int>(network.layers.size());
    }
    network.prepare();
    return network;
}

}  // namespace flash::compiler
