#include "lattice/bitpack.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <random>
#include <vector>

#include "base/error.h"

namespace flash::lattice {
namespace {

/// A heap block of exactly this size with a page of no access behind it: reading or writing one byte too far ends the
/// program.
class Guarded {
public:
    explicit Guarded(std::size_t size) : size_(size), pages_((size + kPage - 1) / kPage * kPage) {
        memory_ = static_cast<std::uint8_t*>(
            ::mmap(nullptr, pages_ + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        EXPECT_NE(memory_, MAP_FAILED);
        EXPECT_EQ(::mprotect(memory_ + pages_, kPage, PROT_NONE), 0);
    }
    ~Guarded() { ::munmap(memory_, pages_ + kPage); }
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;
    std::uint8_t* data() { return memory_ + pages_ - size_; }
    template <class T>
    std::span<T> as() {
        return {reinterpret_cast<T*>(data()), size_ / sizeof(T)};
    }

private:
    static constexpr std::size_t kPage = 4096;
    std::size_t size_, pages_;
    std::uint8_t* memory_;
};

template <class Word>
void round_trips() {
    std::mt19937_64 generator(7);
    for (std::size_t count : {0u, 1u, 2u, 3u, 7u, 8u, 9u, 15u, 16u, 17u, 24u, 31u, 64u, 100u, 127u, 1001u}) {
        Guarded in_memory(count * sizeof(Word)), out_memory(count * sizeof(Word));
        const std::span<Word> in = in_memory.as<Word>(), out = out_memory.as<Word>();
        for (int bits = 1; bits <= static_cast<int>(8 * sizeof(Word)); ++bits) {
            for (Word& word : in) word = static_cast<Word>(generator());
            Guarded packed(packed_bytes(count, bits));
            const std::span<std::uint8_t> bytes = packed.as<std::uint8_t>();
            ASSERT_EQ(bytes.size(), (count * static_cast<std::size_t>(bits) + 7) / 8);
            for (InstructionSet set : supported_instruction_sets()) {
                std::ranges::fill(bytes, std::uint8_t{0xaa});
                pack(std::span<const Word>(in), bits, bytes, set);
                // Bit i of the stream is bit i % bits of value i / bits; the rest of the last byte is zero.
                for (std::size_t i = 0; i < 8 * bytes.size(); ++i) {
                    const std::size_t index = i / static_cast<std::size_t>(bits),
                                      bit = i % static_cast<std::size_t>(bits);
                    ASSERT_EQ(bytes[i / 8] >> (i % 8) & 1, index < count ? static_cast<int>(in[index] >> bit & 1) : 0)
                        << bits << " " << count << " " << to_string(set);
                }
                std::ranges::fill(out, Word{1});
                // Bits beyond the last value are ignored.
                if (const std::size_t used = count * static_cast<std::size_t>(bits) % 8)
                    bytes.back() = static_cast<std::uint8_t>(bytes.back() | 0xff << used);
                unpack(bytes, bits, out, set);
                for (std::size_t i = 0; i < count; ++i)
                    ASSERT_EQ(out[i], static_cast<Word>(in[i] & (~std::uint64_t{0} >> (64 - bits))))
                        << bits << " " << count << " " << to_string(set);
            }
        }
    }
}

TEST(Bitpack, RoundTripsAtEveryWidthAndInstructionSetWithinBounds) {
    round_trips<std::uint64_t>();
    round_trips<std::uint32_t>();
}

TEST(Bitpack, RefusesWrongSizesAndWidths) {
    std::vector<std::uint32_t> words(8);
    std::vector<std::uint8_t> bytes(9);
    try {
        unpack(bytes, 8, std::span<std::uint32_t>(words));
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kProtocol);
    }
    EXPECT_THROW(pack(std::span<const std::uint32_t>(words), 8, bytes), Error);
    EXPECT_THROW(pack(std::span<const std::uint32_t>(words), 33, bytes), Error);
    EXPECT_THROW(packed_bytes(1, 0), Error);
    EXPECT_THROW(packed_bytes(1, 65), Error);
}

}  // namespace
}  // namespace flash::lattice
