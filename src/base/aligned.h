// Arrays that start at a cache line: vectors of 64 bytes that straddle two lines cost twice as much to load and store.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace flash {

inline constexpr std::size_t kCacheLine = 64;

template <class T>
struct AlignedAllocator {
    using value_type = T;
    AlignedAllocator() = default;
    template <class U>
    AlignedAllocator(const AlignedAllocator<U>&) {}
    T* allocate(std::size_t count) {
        return static_cast<T*>(::operator new (count * sizeof(T), std::align_val_t{kCacheLine}));
    }
    void deallocate(T* p, std::size_t count) { ::operator delete (p, count * sizeof(T), std::align_val_t{kCacheLine}); }
    template <class U>
    bool operator==(const AlignedAllocator<U>&) const {
        return true;
    }
};

template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

}  // namespace flash
