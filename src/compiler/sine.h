// The periodic activation  amplitude sin(frequency x + phase) + constant, channel by channel, and its algebra. Sums of
// sines and cosines of one frequency, with constants, come to the same numbers; PyTorch writes a sin(b x + c) + d.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "compiler/quadratic.h"

namespace flash::compiler {

/// Per channel; amplitude and frequency are not negative. A channel where either is zero is a constant.
struct Sine {
    std::vector<double> amplitude, frequency, phase, constant;
    std::size_t channels() const { return amplitude.size(); }
    bool operator==(const Sine&) const = default;
};

/// sin(line), or cos(line), of a polynomial of degree one.
Sine sine_of(const Quadratic& line, bool cosine);
/// sine := scale * sine + shift, channel by channel.
void rescale(Sine& sine, std::span<const double> scale, std::span<const double> shift);
/// left + sign * right of the same x; nothing if some channel has two frequencies.
std::optional<Sine> add(const Sine& left, const Sine& right, double sign);
/// p = scale * q + shift, if there are such numbers.
std::optional<Relation> relate(const Sine& p, const Sine& q);

}  // namespace flash::compiler
