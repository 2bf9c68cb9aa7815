#include "lattice/base_conversion.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "reference.h"

namespace flash::lattice {
namespace {

constexpr std::size_t n = 96;
__extension__ typedef __int128 i128;
using Array = std::vector<std::uint64_t>;

std::vector<Residues> spans(const std::vector<Array>& x, const Array* last = nullptr) {
    std::vector<Residues> result(x.begin(), x.end());
    if (last) result.emplace_back(*last);
    return result;
}

Modulus prime(int bits, std::uint64_t step = 256) { return Modulus(largest_prime_below(1ull << bits, step)); }
Modulus pair(int bits) {
    const Modulus first = prime(bits);
    return Modulus::product(first, Modulus(largest_prime_below(first.value(), 256)));
}

class EveryConversion : public testing::TestWithParam<InstructionSet> {};

TEST_P(EveryConversion, LinearSumsAreExact) {
    for (const Modulus& modulus : {prime(24), prime(28), pair(22), prime(46), prime(47), pair(24), prime(50), pair(25)})
        for (std::size_t terms : {1u, 2u, 3u, 4u, 7u, 15u}) {
            const std::uint64_t p = modulus.value();
            Array factors = reference::random_residues(terms, p, terms);
            factors[0] = p - 1;
            std::vector<Array> x;
            for (std::size_t i = 0; i < terms; ++i) {
                x.push_back(reference::random_residues(n, 1ull << 52, 10 + i));
                for (std::size_t j = 0; j < 8; ++j) x[i][j] = j % 2 ? 0 : (1ull << 52) - 1;
            }
            std::vector<std::int8_t> small(n);
            for (std::size_t j = 0; j < n; ++j) small[j] = static_cast<std::int8_t>(static_cast<int>(j % 43) - 21);
            const kernels::WideFactor small_factor = wide_factor(modulus, p - 2);
            Array out(n), with_small(n);
            const LinearSum sum(modulus, factors, GetParam());
            sum(spans(x), out);
            sum(spans(x), small, small_factor, with_small);
            for (std::size_t j = 0; j < n; ++j) {
                u128 expected = 0;
                for (std::size_t i = 0; i < terms; ++i) expected += static_cast<u128>(x[i][j]) * factors[i] % p;
                ASSERT_EQ(out[j], static_cast<std::uint64_t>(expected % p));
                ASSERT_EQ(with_small[j], modulus.add(out[j], modulus.multiply(modulus.from_signed(small[j]), p - 2)));
            }
        }
}

TEST_P(EveryConversion, SumsOfWordsAreExact) {
    for (const Modulus& modulus : {prime(24), pair(24), pair(25)}) {
        const std::uint64_t p = modulus.value();
        const std::vector<std::uint32_t> x = reference::random_words(n, 1), y = reference::random_words(n, 2);
        const Array factors = {p - 1, p / 3};
        Array out(n);
        const std::span<const std::uint32_t> words[] = {x, y};
        LinearSum(modulus, factors, GetParam())(words, out);
        for (std::size_t j = 0; j < n; ++j)
            ASSERT_EQ(out[j], modulus.add(modulus.multiply(x[j], factors[0]), modulus.multiply(y[j], factors[1])));
    }
}

/// x = value mod D as residues times the inverses that the conversion asks for, for a signed value.
struct Source {
    std::vector<Modulus> moduli;
    BaseConversion conversion;
    std::vector<Array> y;
    Array quotient = Array(n);

    Source(std::vector<Modulus> from, const std::vector<i128>& values, InstructionSet set)
        : moduli(from),
          conversion(from, set) {
        for (std::size_t i = 0; i < moduli.size(); ++i) {
            const i128 d = static_cast<i128>(moduli[i].value());
            y.emplace_back();
            for (i128 v : values)
                y[i].push_back(moduli[i].multiply(static_cast<std::uint64_t>((v % d + d) % d), conversion.inverse(i)));
        }
        conversion.quotient(spans(y), quotient);
    }
};

TEST_P(EveryConversion, CentredRepresentativesAreConverted) {
    const std::vector<std::vector<Modulus>> bases = {{prime(20)},
                                                     {prime(28)},
                                                     {prime(24), pair(23)},
                                                     {prime(41), prime(40)},
                                                     {pair(24), prime(45), prime(25)},
                                                     {prime(30), prime(31), prime(32), prime(29)}};
    for (const std::vector<Modulus>& from : bases) {
        i128 d = 1;
        for (const Modulus& m : from) d *= static_cast<i128>(m.value());
        // As close to the edges as the quotient is exact, and random values.
        const i128 step = (d >> 62) + 1, first = d >> 62 ? step : 0;
        std::vector<i128> values;
        for (int k = 0; k < 24; ++k) {
            values.push_back(d / 2 - first - k * step);
            values.push_back(-(d / 2) + first + k * step);
        }
        for (i128 small : {0, 1, -1, 21, -21, 1000}) values.push_back(small);
        std::mt19937_64 rng(4);
        while (values.size() < n) values.push_back(static_cast<i128>(static_cast<u128>(rng()) << 64 | rng()) % (d / 2));
        const Source source(from, values, GetParam());
        for (const Modulus& to : {prime(26), prime(47), pair(24), pair(25)})
            for (std::uint64_t scale : {std::uint64_t{1}, to.value() - 1, to.value() / 5}) {
                const i128 p = static_cast<i128>(to.value());
                Array out(n);
                source.conversion.to(to, scale)(spans(source.y, &source.quotient), out);
                for (std::size_t j = 0; j < n; ++j) {
                    const std::uint64_t residue = static_cast<std::uint64_t>((values[j] % p + p) % p);
                    ASSERT_EQ(out[j], to.multiply(residue, scale)) << from.size() << " " << j;
                }
                EXPECT_EQ(source.conversion.product(to), static_cast<std::uint64_t>(d % p));
            }
    }
}

// x D'/D for x mod P D, with P D and P D' below 2^127.
TEST_P(EveryConversion, RescalingRounds) {
    struct Case {
        std::vector<Modulus> kept, from, to;
    };
    const Case cases[] = {{{prime(20)}, {prime(40), prime(41)}, {prime(27), prime(28)}},
                          {{pair(20)}, {prime(38), prime(37)}, {prime(26)}},
                          {{prime(20), pair(18)}, {prime(47)}, {prime(25), prime(24)}}};
    for (const Case& c : cases) {
        const auto product = [](const std::vector<Modulus>& moduli) {
            u128 result = 1;
            for (const Modulus& m : moduli) result *= m.value();
            return result;
        };
        const u128 kept = product(c.kept), d = product(c.from), q = kept * d, next = product(c.to);
        const Rescaling rescaling(c.kept, c.from, c.to, GetParam());
        std::mt19937_64 rng(8);
        std::vector<u128> x;
        while (x.size() < n) x.push_back((static_cast<u128>(rng()) << 64 | rng()) % q);
        x[0] = 0, x[1] = q - 1, x[2] = d, x[3] = q - d;
        std::vector<Array> y;
        for (std::size_t i = 0; i < c.from.size(); ++i) {
            y.emplace_back();
            for (u128 v : x)
                y[i].push_back(
                    c.from[i].multiply(static_cast<std::uint64_t>(v % c.from[i].value()), rescaling.inverse(i)));
        }
        Array rest(n);
        rescaling.rest(spans(y), rest);
        const auto check = [&](const Modulus& modulus, const LinearSum& sum, bool keeps, std::uint64_t factor) {
            Array out(n);
            sum(spans(y, &rest), out);
            for (std::size_t j = 0; j < n; ++j) {
                if (keeps)
                    out[j] = modulus.add(out[j],
                                         modulus.multiply(static_cast<std::uint64_t>(x[j] % modulus.value()), factor));
                // floor(x D'/D): the whole part of x/D times D', and the rest in three steps of 2^-32 and below.
                const u128 whole = x[j] / d, part = x[j] % d;
                const long double fraction =
                    static_cast<long double>(part) / static_cast<long double>(d) * static_cast<long double>(next);
                const u128 rounded = whole * next + static_cast<u128>(fraction + 0.5L);
                ASSERT_EQ(out[j], static_cast<std::uint64_t>(rounded % modulus.value())) << j;
            }
        };
        for (std::size_t i = 0; i < c.to.size(); ++i) check(c.to[i], rescaling.to(i), false, 0);
        for (std::size_t i = 0; i < c.kept.size(); ++i) check(c.kept[i], rescaling.kept(i), true, rescaling.factor(i));
    }
}

INSTANTIATE_TEST_SUITE_P(BaseConversion, EveryConversion, testing::ValuesIn(supported_instruction_sets()),
                         [](const auto& set) { return std::string(to_string(set.param)); });

TEST(BaseConversion, RefusesWrongSizesAndTooManyModuli) {
    const std::vector<Modulus> one = {prime(30)};
    EXPECT_THROW(BaseConversion(std::vector<Modulus>(16, prime(30)), InstructionSet::kPortable), Error);
    EXPECT_THROW(BaseConversion({}, InstructionSet::kPortable), Error);
    const BaseConversion conversion(one, InstructionSet::kPortable);
    Array x(32), y(64), odd(40);
    EXPECT_THROW(conversion.quotient(spans({x, x}), x), Error);
    EXPECT_THROW(conversion.quotient(spans({y}), x), Error);
    EXPECT_THROW(conversion.quotient(spans({odd}), odd), Error);
    EXPECT_THROW(LinearSum(prime(51), Array{1}, InstructionSet::kPortable), Error);
    const std::vector<std::int8_t> small(16);
    EXPECT_THROW(LinearSum(prime(30), Array{1}, InstructionSet::kPortable)(spans({x}), small, {}, x), Error);
}

}  // namespace
}  // namespace flash::lattice
