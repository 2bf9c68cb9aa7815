#include "base/secret.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <new>
#include <span>
#include <type_traits>
#include <vector>

namespace flash {
namespace {

// Records what freed memory holds at the moment of deallocation: WipingAllocator's last step, seen from the global
// operator delete of this test program.
thread_local const void* watched = nullptr;
thread_local std::size_t watched_bytes = 0;
thread_local bool freed = false, was_zero = false;

/// `p` is about to be freed; aligned arrays start a little behind their block.
void observe(void* p) {
    if (p == nullptr || watched == nullptr) return;
    const unsigned char* const bytes = static_cast<const unsigned char*>(watched);
    const unsigned char* const block = static_cast<const unsigned char*>(p);
    if (std::less<>()(bytes, block) || !std::less<>()(bytes, block + malloc_usable_size(p))) return;
    freed = true;
    was_zero = std::all_of(bytes, bytes + watched_bytes, [](unsigned char b) { return b == 0; });
    watched = nullptr;
}

void watch(const void* p, std::size_t bytes) {
    watched = p;
    watched_bytes = bytes;
    freed = was_zero = false;
}

}  // namespace
}  // namespace flash

void operator delete(void* p) noexcept {
    flash::observe(p);
    std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
    flash::observe(p);
    std::free(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
    flash::observe(p);
    std::free(p);
}
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
    flash::observe(p);
    std::free(p);
}
void* operator new(std::size_t size) {
    if (void* p = std::malloc(size ? size : 1)) return p;
    throw std::bad_alloc();
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    const std::size_t unit = static_cast<std::size_t>(alignment);
    if (void* p = std::aligned_alloc(unit, (size + unit) / unit * unit)) return p;
    throw std::bad_alloc();
}

namespace flash {
namespace {

TEST(SecretVector, MemoryIsZeroWhenFreed) {
    {
        SecretVector<std::uint32_t> secret(100);
        std::fill(secret.begin(), secret.end(), 0xdeadbeefu);
        watch(secret.data(), 400);
    }
    EXPECT_TRUE(freed);
    EXPECT_TRUE(was_zero);
}

TEST(SecretVector, WipeAndAssignmentClearTheOldContents) {
    SecretVector<std::uint64_t> secret(10);
    std::fill(secret.begin(), secret.end(), ~0ull);
    watch(secret.data(), 80);
    secret.wipe();
    EXPECT_TRUE(freed && was_zero);
    EXPECT_TRUE(secret.empty());

    secret = SecretVector<std::uint64_t>(10);
    std::fill(secret.begin(), secret.end(), ~0ull);
    watch(secret.data(), 80);
    secret = SecretVector<std::uint64_t>(5);
    EXPECT_TRUE(freed && was_zero);
}

TEST(SecretVector, GrowthWipesTheOldBlock) {
    std::vector<std::uint8_t, WipingAllocator<std::uint8_t>> bytes(64, 7);
    watch(bytes.data(), 64);
    bytes.resize(10000);
    EXPECT_TRUE(freed && was_zero);
}

TEST(SecretVector, MovesButDoesNotCopy) {
    static_assert(!std::is_copy_constructible_v<SecretVector<int>> && !std::is_copy_assignable_v<SecretVector<int>>);
    static_assert(std::is_nothrow_move_constructible_v<SecretVector<int>>);
    SecretVector<int> first(3);
    first[1] = 5;
    const SecretVector<int> second = std::move(first);
    EXPECT_EQ(second.size(), 3u);
    EXPECT_EQ(second[1], 5);
}

TEST(Wipe, OverwritesExactlyItsBytes) {
    for (std::size_t size : {0u, 1u, 15u, 64u, 1000u}) {
        std::vector<unsigned char> bytes(size + 2, 7);
        wipe(bytes.data() + 1, size);
        EXPECT_EQ(bytes.front(), 7);
        EXPECT_EQ(bytes.back(), 7);
        EXPECT_TRUE(std::all_of(bytes.begin() + 1, bytes.end() - 1, [](unsigned char b) { return b == 0; }));
    }
}

TEST(SecretSeed, MovedFromAndDestroyedSeedsAreWiped) {
    static_assert(!std::is_copy_constructible_v<SecretSeed> && !std::is_copy_assignable_v<SecretSeed>);
    const auto zero = [](std::span<const std::uint8_t> bytes) {
        return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b == 0; });
    };
    SecretSeed first = SecretSeed::for_testing(0x1122334455667788);
    SecretSeed second = std::move(first);
    EXPECT_TRUE(zero(first.bytes()));
    EXPECT_FALSE(zero(second.bytes()));
    first = std::move(second);
    EXPECT_TRUE(zero(second.bytes()));
    EXPECT_FALSE(zero(first.bytes()));
    // On the heap, the destructor's work is still visible when the block is freed.
    SecretSeed* heap = new SecretSeed(std::move(first));
    watch(heap, sizeof *heap);
    delete heap;
    EXPECT_TRUE(freed && was_zero);
}

}  // namespace
}  // namespace flash
