#include "base/aligned.h"

#include <bit>
#include <cstdint>
#include <limits>

namespace flash {

namespace {

constexpr std::size_t kMostBytes = std::numeric_limits<std::size_t>::max() / 4;  // sums below do not wrap

}  // namespace

#if defined(__has_feature)
#define FLASH_FEATURE(name) __has_feature(name)
#else
#define FLASH_FEATURE(name) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || FLASH_FEATURE(address_sanitizer)

// Blocks of exactly the size that was asked for: a sanitizer then sees every access behind their end. (It ends the
// program where a size is beyond all bounds.)
void* allocate_at_cache_line(std::size_t bytes) {
    if (bytes > kMostBytes) throw std::bad_alloc();
    return ::operator new (bytes, std::align_val_t{kCacheLine});
}
void free_at_cache_line(void* p) noexcept { ::operator delete (p, std::align_val_t{kCacheLine}); }

#else

namespace {

constexpr std::size_t kSmallBlock = 1024;  // up to here the C library's own sizes serve

/// The least of the sizes that blocks have, 2^e (1 + i/4), that is not below `bytes`.
std::size_t block_size(std::size_t bytes) {
    if (bytes <= kSmallBlock) return bytes;
    const std::size_t step = std::bit_ceil(bytes) / 8;
    return (bytes + step - 1) / step * step;
}

}  // namespace

static_assert(__STDCPP_DEFAULT_NEW_ALIGNMENT__ >= sizeof(void*));

void* allocate_at_cache_line(std::size_t bytes) {
    if (bytes > kMostBytes) throw std::bad_alloc();
    // The block's own address stands before the cache line: operator new aligns to that much at least, so at most
    // kCacheLine bytes are skipped and never fewer than a pointer takes.
    std::byte* const block = static_cast<std::byte*>(::operator new(block_size(bytes) + kCacheLine));
    void* const start = block + (kCacheLine - reinterpret_cast<std::uintptr_t>(block) % kCacheLine);
    static_cast<void**>(start)[-1] = block;
    return start;
}

void free_at_cache_line(void* p) noexcept {
    if (p != nullptr) ::operator delete(static_cast<void**>(p)[-1]);
}

#endif

}  // namespace flash
