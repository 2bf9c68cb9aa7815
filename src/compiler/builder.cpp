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

/// Calls body(part, its first channel).
template <class Parts, class Body>
void for_each_part(Parts& parts, Body&& body) {
    std::size_t first = 0;
    for (auto& part : parts) {
        body(part, first);
        first += part.channels();
    }
}

std::vector<double> slice(const std::vector<double>& values, std::size_t first, std::size_t count) {
    return {values.begin() + static_cast<std::ptrdiff_t>(first),
            values.begin() + static_cast<std::ptrdiff_t>(first + count)};
}

bool same_parts(const Tensor& left, const Tensor& right) {
    return std::ranges::equal(left.parts, right.parts, {}, &Part::channels, &Part::channels);
}

}  // namespace

Builder::Builder(const model::Shape& input, std::set<int> spanned) : input_(input), spanned_(std::move(spanned)) {
    bases_.push_back({identity(0, input), {}, {}, 0, {}, {}});
}

Tensor Builder::input() const { return {{{0, unit(input_.channels)}}, input_}; }

Tensor Builder::from_linear(Linear expression) {
    if (expression.terms.size() > static_cast<std::size_t>(model::kMaxTerms))
        refuse(expression.name, fmt::format("it adds up {} linear maps of earlier activations; Flash allows {}",
                                            expression.terms.size(), model::kMaxTerms));
    Tensor tensor{{{static_cast<int>(bases_.size()), unit(expression.shape.channels)}}, expression.shape};
    bases_.push_back({std::move(expression), {}, {}, 0, {}, {}});
    return tensor;
}

Tensor Builder::affine(Tensor tensor, const std::vector<double>& scale, const std::vector<double>& shift) const {
    for_each_part(tensor.parts, [&](Part& part, std::size_t first) {
        rescale(part, std::span(scale).subspan(first, part.channels()),
                std::span(shift).subspan(first, part.channels()));
    });
    return tensor;
}

Tensor Builder::normalise(const Tensor& tensor, const std::vector<double>& scale, const std::vector<double>& shift,
                          const std::string& node) {
    // What others may read with another batch norm stays one expression: then all its activations are polynomials of
    // the same.
    if (tensor.concatenated) return affine(tensor, scale, shift);
    Tensor result = tensor;
    for_each_part(result.parts, [&](Part& part, std::size_t first) {
        const std::vector<double> own_scale = slice(scale, first, part.channels()),
                                  own_shift = slice(shift, first, part.channels());
        if (part.curved()) return rescale(part, own_scale, own_shift);
        Linear expression = linear(part, true, node);
        scale_channels(expression, own_scale, own_shift);
        if (expression.name.empty()) expression.name = node;
        part = from_linear(std::move(expression)).parts[0];
    });
    return result;
}

int Builder::add_layer(const Base& from, Linear linear, const Curve& curve, const std::string& node) {
    layers_.push_back({from.linear.name.empty() ? node : from.linear.name, std::move(linear.terms),
                       std::move(linear.bias), linear.shape, curve});
    return static_cast<int>(layers_.size());
}

void Builder::refuse_linear_activation(int base, const Quadratic& poly, const std::string& node) const {
    for (std::size_t c = 0; c < poly.a.size(); ++c)
        if (poly.a[c] == 0 && poly.b[c] != 0)
            refuse(node, fmt::format("the activation of {} is linear in channel {} (its quadratic coefficient is zero "
                                     "there). Give every channel "
                                     "a quadratic coefficient that is not zero",
                                     bases_[base].linear.name, c));
}

int Builder::materialise(const Part& part, const std::string& node) {
    Base& from = bases_[part.base];
    for (const auto& [known, value] : from.values)
        if (known == part.curve) return value;
    if (!part.sine()) refuse_linear_activation(part.base, part.poly(), node);
    const int value = add_layer(from, from.linear, part.curve, node);
    from.values.emplace_back(part.curve, value);
    return value;
}

/// A curved part becomes a value, or a linear function of one that is there: something is to be done with it that its
/// curve has no room for.
void Builder::make_value(Part& part, const std::string& node) {
    Part origin = part;
    for (const auto& [known, value] : bases_[part.base].values)
        if (relate(part.curve, known)) origin.curve = known;
    const Relation relation = *relate(part.curve, origin.curve);
    const int value = materialise(origin, node);
    part = {base_of_value(origin, value), relation.line()};
}

/// The polynomial of an expression x as one of u = b x + c, its normalised form.
Quadratic Builder::in_normalised(const Base& base, const Quadratic& poly) const {
    Quadratic result = poly;
    for (std::size_t c = 0; base.normalised && c < poly.a.size(); ++c) {
        const double scale = base.normalised->b[c], shift = base.normalised->c[c] / scale;  // x = u / scale - shift
        result.a[c] = poly.a[c] / (scale * scale);
        result.b[c] = (poly.b[c] - 2 * poly.a[c] * shift) / scale;
        result.c[c] = (poly.a[c] * shift - poly.b[c]) * shift + poly.c[c];
    }
    return result;
}

std::optional<Linear> Builder::combine(const Part& part, const std::string& node) {
    Base& from = bases_[part.base];
    const std::size_t channels = part.channels();
    const Quadratic poly = in_normalised(from, part.poly());
    if (!from.two_activations) {
        for (double a : poly.a)
            if (a == 0) return std::nullopt;
        // a u^2 + b u + c and a u^2 - b' u, with b' = b if b is large enough beside a: their differences are then
        // well-conditioned. u has a mean near zero, which x need not have; where it has not, x^2 and x say almost the
        // same.
        Quadratic both = poly;
        for (std::size_t c = 0; c < channels; ++c) {
            both.a.push_back(both.a[c]);
            both.b.push_back(-std::copysign(std::max(std::abs(both.b[c]), std::sqrt(std::abs(both.a[c]))), both.b[c]));
            both.c.push_back(0);
        }
        Linear normalised = from.linear;
        if (from.normalised) scale_channels(normalised, from.normalised->b, from.normalised->c);
        const int width = 2 * normalised.shape.channels;
        Linear twice = compiler::add(embed(normalised, 0, width), embed(normalised, width / 2, width), 1);
        from.two_activations = {both, add_layer(from, std::move(twice), both, node)};
    }
    const Quadratic& both = from.two_activations->polynomials;
    FloatTerm term{from.two_activations->value,
                   {},
                   model::TermKind::kConvolution,
                   {},
                   std::vector<double>(channels * 2 * channels, 0.0)};
    Linear result{"", from.linear.shape, {}, std::vector<double>(channels, 0.0)};
    for (std::size_t c = 0; c < channels; ++c) {
        const double a1 = both.a[c], b1 = both.b[c], a2 = both.a[c + channels], b2 = both.b[c + channels];
        const double determinant = a1 * b2 - a2 * b1;
        const double first = (poly.a[c] * b2 - a2 * poly.b[c]) / determinant,
                     second = (a1 * poly.b[c] - poly.a[c] * b1) / determinant;
        term.weights[c * 2 * channels + c] = first;
        term.weights[c * 2 * channels + channels + c] = second;
        result.bias[c] = poly.c[c] - first * both.c[c] - second * both.c[c + channels];
    }
    result.terms.push_back(std::move(term));
    return result;
}

int Builder::base_of_value(const Part& origin, int value) {
    for (std::size_t i = 0; i < bases_.size(); ++i)
        if (bases_[i].origin && *bases_[i].origin == origin) return static_cast<int>(i);
    bases_.push_back({identity(value, layers_[value - 1].output), {}, origin, 0, {}, {}});
    return static_cast<int>(bases_.size()) - 1;
}

void Builder::align(Part& left, Part& right) const {
    compiler::align(left, right, [&](int base) { return bases_[base].origin; });
}

Part Builder::add(Part& left, Part& right, double sign, const std::string& node) {
    align(left, right);
    if (left.base == right.base)
        if (std::optional<Curve> curve = compiler::add(left.curve, right.curve, sign))
            return {left.base, std::move(*curve)};
    Linear sum = compiler::add(linear(left, true, node), linear(right, true, node), sign);
    sum.name = node;
    return from_linear(std::move(sum)).parts[0];
}

Tensor Builder::add(Tensor& left, Tensor& right, double sign, const std::string& node) {
    Tensor result = left;
    if (same_parts(left, right)) {
        for (std::size_t p = 0; p < left.parts.size(); ++p)
            result.parts[p] = add(left.parts[p], right.parts[p], sign, node);
        return result;
    }
    Linear sum = compiler::add(linear(left, true, node), linear(right, true, node), sign);
    sum.name = node;
    result.parts = from_linear(std::move(sum)).parts;
    return result;
}

Part Builder::multiply(Part& left, Part& right, const std::string& node) {
    align(left, right);
    if (left.base != right.base)
        refuse(node,
               "it multiplies two different tensors. Flash multiplies a tensor by itself (the activation x*x + x) and "
               "by constants per channel");
    std::optional<Quadratic> product;
    if (!left.sine() && !right.sine()) product = compiler::multiply(left.poly(), right.poly());
    if (!product) {
        // A square of something that is itself an activation: that activation becomes a value, and both operands are
        // rewritten as linear functions of it. An existing value that differs by a factor and a constant will do.
        if (left.curved() && right.curved() && relate(left.curve, right.curve)) {
            make_value(right, node);
            if (left.curved()) make_value(left, node);  // else both operands are one part
            product = compiler::multiply(left.poly(), right.poly());
        }
        if (!product)
            refuse(node,
                   "this product makes a polynomial of degree three or more. Flash runs activations of degree two, "
                   "a*x*x + b*x + c, with a "
                   "linear layer between two of them");
    }
    std::optional<Quadratic>& normalised = bases_[left.base].normalised;
    const bool usable = std::ranges::all_of(left.poly().a, [](double a) { return a == 0; }) &&
                        std::ranges::none_of(left.poly().b, [](double b) { return b == 0; });
    if (!normalised && usable) normalised = left.poly();
    return {left.base, std::move(*product)};
}

Tensor Builder::multiply(Tensor& left, Tensor& right, const std::string& node) {
    if (!same_parts(left, right)) refuse(node, "it multiplies two different tensors, of which one is a concatenation");
    Tensor result = left;
    for (std::size_t p = 0; p < left.parts.size(); ++p) result.parts[p] = multiply(left.parts[p], right.parts[p], node);
    return result;
}

Tensor Builder::sine(Tensor tensor, bool cosine, const std::string& node) {
    for (Part& part : tensor.parts) {
        if (part.curved()) make_value(part, node);
        part = {part.base, sine_of(part.poly(), cosine)};
    }
    return tensor;
}

Tensor Builder::concatenate(const std::vector<Tensor>& tensors) const {
    Tensor result = tensors[0];
    result.parts.clear();
    result.shape.channels = 0;
    result.concatenated = true;
    for (const Tensor& tensor : tensors) {
        result.parts.insert(result.parts.end(), tensor.parts.begin(), tensor.parts.end());
        result.shape.channels += tensor.shape.channels;
    }
    return result;
}

Tensor Builder::convolve(const Tensor& tensor, const std::vector<double>& weights, int out_channels,
                         const model::Window& window, const std::vector<double>& bias, const std::string& node,
                         int groups) {
    if (tensor.parts.size() == 1)
        return from_linear(compiler::convolve(linear(tensor.parts[0], !padded(window), node), weights, out_channels,
                                              window, bias, node, groups));
    const auto outputs = static_cast<std::size_t>(out_channels),
               inputs = static_cast<std::size_t>(tensor.shape.channels);
    const std::size_t kernel = static_cast<std::size_t>(window.kernel_h) * static_cast<std::size_t>(window.kernel_w);
    if (groups == 1) {
        Linear sum;
        for_each_part(tensor.parts, [&](const Part& part, std::size_t first) {
            std::vector<double> own;
            own.reserve(outputs * part.channels() * kernel);
            for (std::size_t o = 0; o < outputs; ++o) {
                const auto begin = weights.begin() + static_cast<std::ptrdiff_t>((o * inputs + first) * kernel);
                own.insert(own.end(), begin, begin + static_cast<std::ptrdiff_t>(part.channels() * kernel));
            }
            Linear term = compiler::convolve(linear(part, !padded(window), node), own, out_channels, window,
                                             first == 0 ? bias : std::vector<double>(outputs, 0.0), node);
            sum = first == 0 ? std::move(term) : compiler::add(std::move(sum), std::move(term), 1);
        });
        return from_linear(std::move(sum));
    }
    const std::size_t group_inputs = inputs / static_cast<std::size_t>(groups),
                      group_outputs = outputs / static_cast<std::size_t>(groups);
    Tensor result;
    for_each_part(tensor.parts, [&](const Part& part, std::size_t first) {
        if (first % group_inputs != 0 || part.channels() % group_inputs != 0)
            refuse(node, "a group of this convolution reads from several parts of a concatenation");
        const std::size_t own_groups = part.channels() / group_inputs, from = first / group_inputs * group_outputs,
                          count = own_groups * group_outputs;
        const Tensor own = from_linear(compiler::convolve(
            linear(part, !padded(window), node),
            slice(weights, from * group_inputs * kernel, count * group_inputs * kernel), static_cast<int>(count),
            window, slice(bias, from, count), node, static_cast<int>(own_groups)));
        result.parts.push_back(own.parts[0]);
        result.shape = own.shape;
    });
    result.shape.channels = out_channels;
    return result;
}

Tensor Builder::average_pool(const Tensor& tensor, const model::Window& window, const std::string& node) {
    Tensor result = tensor;
    for (Part& part : result.parts) {
        const Tensor pooled = from_linear(compiler::average_pool(linear(part, !padded(window), node), window, node));
        part = pooled.parts[0];
        result.shape.height = pooled.shape.height;
        result.shape.width = pooled.shape.width;
    }
    return result;
}

Tensor Builder::clip(Tensor tensor, double low, double high, const std::string& node) {
    for (const Part& part : tensor.parts) clips_.push_back({part, low, high, node});
    return tensor;
}

Linear Builder::linear(const Part& part, bool allow_bias, const std::string& node) {
    Base& base = bases_[part.base];
    if (!part.curved()) {
        Linear result = base.linear;
        scale_channels(result, part.poly().b, part.poly().c);
        return result;
    }
    if (!part.sine() && allow_bias && spanned_.contains(part.base))
        if (std::optional<Linear> combination = combine(part, node)) return *combination;
    for (const auto& [known, value] : base.values) {
        if (known == part.curve) break;
        const std::optional<Relation> relation = relate(part.curve, known);
        if (!relation || (relation->shifted() && !allow_bias)) continue;
        Linear result = identity(value, base.linear.shape);
        scale_channels(result, relation->scale, relation->shift);
        return result;
    }
    const std::size_t before = base.values.size();
    const int value = materialise(part, node);
    if (!part.sine() && allow_bias && base.values.size() > before) ++base.replaceable;
    return identity(value, base.linear.shape);
}

Linear Builder::linear(const Tensor& tensor, bool allow_bias, const std::string& node) {
    if (tensor.parts.size() == 1) return linear(tensor.parts[0], allow_bias, node);
    Linear sum;
    for_each_part(tensor.parts, [&](const Part& part, std::size_t first) {
        Linear own = embed(linear(part, allow_bias, node), static_cast<int>(first), tensor.shape.channels);
        sum = first == 0 ? std::move(own) : compiler::add(std::move(sum), std::move(own), 1);
    });
    return sum;
}

}  // namespace flash::compiler
