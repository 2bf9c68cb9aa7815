// A buffer of a fixed greatest size for secret temporaries on the stack. What of it was lent is overwritten when it
// goes out of scope.
#pragma once

#include <algorithm>
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
    ~SecretArray() { wipe(values_.data(), used_ * sizeof(T)); }

    static constexpr std::size_t size() { return N; }
    std::span<T> first(std::size_t count) {
        const std::span<T> lent = std::span<T>(values_).first(count);
        used_ = std::max(used_, count);
        return lent;
    }

private:
    alignas(64) std::array<T, N> values_;  // deliberately not initialised: it is a scratch buffer
    std::size_t used_ = 0;
};

}  // namespace flash::lattice
