// Types for secret data. They cannot be copied or printed by accident, and their memory is overwritten before it is
// given back, so that a secret does not outlive its owner in freed memory. What keeps the memory of those that live out
// of core files and swap is in base/off_disk.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/aligned.h"

namespace flash {

/// Overwrites secret memory with zeros; not removed by the optimiser, unlike a memset before memory is given back.
void wipe(void* memory, std::size_t bytes);

/// Allocator that overwrites memory before it is freed (also when a vector grows and moves); arrays start at a cache
/// line.
template <class T>
struct WipingAllocator {
    using value_type = T;
    WipingAllocator() = default;
    template <class U>
    WipingAllocator(const WipingAllocator<U>&) {}
    T* allocate(std::size_t count) { return AlignedAllocator<T>().allocate(count); }
    void deallocate(T* p, std::size_t count) {
        flash::wipe(p, count * sizeof(T));
        AlignedAllocator<T>().deallocate(p, count);
    }
    template <class U>
    bool operator==(const WipingAllocator<U>&) const {
        return true;
    }
};

/// Array of trivially copyable secret values: move-only, wiped on destruction. No stream operator on purpose. It is a
/// contiguous range, so it converts to std::span.
template <class T>
class SecretVector {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    SecretVector() = default;
    explicit SecretVector(std::size_t count) : data_(count) {}
    SecretVector(const SecretVector&) = delete;
    SecretVector& operator=(const SecretVector&) = delete;
    SecretVector(SecretVector&&) noexcept = default;
    SecretVector& operator=(SecretVector&&) noexcept = default;

    std::size_t size() const { return data_.size(); }
    bool empty() const { return data_.empty(); }
    T* data() { return data_.data(); }
    const T* data() const { return data_.data(); }
    T& operator[](std::size_t i) { return data_[i]; }
    const T& operator[](std::size_t i) const { return data_[i]; }
    auto begin() { return data_.begin(); }
    auto end() { return data_.end(); }
    auto begin() const { return data_.begin(); }
    auto end() const { return data_.end(); }
    /// Overwrites and frees the contents now.
    void wipe() { std::vector<T, WipingAllocator<T>>().swap(data_); }

private:
    std::vector<T, WipingAllocator<T>> data_;
};

/// Array of secret values that are about to be written: not initialised, wiped on destruction, move-only.
template <class T>
class SecretBuffer {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    explicit SecretBuffer(std::size_t count) : data_(AlignedAllocator<T>().allocate(count)), size_(count) {}
    SecretBuffer(const SecretBuffer&) = delete;
    SecretBuffer& operator=(const SecretBuffer&) = delete;
    SecretBuffer(SecretBuffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)) {}
    ~SecretBuffer() {
        if (!data_) return;
        flash::wipe(data_, size_ * sizeof(T));
        AlignedAllocator<T>().deallocate(data_, size_);
    }

    std::size_t size() const { return size_; }
    T* data() { return data_; }
    const T* data() const { return data_; }
    T& operator[](std::size_t i) { return data_[i]; }
    const T& operator[](std::size_t i) const { return data_[i]; }
    T* begin() { return data_; }
    T* end() { return data_ + size_; }
    const T* begin() const { return data_; }
    const T* end() const { return data_ + size_; }

private:
    T* data_;
    std::size_t size_;
};

/// 256-bit secret seed of a generator. Move-only; the moved-from and the destroyed object are wiped.
class SecretSeed {
public:
    static constexpr std::size_t kBytes = 32;
    /// Fresh seed from the operating system (through OpenSSL's private DRBG). Throws Error(kInternal) if there is none.
    static SecretSeed generate();
    /// Fixed seed, for tests and reproducible transcripts only.
    static SecretSeed for_testing(std::uint64_t value);

    SecretSeed(const SecretSeed&) = delete;
    SecretSeed& operator=(const SecretSeed&) = delete;
    SecretSeed(SecretSeed&& other) noexcept : bytes_(other.bytes_) { other.wipe(); }
    SecretSeed& operator=(SecretSeed&& other) noexcept {
        if (this != &other) {
            bytes_ = other.bytes_;
            other.wipe();
        }
        return *this;
    }
    ~SecretSeed() { wipe(); }

    std::span<const std::uint8_t, kBytes> bytes() const { return bytes_; }

private:
    SecretSeed() = default;
    void wipe() { flash::wipe(bytes_.data(), bytes_.size()); }
    std::array<std::uint8_t, kBytes> bytes_{};
};

}  // namespace flash
