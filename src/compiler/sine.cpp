#include "compiler/sine.h"

#include <cmath>
#include <numbers>

namespace flash::compiler {
namespace {

bool close(double x, double y) { return std::abs(x - y) <= 1e-9 * std::max(std::abs(x), std::abs(y)); }

bool is_constant(const Sine& sine, std::size_t c) { return sine.amplitude[c] == 0 || sine.frequency[c] == 0; }
double value_of_constant(const Sine& sine, std::size_t c) {
    return sine.amplitude[c] * std::sin(sine.phase[c]) + sine.constant[c];
}

}  // namespace

Sine sine_of(const Quadratic& line, bool cosine) {
    Sine sine;
    for (std::size_t c = 0; c < line.channels(); ++c) {
        // sin(-x) = -sin(x) = sin(x + pi).
        const double phase = line.c[c] + (cosine ? std::numbers::pi / 2 : 0);
        const bool mirrored = line.b[c] < 0;
        sine.amplitude.push_back(1);
        sine.frequency.push_back(std::abs(line.b[c]));
        sine.phase.push_back(mirrored ? std::numbers::pi - phase : phase);
        sine.constant.push_back(0);
    }
    return sine;
}

void rescale(Sine& sine, std::span<const double> scale, std::span<const double> shift) {
    for (std::size_t c = 0; c < scale.size(); ++c) {
        sine.amplitude[c] *= std::abs(scale[c]);
        if (scale[c] < 0) sine.phase[c] += std::numbers::pi;
        sine.constant[c] = sine.constant[c] * scale[c] + shift[c];
    }
}

std::optional<Sine> add(const Sine& left, const Sine& right, double sign) {
    Sine sum = left;
    for (std::size_t c = 0; c < left.channels(); ++c) {
        if (is_constant(right, c)) {
            sum.constant[c] += sign * value_of_constant(right, c);
            continue;
        }
        const double amplitude = sign * right.amplitude[c];
        if (is_constant(left, c)) {
            sum.constant[c] = value_of_constant(left, c) + sign * right.constant[c];
            sum.frequency[c] = right.frequency[c];
            sum.phase[c] = right.phase[c] + (amplitude < 0 ? std::numbers::pi : 0);
            sum.amplitude[c] = std::abs(amplitude);
            continue;
        }
        if (!close(left.frequency[c], right.frequency[c])) return std::nullopt;
        const double sine = left.amplitude[c] * std::sin(left.phase[c]) + amplitude * std::sin(right.phase[c]),
                     cosine = left.amplitude[c] * std::cos(left.phase[c]) + amplitude * std::cos(right.phase[c]);
        sum.amplitude[c] = std::hypot(sine, cosine);
        sum.phase[c] = std::atan2(sine, cosine);
        sum.constant[c] += sign * right.constant[c];
    }
    return sum;
}

std::optional<Relation> relate(const Sine& p, const Sine& q) {
    Relation relation;
    for (std::size_t c = 0; c < p.channels(); ++c) {
        double scale = 0, shift = 0;
        if (is_constant(p, c)) {
            shift = value_of_constant(p, c);
        } else {
            // By a multiple of pi that the phases may differ.
            const double turned = std::remainder(p.phase[c] - q.phase[c], std::numbers::pi);
            if (is_constant(q, c) || !close(p.frequency[c], q.frequency[c]) || std::abs(turned) > 1e-9)
                return std::nullopt;
            scale = p.amplitude[c] / q.amplitude[c] * (std::cos(p.phase[c] - q.phase[c]) < 0 ? -1 : 1);
            shift = p.constant[c] - scale * q.constant[c];
            if (close(p.constant[c], scale * q.constant[c])) shift = 0;
        }
        relation.scale.push_back(scale);
        relation.shift.push_back(shift);
    }
    return relation;
}

}  // namespace flash::compiler
