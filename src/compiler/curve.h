// What an activation computes: a polynomial of degree two or a sine, channel by channel; and parts of tensors, which
// are curves of a linear expression.
#pragma once

#include <cmath>
#include <numbers>
#include <optional>
#include <variant>

#include "compiler/quadratic.h"
#include "compiler/sine.h"

namespace flash::compiler {

using Curve = std::variant<Quadratic, Sine>;

inline std::size_t channels(const Curve& curve) {
    return std::visit([](const auto& of) { return of.channels(); }, curve);
}

inline double value_at(const Quadratic& poly, std::size_t channel, double x) {
    return (poly.a[channel] * x + poly.b[channel]) * x + poly.c[channel];
}
inline double value_at(const Sine& sine, std::size_t channel, double x) {
    return sine.amplitude[channel] * std::sin(sine.frequency[channel] * x + sine.phase[channel]) +
           sine.constant[channel];
}
inline double slope_at(const Quadratic& poly, std::size_t channel, double x) {
    return 2 * poly.a[channel] * x + poly.b[channel];
}
inline double slope_at(const Sine& sine, std::size_t channel, double x) {
    return sine.amplitude[channel] * sine.frequency[channel] *
           std::cos(sine.frequency[channel] * x + sine.phase[channel]);
}

/// Whether the curve of a channel does not depend on x.
inline bool constant_in(const Quadratic& poly, std::size_t channel) {
    return poly.a[channel] == 0 && poly.b[channel] == 0;
}
inline bool constant_in(const Sine& sine, std::size_t channel) {
    return sine.amplitude[channel] == 0 || sine.frequency[channel] == 0;
}

/// Length of a channel's period in x; any where it is a constant.
inline double period(const Sine& sine, std::size_t channel) {
    return constant_in(sine, channel) ? 1 : 2 * std::numbers::pi / sine.frequency[channel];
}

/// p = scale * q + shift, channel by channel, of curves of the same x.
std::optional<Relation> relate(const Curve& p, const Curve& q);

/// Some consecutive channels of a tensor:  curve(x), where x is the expression with this number.
struct Part {
    int base = 0;
    Curve curve;

    std::size_t channels() const { return compiler::channels(curve); }
    bool sine() const { return std::holds_alternative<Sine>(curve); }
    /// Whether it is no linear function of x.
    bool curved() const { return sine() || quadratic(poly()); }
    /// Of a part that is no sine.
    const Quadratic& poly() const { return std::get<Quadratic>(curve); }
    bool operator==(const Part&) const = default;
};

/// part := scale * part + shift, channel by channel.
void rescale(Part& part, std::span<const double> scale, std::span<const double> shift);

/// left + sign * right as a curve of the same x; nothing if that is none: a sine with x itself, or with another
/// frequency.
std::optional<Curve> add(const Curve& left, const Curve& right, double sign);

/// Rewrites a part as a linear function of the expression `target`, of which `origin` says what it is: possible where
/// that is a curve of the part's own expression, and the part differs from it by a factor and a constant.
bool rebase(Part& part, int target, const std::optional<Part>& origin);

/// Two parts as curves of the same expression, if one's expression is a curve of the other's. origin_of(base) gives the
/// origin of an expression, or nothing.
template <class Origins>
void align(Part& left, Part& right, Origins&& origin_of) {
    if (left.base != right.base && !rebase(left, right.base, origin_of(right.base)))
        rebase(right, left.base, origin_of(left.base));
}

}  // namespace flash::compiler
