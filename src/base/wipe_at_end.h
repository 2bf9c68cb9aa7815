// Wipes what somebody else's type holds, where a SecretVector (base/secret.h) cannot.
#pragma once

#include <cstddef>
#include <type_traits>
#include <vector>

#include "base/secret.h"

namespace flash {

/// Overwrites an array of another type when it goes: before the array does, which must not grow meanwhile.
class WipeAtEnd {
public:
    template <class T>
    explicit WipeAtEnd(std::vector<T>& values) : memory_(values.data()),
                                                 bytes_(values.size() * sizeof(T)) {
        static_assert(std::is_trivially_copyable_v<T>);
    }
    WipeAtEnd(const WipeAtEnd&) = delete;
    WipeAtEnd& operator=(const WipeAtEnd&) = delete;
    ~WipeAtEnd() { wipe(memory_, bytes_); }

private:
    void* memory_;
    std::size_t bytes_;
};

}  // namespace flash
