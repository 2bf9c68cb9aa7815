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

/// Some consecutive channels of a tensor:  poly(x), where x is the expression with this number.
struct Part {
    int base = 0;
    Quadratic poly;
    std::size_t channels() const { return poly.channels(); }
    bool operator==(const Part&) const = default;
};

/// Rewrites a part as a linear function of the expression `target`, of which `origin` says what it is: possible where
/// that is a polynomial of the part's own expression, and the part differs from it by a factor and a constant.
bool rebase(Part& part, int target, const std::optional<Part>& origin);

/// Two parts as polynomials of the same expression, if one's expression is a polynomial of the other's. origin_of(base)
/// gives the origin of an expression, or nothing.
template <class Origins>
void align(Part& left, Part& right, Origins&& origin_of) {
    if (left.base != right.base && !rebase(left, right.base, origin_of(right.base)))
        rebase(right, left.base, origin_of(left.base));
}

}  // namespace flash::compiler
