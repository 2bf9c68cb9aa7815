#include "lattice/product.h"

#include "base/error.h"

namespace flash::lattice {

namespace {

constexpr std::uint64_t kPrimeLimit = std::uint64_t{1} << 46;

}  // namespace

ExactProduct::ExactProduct(std::size_t n, InstructionSet set)
    : set_(set),
      ntt_(n, largest_prime_below(kPrimeLimit, 2 * n)),
      pointwise_(ntt_.modulus(), set) {}

void ExactProduct::check_size(std::size_t size) const {
    require(size == ntt_.size(), ErrorKind::kInternal, "product of polynomials of different sizes");
}

template <class Coefficient>
void ExactProduct::lift(std::span<const Coefficient> polynomial, std::span<std::uint64_t> out) const {
    check_size(polynomial.size());
    check_size(out.size());
    pointwise_.lift(polynomial, out);
}

void ExactProduct::transform(std::span<const std::uint32_t> words, std::span<std::uint64_t> out) const {
    lift(words, out);
    ntt_.forward_lazy(out, set_);
}

void ExactProduct::transform(std::span<const std::int8_t> small, std::span<std::uint64_t> out) const {
    lift(small, out);
    ntt_.forward_lazy(out, set_);
}

template <class Coefficient>
PreparedFactor ExactProduct::prepared(std::span<const Coefficient> polynomial) const {
    PreparedFactor factor{SecretVector<std::uint64_t>(size()), SecretVector<std::uint64_t>(size())};
    lift(polynomial, std::span<std::uint64_t>(factor.values));
    ntt_.forward(factor.values, set_);
    pointwise_.quotients(factor.values, factor.quotients);
    return factor;
}

PreparedFactor ExactProduct::prepare(std::span<const std::uint32_t> words) const { return prepared(words); }
PreparedFactor ExactProduct::prepare(std::span<const std::int8_t> small) const { return prepared(small); }

void ExactProduct::accumulate(const PreparedFactor& factor, std::span<const std::uint64_t> polynomial,
                              std::span<std::uint64_t> workspace, std::span<std::uint32_t> out, bool subtract) const {
    for (std::size_t size : {factor.values.size(), polynomial.size(), workspace.size(), out.size()}) check_size(size);
    pointwise_.multiply(polynomial, factor.values, factor.quotients, workspace);
    ntt_.inverse(workspace, set_);
    subtract ? pointwise_.subtract_centred(workspace, out) : pointwise_.add_centred(workspace, out);
}

void ExactProduct::add_product(const PreparedFactor& factor, std::span<const std::uint64_t> polynomial,
                               std::span<std::uint64_t> workspace, std::span<std::uint32_t> out) const {
    accumulate(factor, polynomial, workspace, out, false);
}

void ExactProduct::subtract_product(const PreparedFactor& factor, std::span<const std::uint64_t> polynomial,
                                    std::span<std::uint64_t> workspace, std::span<std::uint32_t> out) const {
    accumulate(factor, polynomial, workspace, out, true);
}

}  // namespace flash::lattice
