// How often an answer is wrong. Let V = sum_j p_j E_j over the r products of an answer, mod P.
//
// 1. Products. What the client computes satisfies b + a'' s = Delta V + noise mod q: P divides q, so multiples of P in
//    products of plaintexts become multiples of q, and Delta m needs no rounding. The noise is
//    sum_j p_j e_j + e_pk u + e1 s. Coefficients of the errors have variance 21/2, those of p_j, in [-P/2, P/2],
//    variance P^2/12 where the slots are as good as uniform: sigma = P sqrt(10.5/12 r n). (At worst all are P/2: 3
//    times the variance, 0.8 bits.) e_pk u + e1 s has sigma below 500, nothing beside P.
// 2. Sending. The client sends S = round(a'' D/Delta) mod P D: a'' D/Delta + f with |f| <= 1/2, nearly uniform. So
//    S s = (D/Delta) a'' s + f s, where a coefficient of f s has variance 2n/3 / 12.
// 3. Rounding. b/Delta + S s/D = V + x with x = noise/Delta + f s/D. The client's share of V is round(b/Delta), the
//    server's round(S s/D). They add up to V if and only if x does not carry the fraction of b/Delta over a half. That
//    fraction is as good as uniform and independent of x (b has a summand b_pk u), so this fails with probability E|x|,
//    at most E|noise|/Delta + E|f s|/D, and E|y| = sqrt(2/pi) sigma < 0.8 sigma for sums of thousands of terms.
// 4. All answers. The probabilities of all coefficients of all answers add up at most. One wrong coefficient spoils all
//    slots of its answer, so the sum bounds the probability of a wrong result, too.
//
// The roundings are computed to 2^-64 of a unit of V or better (lattice/base_conversion.h), far below E|x|.
#include "scheme/composite_parameters.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "lattice/sampling.h"

namespace flash::scheme {

namespace {

constexpr int kMaxPrimeBits = 47;
constexpr std::uint64_t kProductLimit = std::uint64_t{1} << (2 * kMaxPairedBits);
constexpr double kMeanOfSize = 0.8;  // sqrt(2/pi), rounded up

/// Largest primes = 1 mod 2n of these bits, not in `taken`; they are added to it.
lattice::Modulus next_prime(int bits, std::size_t degree, std::vector<std::uint64_t>& taken) {
    std::uint64_t prime = std::uint64_t{1} << bits;
    do prime = lattice::largest_prime_below(prime, 2 * degree);
    while (std::ranges::find(taken, prime) != taken.end());
    require(prime >> (bits - 1) == 1, ErrorKind::kInvalidArgument,
            "there are not enough primes of this size for the composite scheme");
    taken.push_back(prime);
    return lattice::Modulus(prime);
}

/// As few primes of at most kMaxPrimeBits as have `bits` bits together, their sizes at most one bit apart.
std::vector<lattice::Modulus> split(int bits, std::size_t degree, std::vector<std::uint64_t>& taken) {
    const int count = (bits + kMaxPrimeBits - 1) / kMaxPrimeBits;
    std::vector<lattice::Modulus> result;
    result.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) result.push_back(next_prime((bits + count - 1 - i) / count, degree, taken));
    return result;
}

double log2_of(const std::vector<lattice::Modulus>& moduli) {
    double sum = 0;
    for (const lattice::Modulus& m : moduli) sum += std::log2(static_cast<double>(m.value()));
    return sum;
}

double log2_add(double x, double y) { return std::max(x, y) + std::log2(1 + std::exp2(-std::abs(x - y))); }

/// log2 E|noise|/P, and log2 E|f s|.
double log2_products(const CompositeParameters& p) {
    const double variance = lattice::kErrorBits / 2.0 / 12 * p.rank * static_cast<double>(p.degree);
    return std::log2(kMeanOfSize * std::sqrt(variance));
}
double log2_sent(const CompositeParameters& p) {
    const double variance = (1 + 2.0 / 3 * static_cast<double>(p.degree)) / 12;
    return std::log2(kMeanOfSize * std::sqrt(variance));
}

}  // namespace

CompositeModuli composite_moduli(const CompositeParameters& p) {
    require(p.residues >= 1 && p.plain_bits >= 2 && p.plain_bits <= 28 && p.delta_bits >= 1 && p.answer_bits >= 1,
            ErrorKind::kInvalidArgument, "parameters of the composite scheme out of range");
    CompositeModuli result;
    std::vector<std::uint64_t> taken;
    std::vector<lattice::Modulus> plain;
    for (int i = 0; i < p.residues; ++i) {
        plain.push_back(next_prime(p.plain_bits, p.degree, taken));
        result.plain.push_back(static_cast<std::uint32_t>(plain.back().value()));
    }
    const bool pairs = plain.size() > 1 && plain[0].value() * plain[1].value() < kProductLimit;
    for (std::size_t i = 0; i < plain.size();) {
        if (!pairs || (i == 0 && plain.size() % 2 == 1)) {
            result.groups.push_back(plain[i++]);
        } else {
            result.groups.push_back(lattice::Modulus::product(plain[i], plain[i + 1]));
            i += 2;
        }
    }
    result.delta = split(p.delta_bits, p.degree, taken);
    result.answer = split(p.answer_bits, p.degree, taken);
    return result;
}

double log2_wrong_rounding(const CompositeParameters& parameters, double coefficients) {
    const CompositeModuli moduli = composite_moduli(parameters);
    const double products = log2_products(parameters) + log2_of(moduli.groups) - log2_of(moduli.delta),
                 sent = log2_sent(parameters) - log2_of(moduli.answer);
    return std::log2(coefficients) + log2_add(products, sent);
}

CompositeParameters choose_composite_parameters(const CompositeShape& shape, int plain_bits, int rank,
                                                double coefficients, double log_failure) {
    require(plain_bits >= 20 && plain_bits <= 28 && rank >= 1 && rank <= kMaxCompositeProducts && coefficients >= 1 &&
                log_failure < 0,
            ErrorKind::kInvalidArgument, "parameters of the composite scheme out of range");
    // The products' noise and the rounding of what is sent get half of the probability each. All primes are just below
    // a power of two, so the logarithms are a bit short at most.
    const double room = 1 + std::log2(coefficients) - log_failure;
    CompositeParameters p{shape.degree, shape.residues, plain_bits, rank, 0, 0};
    p.answer_bits = std::max(38, static_cast<int>(std::ceil(log2_sent(p) + room)));
    p.delta_bits = std::max(
        60, static_cast<int>(std::ceil(log2_products(p) + room)) + shape.residues * plain_bits - shape.residues);
    const auto checked = [&] {
        require(is_admissible(p), ErrorKind::kInvalidArgument,
                "the composite scheme has no parameters inside the security table of 2024 for so few wrong answers");
        return composite_moduli(p);
    };
    for (;; ++p.answer_bits)
        if (log2_of(checked().answer) >= log2_sent(p) + room) break;
    for (;; ++p.delta_bits) {
        const CompositeModuli moduli = checked();
        if (log2_of(moduli.delta) >= log2_of(moduli.groups) + log2_products(p) + room) break;
    }
    return p;
}

}  // namespace flash::scheme
