#include "compiler/curve.h"

#include <algorithm>

namespace flash::compiler {
namespace {

bool all_zero(const std::vector<double>& values) {
    return std::ranges::all_of(values, [](double value) { return value == 0; });
}

/// A sine that is these constants.
Sine constants(const std::vector<double>& values) {
    const std::vector<double> zero(values.size(), 0.0);
    return {zero, zero, zero, values};
}

}  // namespace

std::optional<Relation> relate(const Curve& p, const Curve& q) {
    if (p.index() != q.index()) return std::nullopt;
    if (const auto* sine = std::get_if<Sine>(&p)) return relate(*sine, std::get<Sine>(q));
    return relate(std::get<Quadratic>(p), std::get<Quadratic>(q));
}

void rescale(Part& part, std::span<const double> scale, std::span<const double> shift) {
    std::visit([&](auto& curve) { rescale(curve, scale, shift); }, part.curve);
}

std::optional<Curve> add(const Curve& left, const Curve& right, double sign) {
    if (left.index() == right.index() && std::holds_alternative<Quadratic>(left))
        return add(std::get<Quadratic>(left), std::get<Quadratic>(right), sign);
    Sine sines[2];
    for (const Curve* curve : {&left, &right}) {
        Sine& sine = sines[curve == &right];
        if (const auto* poly = std::get_if<Quadratic>(curve)) {
            if (!all_zero(poly->a) || !all_zero(poly->b)) return std::nullopt;
            sine = constants(poly->c);
        } else {
            sine = std::get<Sine>(*curve);
        }
    }
    return add(sines[0], sines[1], sign);
}

bool rebase(Part& part, int target, const std::optional<Part>& origin) {
    if (!origin || origin->base != part.base) return false;
    const std::optional<Relation> relation = relate(part.curve, origin->curve);
    if (!relation) return false;
    part = {target, relation->line()};
    return true;
}

}  // namespace flash::compiler
