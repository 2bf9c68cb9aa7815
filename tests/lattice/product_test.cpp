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
        for (std::size_t i = 0; i < n; ++i) small[i] = static_cast<std::int8_t>(static_cast<int>((i * i + i / 7) % 3) - 1);
        if (round == 1) {  // the largest sum: every product is 2^31
            words.assign(n, 0x80000000u);
            small.assign(n, -1);
        }
        if (round == 2) words.assign(n, 0xffffffffu);
        const std::vector<std::uint32_t> expected = reference::negacyclic_words(words, small);

        for (InstructionSet set : supported_instruction_sets()) {
            const ExactProduct ring(n, set);
            std::vector<std::uint64_t> transformed(n), residues(n);
            ring.transform(words, transformed);
            std::vector<std::uint32_t> out(n, 5);
            ring.multiply(ring.prepare(small), transformed, residues);
            ring.add(residues, out);
            for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(out[i], expected[i] + 5) << to_string(set);
            ring.subtract(residues, out);
            for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(out[i], 5u) << to_string(set);
            // The other way round, the wide factor prepared, and in place.
            ring.transform(small, transformed);
            ring.multiply(ring.prepare(words), transformed, transformed);
            EXPECT_EQ(transformed, residues) << to_string(set);
        }
    }
    const ExactProduct ring(n);
    std::vector<std::uint32_t> wrong(n - 1);
    std::vector<std::uint64_t> right(n);
    EXPECT_THROW(ring.transform(wrong, right), Error);
}

}  // namespace
}  // namespace flash::lattice
