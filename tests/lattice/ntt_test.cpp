#include "lattice/ntt.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "reference.h"

namespace flash::lattice {
namespace {

// Primes of all the sizes in use, on both sides of the limit of the floating-point kernels.
std::vector<std::uint64_t> primes(std::size_t n) {
    std::vector<std::uint64_t> result;
    for (int bits : {24, 28, 31, 38, 40, 49, 50, 51, 54, 60})
        result.push_back(largest_prime_below(1ull << bits, 2 * n));
    return result;
}

TEST(Ntt, ProductsAgreeWithSchoolbook) {
    for (std::size_t n : {64u, 128u, 256u, 512u})
        for (std::uint64_t p : primes(n))
            for (InstructionSet set : supported_instruction_sets()) {
                const NttTables ntt(n, p);
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
    for (std::size_t n = 64; n <= 8192; n *= 2)
        for (std::uint64_t p : primes(n)) {
            const NttTables ntt(n, p);
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
                        ASSERT_LT(lazy[i], p < 1ull << 38 ? 1ull << 43 : 4 * p);
                        ASSERT_EQ(lazy[i] % p, forward[i]);
                    }
                    ntt.inverse(x, set);
                    ASSERT_EQ(x, input) << n << " " << p << " " << to_string(set);
                    x = input;
                    ntt.inverse(x, set);
                    ASSERT_EQ(x, inverse) << n << " " << p << " " << to_string(set);
                }
            }
        }
}

TEST(Ntt, RefusesBadParameters) {
    EXPECT_THROW(NttTables(100, 65537), Error);
    EXPECT_THROW(NttTables(32, 65537), Error);
    EXPECT_THROW(NttTables(4096, 1000003), Error);
    const NttTables ntt(64, 65537);
    std::vector<std::uint64_t> wrong(65);
    EXPECT_THROW(ntt.forward(wrong), Error);
}

}  // namespace
}  // namespace flash::lattice
