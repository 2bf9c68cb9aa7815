// A fixed-size buffer for secret temporaries on the stack, overwritten when it goes out of scope.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <type_traits>

#include "base/secret.h"

namespace flash::lattice {

template <class T, std::size_t N>
class SecretArray {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    SecretArray() = default;
    SecretArray(const SecretArray&) = delete;
    SecretArray& operator=(const SecretArray&) = delete;
    ~SecretArray() { wipe(values_.data(), sizeof values_); }

    T& operator[](std::size_t i) { return values_[i]; }
    const T& operator[](std::size_t i) const { return values_[i]; }
    static constexpr std::size_t size() { return N; }
    T* data() { return values_.data(); }
    const T* data() const { return values_.data(); }
    std::span<T> first(std::size_t count) { return std::span<T>(values_).first(count); }

private:
    alignas(64) std::array<T, N> values_;  // deliberately not initialised: it is a scratch buffer
};

}  // namespace flash::lattice
