// Arrays that start at a cache line: vectors of 64 bytes that straddle two lines cost twice as much to load and store.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace flash {

inline constexpr std::size_t kCacheLine = 64;

/// Uninitialised memory of at least so many bytes that starts at a cache line; throws std::bad_alloc.
///
/// Larger blocks have one of four sizes between powers of two, and come from the plain operator new, so that one that
/// was freed fits the next that is asked for. The C library up to 2.37 cuts an aligned block out of a larger one, which
/// the next does not fit again, and sizes without classes leave gaps that fit nothing: the memory of a server with many
/// sessions then creeps up although none of it is lost.
void* allocate_at_cache_line(std::size_t bytes);
/// Frees what allocate_at_cache_line gave; nullptr is allowed.
void free_at_cache_line(void* p) noexcept;

template <class T>
struct AlignedAllocator {
    using value_type = T;
    AlignedAllocator() = default;
    template <class U>
    AlignedAllocator(const AlignedAllocator<U>&) {}
    T* allocate(std::size_t count) {
        if (count > static_cast<std::size_t>(-1) / sizeof(T)) throw std::bad_array_new_length();
        return static_cast<T*>(allocate_at_cache_line(count * sizeof(T)));
    }
    void deallocate(T* p, std::size_t) noexcept { free_at_cache_line(p); }
    template <class U>
    bool operator==(const AlignedAllocator<U>&) const {
        return true;
    }
};

template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

}  // namespace flash
