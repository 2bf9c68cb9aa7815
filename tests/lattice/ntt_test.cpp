#include "lattice/ntt.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "reference.h"

namespace flash::lattice {
namespace {

// Moduli of all the sizes in use, on both sides of the limits of the kernels and of their ways of reducing sums;
// products of two primes, too.
std::vector<Modulus> moduli(std::size_t n) {
    std::vector<Modulus> result;
    for (int bits : {24, 28, 31, 37, 38, 40, 43, 44, 45, 46, 47, 48, 49, 50, 51, 54, 60})
        result.emplace_back(largest_prime_below(1ull << bits, 2 * n));
    for (int bits : {20, 23, 24, 25, 28}) {
        const Modulus first(largest_prime_below(1ull << bits, 2 * n));
        result.push_back(Modulus::product(first, Modulus(largest_prime_below(first.value(), 2 * n))));
    }
    return result;
}

TEST(Ntt, ProductsAgreeWithSchoolbook) {
    for (std::size_t n : {64u, 128u, 256u, 512u})
        for (const Modulus& modulus : moduli(n))
            for (InstructionSet set : supported_instruction_sets()) {
                const NttTables ntt(n, modulus);
                const std::uint64_t p = modulus.value();
                const std::vector<std::uint64_t> x = reference::random_residues(n, p, n),
                                                 y = reference::random_residues(n, p, n + 1);
                std::vector<std::uint64_t> fx = x, fy = y;
                ntt.forward(fx, set);
                ntt.forward(fy, set);
                for (std::size_t i = 0; i < n; ++i) fx[i] = ntt.modulus().multiply(fx[i], fy[i]);
                ntt.inverse(fx, set);
                ASSERT_EQ(fx, reference::negacyclic(x, y, p)) << n << " " << p << " " << to_string(set);
            }
}

TEST(Ntt, InstructionSetsAgreeAndInvert) {
    for (std::size_t n = 64; n <= 16384; n *= 2)
        for (const Modulus& modulus : moduli(n)) {
            const NttTables ntt(n, modulus);
            const std::uint64_t p = modulus.value();
            // Random, and extreme values that stress the lazy reductions.
            std::vector<std::vector<std::uint64_t>> inputs = {
                reference::random_residues(n, p, p), std::vector<std::uint64_t>(n, 0),
                std::vector<std::uint64_t>(n, p - 1), std::vector<std::uint64_t>(n, p / 2),
                std::vector<std::uint64_t>(n, 1)};
            for (std::size_t i = 0; i < n; i += 2) inputs[4][i] = p - 1;
            for (const std::vector<std::uint64_t>& input : inputs) {
                std::vector<std::uint64_t> forward = input, inverse = input;
                ntt.forward(forward, InstructionSet::kPortable);
                ntt.inverse(inverse, InstructionSet::kPortable);
                for (InstructionSet set : supported_instruction_sets()) {
                    std::vector<std::uint64_t> x = input;
                    // Forward takes any representative below 4p.
                    for (std::size_t i = 0; i < n; ++i) x[i] += (input[1] == p - 1 ? 3 : i % 4) * p;
                    ntt.forward(x, set);
                    ASSERT_EQ(x, forward) << n << " " << p << " " << to_string(set);
                    std::vector<std::uint64_t> lazy = input;
                    ntt.forward_lazy(lazy, set);
                    for (std::size_t i = 0; i < n; ++i) {
                        ASSERT_LT(lazy[i], p <= 1ull << 48 ? 1ull << 52 : 4 * p);
                        ASSERT_EQ(lazy[i] % p, forward[i]);
                    }
                    ntt.inverse(x, set);
                    ASSERT_EQ(x, input) << n << " " << p << " " << to_string(set);
                    x = input;
                    ntt.inverse(x, set);
                    ASSERT_EQ(x, inverse) << n << " " << p << " " << to_string(set);
                    // A factor on the way.
                    x = input;
                    ntt.inverse(x, ntt.scale(p - 12345), set);
                    for (std::size_t i = 0; i < n; ++i)
                        ASSERT_EQ(x[i], ntt.modulus().multiply(inverse[i], p - 12345)) << n << " " << p;
                }
            }
        }
}

TEST(Ntt, ValuesModAProductAreValuesModBothPrimes) {
    const std::size_t n = 8192;
    const Modulus first(largest_prime_below(1 << 24, 2 * n)), second(largest_prime_below(first.value(), 2 * n)),
        both = Modulus::product(first, second);
    for (InstructionSet set : supported_instruction_sets()) {
        std::vector<std::uint64_t> x = reference::random_residues(n, both.value(), 5);
        std::vector<std::vector<std::uint64_t>> parts;
        for (const Modulus& prime : {first, second}) {
            parts.emplace_back();
            for (std::uint64_t v : x) parts.back().push_back(v % prime.value());
            NttTables(n, prime).forward(parts.back(), set);
        }
        NttTables(n, both).forward(x, set);
        for (std::size_t i = 0; i < n; ++i) {
            ASSERT_EQ(x[i] % first.value(), parts[0][i]);
            ASSERT_EQ(x[i] % second.value(), parts[1][i]);
        }
    }
}

TEST(Ntt, RefusesBadParameters) {
    EXPECT_THROW(NttTables(100, 65537), Error);
    EXPECT_THROW(NttTables(32, 65537), Error);
    EXPECT_THROW(NttTables(4096, 1000003), Error);
    EXPECT_THROW(NttTables(32768, largest_prime_below(1 << 30, 65536)), Error);
    const Modulus right(largest_prime_below(1 << 24, 8192)), wrong_root(largest_prime_below(1 << 24, 2));
    EXPECT_THROW(NttTables(4096, Modulus::product(right, wrong_root)), Error);
    const NttTables ntt(64, 65537);
    std::vector<std::uint64_t> wrong(65);
    EXPECT_THROW(ntt.forward(wrong), Error);
}

}  // namespace
}  // namespace flash::lattice
