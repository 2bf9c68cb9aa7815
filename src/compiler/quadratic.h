// The activation  a x^2 + b x + c, channel by channel, and its algebra. Whatever way an exporter writes it (x*x + x,
// Pow, Horner's rule, a completed square, with numbers or constants per channel), products and sums of polynomials of
// one expression x come to the same coefficients.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace flash::compiler {

/// Per-channel polynomial  a x^2 + b x + c.
struct Quadratic {
    std::vector<double> a, b, c;
    std::size_t channels() const { return a.size(); }
    bool operator==(const Quadratic&) const = default;
};

/// x itself.
Quadratic unit(int channels);
/// Whether some channel is squared.
bool quadratic(const Quadratic& poly);
/// poly := scale * poly + shift, channel by channel.
void rescale(Quadratic& poly, std::span<const double> scale, std::span<const double> shift);
/// left + sign * right, of polynomials of the same x.
Quadratic add(Quadratic left, const Quadratic& right, double sign);
/// left * right; nothing if some channel has degree three or more.
std::optional<Quadratic> multiply(const Quadratic& left, const Quadratic& right);

/// p = scale * q + shift, channel by channel.
struct Relation {
    std::vector<double> scale, shift;
    bool shifted() const;
    Quadratic line() const;  ///< p as a polynomial of q
};
/// The relation between two polynomials of the same x, if there is one.
std::optional<Relation> relate(const Quadratic& p, const Quadratic& q);

}  // namespace flash::compiler
