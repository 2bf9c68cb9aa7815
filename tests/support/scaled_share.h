// A party's share as it is encrypted: scaled, and with a depth.
#pragma once

#include <span>

#include "scheme/direct.h"

namespace flash::testing {

/// Owns the words of a scheme::LevelledShare.
class ScaledShare {
public:
    ScaledShare(std::span<const std::uint32_t> values, std::uint32_t modulus, int depth = 0) : depth_(depth) {
        for (const std::uint32_t value : values) words_.push_back(scheme::scale_up(value, modulus));
    }
    operator scheme::LevelledShare() const { return {depth_, words_}; }

private:
    int depth_;
    scheme::Poly32 words_;
};

}  // namespace flash::testing
