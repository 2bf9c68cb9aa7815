#include "compiler/quadratic.h"

#include <algorithm>
#include <cmath>

namespace flash::compiler {
namespace {

bool close(double x, double y) { return std::abs(x - y) <= 1e-9 * std::max(std::abs(x), std::abs(y)); }

bool all_zero(const std::vector<double>& values) {
    return std::ranges::all_of(values, [](double value) { return value == 0; });
}

}  // namespace

Quadratic unit(int channels) {
    const auto count = static_cast<std::size_t>(channels);
    return {std::vector<double>(count, 0.0), std::vector<double>(count, 1.0), std::vector<double>(count, 0.0)};
}

bool quadratic(const Quadratic& poly) { return !all_zero(poly.a); }

void rescale(Quadratic& poly, std::span<const double> scale, std::span<const double> shift) {
    for (std::size_t c = 0; c < scale.size(); ++c) {
        poly.a[c] *= scale[c];
        poly.b[c] *= scale[c];
        poly.c[c] = poly.c[c] * scale[c] + shift[c];
    }
}

Quadratic add(Quadratic left, const Quadratic& right, double sign) {
    for (std::size_t c = 0; c < left.channels(); ++c) {
        left.a[c] += sign * right.a[c];
        left.b[c] += sign * right.b[c];
        left.c[c] += sign * right.c[c];
    }
    return left;
}

std::optional<Quadratic> multiply(const Quadratic& left, const Quadratic& right) {
    Quadratic product = left;
    for (std::size_t c = 0; c < left.channels(); ++c) {
        const double a1 = left.a[c], b1 = left.b[c], c1 = left.c[c];
        const double a2 = right.a[c], b2 = right.b[c], c2 = right.c[c];
        if ((a1 != 0 && (a2 != 0 || b2 != 0)) || (a2 != 0 && b1 != 0)) return std::nullopt;
        product.a[c] = a1 * c2 + b1 * b2 + c1 * a2;
        product.b[c] = b1 * c2 + c1 * b2;
        product.c[c] = c1 * c2;
    }
    return product;
}

bool Relation::shifted() const { return !all_zero(shift); }

Quadratic Relation::line() const { return {std::vector<double>(scale.size(), 0.0), scale, shift}; }

std::optional<Relation> relate(const Quadratic& p, const Quadratic& q) {
    Relation relation;
    for (std::size_t c = 0; c < p.channels(); ++c) {
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

}  // namespace flash::compiler
