#include "lattice/base_conversion.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/siblings.h"
#include "lattice/pointwise.h"

namespace flash::lattice {

namespace {

const kernels::ResidueSums& kernels_of(InstructionSet set) {
    return *choose_sibling<const kernels::ResidueSums*>(set, {.portable = &kernels::kResidueSumsPortable,
                                                              .simd128 = FLASH_SIMD128(&kernels::kResidueSumsSimd128),
                                                              .neon = FLASH_NEON(&kernels::kResidueSumsNeon),
                                                              .avx2 = FLASH_X86(&kernels::kResidueSumsAvx2),
                                                              .avx512 = FLASH_X86(&kernels::kResidueSumsAvx512)});
}

/// floor(2^104 w / d) for w < d.
kernels::WideFraction wide_fraction(std::uint64_t w, std::uint64_t d) {
    const u128 first = static_cast<u128>(w) << 52, second = (first % d) << 52;
    return {static_cast<std::uint64_t>(first / d), static_cast<std::uint64_t>(second / d)};
}

std::uint64_t product_of(const std::vector<Modulus>& moduli, const Modulus& modulus, const Modulus* but = nullptr) {
    std::uint64_t result = 1;
    for (const Modulus& m : moduli)
        if (&m != but) result = modulus.multiply(result, m.value() % modulus.value());
    return result;
}

std::vector<std::uint64_t> inverses_of(const std::vector<Modulus>& moduli, const std::vector<Modulus>& others = {}) {
    std::vector<std::uint64_t> result;
    result.reserve(moduli.size());
    for (const Modulus& m : moduli)
        result.push_back(m.inverse(m.multiply(product_of(moduli, m, &m), product_of(others, m))));
    return result;
}

/// Bits before the point of a sum of y_i / d_i: all that the least modulus has, so that the weights are below 1.
int quotient_shift(const std::vector<Modulus>& from) {
    int least = 64;
    for (const Modulus& m : from) least = std::min(least, m.bits());
    return least - 1;
}

std::vector<kernels::WideFraction> quotient_weights(const std::vector<Modulus>& from) {
    std::vector<kernels::WideFraction> result;
    result.reserve(from.size());
    for (const Modulus& m : from) result.push_back(wide_fraction(std::uint64_t{1} << quotient_shift(from), m.value()));
    return result;
}

std::vector<std::uint64_t> remainders_of(const std::vector<Modulus>& kept, const std::vector<Modulus>& from,
                                         const std::vector<Modulus>& to) {
    std::vector<std::uint64_t> result;
    result.reserve(from.size());
    for (const Modulus& m : from) result.push_back(m.multiply(product_of(kept, m), product_of(to, m)));
    return result;
}

std::vector<kernels::WideFraction> rest_weights(const std::vector<Modulus>& from,
                                                const std::vector<std::uint64_t>& remainders) {
    std::vector<kernels::WideFraction> result;
    for (std::size_t i = 0; i < from.size(); ++i) result.push_back(wide_fraction(remainders[i], from[i].value()));
    return result;
}

template <class Word>
std::array<const Word*, kernels::kMaxTerms> pointers(std::span<const std::span<const Word>> x, std::size_t terms,
                                                     std::size_t size) {
    bool equal = x.size() == terms && size % 32 == 0;
    for (const auto& part : x) equal &= part.size() == size;
    require(equal, ErrorKind::kInternal,
            "conversion of residues: another number of arrays, or of entries, than expected");
    std::array<const Word*, kernels::kMaxTerms> result{};
    for (std::size_t i = 0; i < terms; ++i) result[i] = x[i].data();
    return result;
}

void check_terms(std::size_t terms) {
    require(terms >= 1 && terms <= kernels::kMaxTerms, ErrorKind::kInvalidArgument,
            "conversion of residues: no moduli, or more than 14");
}

}  // namespace

kernels::WideFactor wide_factor(const Modulus& modulus, std::uint64_t w) {
    return {w, modulus.shoup_quotient(w) >> 12};
}

LinearSum::LinearSum(const Modulus& modulus, std::span<const std::uint64_t> factors, InstructionSet set)
    : kernels_(kernels_of(set)),
      modulus_(wide_modulus(modulus.value())) {
    check_terms(factors.size());
    for (std::uint64_t factor : factors) factors_.push_back(wide_factor(modulus, factor));
}

void LinearSum::operator()(std::span<const Residues> x, std::span<std::uint64_t> out) const {
    kernels_.linear_sum(modulus_, pointers(x, factors_.size(), out.size()).data(), factors_.data(), factors_.size(),
                        nullptr, {}, out.data(), out.size());
}

void LinearSum::operator()(std::span<const Residues> x, std::span<const std::int8_t> small,
                           kernels::WideFactor small_factor, std::span<std::uint64_t> out) const {
    require(small.size() == out.size(), ErrorKind::kInternal, "conversion of residues: an array of the wrong size");
    kernels_.linear_sum(modulus_, pointers(x, factors_.size(), out.size()).data(), factors_.data(), factors_.size(),
                        small.data(), small_factor, out.data(), out.size());
}

void LinearSum::operator()(std::span<const std::span<const std::uint32_t>> x, std::span<std::uint64_t> out) const {
    kernels_.linear_sum_words(modulus_, pointers(x, factors_.size(), out.size()).data(), factors_.data(),
                              factors_.size(), out.data(), out.size());
}

RoundedSum::RoundedSum(std::vector<kernels::WideFraction> weights, int shift, InstructionSet set)
    : kernels_(kernels_of(set)),
      weights_(std::move(weights)),
      shift_(shift) {
    check_terms(weights_.size());
}

void RoundedSum::operator()(std::span<const Residues> x, std::span<std::uint64_t> out) const {
    kernels_.rounded_sum(pointers(x, weights_.size(), out.size()).data(), weights_.data(), weights_.size(), shift_,
                         out.data(), out.size());
}

BaseConversion::BaseConversion(std::vector<Modulus> from, InstructionSet set)
    : from_(std::move(from)),
      set_(set),
      inverses_(inverses_of(from_)),
      quotient_(quotient_weights(from_), quotient_shift(from_), set) {}

std::uint64_t BaseConversion::product(const Modulus& modulus) const { return product_of(from_, modulus); }

LinearSum BaseConversion::to(const Modulus& modulus, std::uint64_t scale) const {
    std::vector<std::uint64_t> factors;
    for (const Modulus& m : from_) factors.push_back(modulus.multiply(scale, product_of(from_, modulus, &m)));
    factors.push_back(modulus.subtract(0, modulus.multiply(scale, product(modulus))));
    return LinearSum(modulus, factors, set_);
}

Rescaling::Rescaling(std::vector<Modulus> kept, std::vector<Modulus> from, std::vector<Modulus> to, InstructionSet set)
    : kept_(std::move(kept)),
      from_(std::move(from)),
      to_(std::move(to)),
      set_(set),
      inverses_(inverses_of(from_, kept_)),
      remainders_(remainders_of(kept_, from_, to_)),
      rest_(rest_weights(from_, remainders_), 0, set) {}

std::uint64_t Rescaling::factor(std::size_t i) const {
    const Modulus& modulus = kept_[i];
    return modulus.multiply(product_of(to_, modulus), modulus.inverse(product_of(from_, modulus)));
}

LinearSum Rescaling::part(const Modulus& modulus) const {
    // floor(P D'/d_i) = (P D' - remainder) / d_i, and P D' = 0 mod this modulus.
    std::vector<std::uint64_t> factors;
    for (std::size_t i = 0; i < from_.size(); ++i)
        factors.push_back(modulus.subtract(0, modulus.multiply(remainders_[i] % modulus.value(),
                                                               modulus.inverse(from_[i].value() % modulus.value()))));
    factors.push_back(1);
    return LinearSum(modulus, factors, set_);
}

}  // namespace flash::lattice
