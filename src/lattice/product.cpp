#include "lattice/product.h"

#include "base/error.h"

namespace flash::lattice {

namespace {

constexpr std::uint64_t kPrimeLimit = std::uint64_t{1} << 50;

void check_size(std::size_t size, std::size_t n) {
    require(size == n, ErrorKind::kInternal, "product of polynomials of different sizes");
}

// The centred representative of x mod 2^32, for x in [0, p).
std::uint32_t centred_word(std::uint64_t x, std::uint64_t p) {
    const std::uint64_t negative = 0 - static_cast<std::uint64_t>(x > p / 2);
    return static_cast<std::uint32_t>(x - (p & negative));
}

}  // namespace

ExactProduct::ExactProduct(std::size_t n) : ntt_(n, largest_prime_below(kPrimeLimit, 2 * n)) {}

void ExactProduct::transform(std::span<const std::uint32_t> words, std::span<std::uint64_t> out) const {
    check_size(words.size(), size());
    check_size(out.size(), size());
    for (std::size_t i = 0; i < words.size(); ++i)
        out[i] = ntt_.modulus().from_signed(static_cast<std::int32_t>(words[i]));
    ntt_.forward(out);
}

void ExactProduct::transform(std::span<const std::int8_t> small, std::span<std::uint64_t> out) const {
    check_size(small.size(), size());
    check_size(out.size(), size());
    for (std::size_t i = 0; i < small.size(); ++i) out[i] = ntt_.modulus().from_signed(small[i]);
    ntt_.forward(out);
}

PreparedFactor ExactProduct::prepare_transformed(SecretVector<std::uint64_t> values) const {
    PreparedFactor factor{std::move(values), SecretVector<std::uint64_t>(size())};
    for (std::size_t i = 0; i < size(); ++i) factor.quotients[i] = ntt_.modulus().shoup_quotient(factor.values[i]);
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

SecretVector<std::uint64_t> ExactProduct::product(const PreparedFactor& factor,
                                                  std::span<const std::uint64_t> polynomial) const {
    check_size(factor.values.size(), size());
    check_size(polynomial.size(), size());
    SecretVector<std::uint64_t> result(size());
    for (std::size_t i = 0; i < size(); ++i)
        result[i] = ntt_.modulus().multiply(polynomial[i], {factor.values[i], factor.quotients[i]});
    ntt_.inverse(result);
    return result;
}

void ExactProduct::add_product(const PreparedFactor& factor, std::span<const std::uint64_t> polynomial,
                               std::span<std::uint32_t> out) const {
    check_size(out.size(), size());
    const SecretVector<std::uint64_t> result = product(factor, polynomial);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += centred_word(result[i], ntt_.modulus().value());
}

void ExactProduct::subtract_product(const PreparedFactor& factor, std::span<const std::uint64_t> polynomial,
                                    std::span<std::uint32_t> out) const {
    check_size(out.size(), size());
    const SecretVector<std::uint64_t> result = product(factor, polynomial);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] -= centred_word(result[i], ntt_.modulus().value());
}

}  // namespace flash::lattice
