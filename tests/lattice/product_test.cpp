#include "lattice/product.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "reference.h"

namespace flash::lattice {
namespace {

TEST(ExactProduct, AgreesWithSchoolbookOnExtremes) {
    const std::size_t n = 2048;
    for (int round = 0; round < 4; ++round) {
        std::vector<std::uint32_t> words = reference::random_words(n, static_cast<std::uint64_t>(round));
        std::vector<std::int8_t> small(n);
        for (std::size_t i = 0; i < n; ++i)
            small[i] = static_cast<std::int8_t>(static_cast<int>((i * i + i / 7) % 3) - 1);
        if (round == 1) {  // the largest sum: every product is 2^31
            words.assign(n, 0x80000000u);
            small.assign(n, -1);
        }
        if (round == 2) words.assign(n, 0xffffffffu);
        const std::vector<std::uint32_t> expected = reference::negacyclic_words(words, small);

        for (InstructionSet set : supported_instruction_sets()) {
            const ExactProduct ring(n, set);
            std::vector<std::uint64_t> transformed(n), workspace(n);
            ring.transform(words, transformed);
            std::vector<std::uint32_t> out(n, 5);
            const PreparedFactor prepared = ring.prepare(small);
            ring.add_product(prepared, transformed, workspace, out);
            for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(out[i], expected[i] + 5) << to_string(set);
            ring.subtract_product(prepared, transformed, workspace, out);
            for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(out[i], 5u) << to_string(set);
            // The other way round, the wide factor prepared, and in place.
            ring.transform(small, transformed);
            ring.add_product(ring.prepare(words), transformed, transformed, out);
            for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(out[i], expected[i] + 5) << to_string(set);
        }
    }
}

TEST(ExactProduct, InstructionSetsAgreeAtEverySize) {
    for (std::size_t n = 64; n <= 8192; n *= 2) {
        const std::vector<std::uint32_t> words = reference::random_words(n, n);
        std::vector<std::int8_t> small(n);
        for (std::size_t i = 0; i < n; ++i) small[i] = static_cast<std::int8_t>(static_cast<int>(words[i] % 3) - 1);
        const std::vector<std::uint32_t> expected = reference::negacyclic_words(words, small);
        for (InstructionSet set : supported_instruction_sets()) {
            const ExactProduct ring(n, set);
            std::vector<std::uint64_t> transformed(n), workspace(n);
            ring.transform(words, transformed);
            std::vector<std::uint32_t> out(n);
            ring.subtract_product(ring.prepare(small), transformed, workspace, out);
            for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(out[i], 0u - expected[i]) << n << " " << to_string(set);
        }
    }
}

TEST(ExactProduct, RefusesOtherSizes) {
    const std::size_t n = 2048;
    const ExactProduct ring(n);
    std::vector<std::uint32_t> wrong(n - 1);
    std::vector<std::uint64_t> right(n);
    EXPECT_THROW(ring.transform(wrong, right), Error);
    std::vector<std::uint32_t> words(n);
    EXPECT_THROW(ring.add_product(ring.prepare(words), right, right, wrong), Error);
    EXPECT_THROW(ring.add_product(ring.prepare(words), right, std::span(right).first(n - 8), words), Error);
}

}  // namespace
}  // namespace flash::lattice
