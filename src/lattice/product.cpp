#include "lattice/product.h"

namespace flash::lattice {

namespace {

constexpr std::uint64_t kPrimeLimit = std::uint64_t{1} << 50;

}  // namespace

ExactProduct::ExactProduct(std::size_t n, InstructionSet set)
    : set_(set), ntt_(n, largest_prime_below(kPrimeLimit, 2 * n)), pointwise_(ntt_.modulus(), set) {}

void ExactProduct::transform(std::span<const std::uint32_t> words, std::span<std::uint64_t> out) const {
    pointwise_.lift(words, out);
    ntt_.forward(out, set_);
}

void ExactProduct::transform(std::span<const std::int8_t> small, std::span<std::uint64_t> out) const {
    pointwise_.lift(small, out);
    ntt_.forward(out, set_);
}

PreparedFactor ExactProduct::prepare_transformed(SecretVector<std::uint64_t> values) const {
    PreparedFactor factor{std::move(values), SecretVector<std::uint64_t>(size())};
    pointwise_.quotients(factor.values, factor.quotients);
    return factor;
}

PreparedFactor ExactProduct::prepare(std::span<const std::uint32_t> words) const {
    SecretVector<std::uint64_t> values(size());
    transform(words, values);
    return prepare_transformed(std::move(values));
}

PreparedFactor ExactProduct::prepare(std::span<const std::int8_t> small) const {
    SecretVector<std::uint64_t> values(size());
    transform(small, values);
    return prepare_transformed(std::move(values));
}

void ExactProduct::multiply(const PreparedFactor& factor, std::span<const std::uint64_t> polynomial,
                            std::span<std::uint64_t> residues) const {
    pointwise_.multiply(polynomial, factor.values, factor.quotients, residues);
    ntt_.inverse(residues, set_);
}

void ExactProduct::add(std::span<const std::uint64_t> residues, std::span<std::uint32_t> out) const {
    pointwise_.add_centred(residues, out);
}

void ExactProduct::subtract(std::span<const std::uint64_t> residues, std::span<std::uint32_t> out) const {
    pointwise_.subtract_centred(residues, out);
}

}  // namespace flash::lattice
