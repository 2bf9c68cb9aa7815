// What the fuzzers of this folder do with their bytes. The tests run the same functions on mutated inputs.
// A parser may refuse its input with flash::Error; anything else (another exception, a sanitizer report) is a bug.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/error.h"
#include "data/image.h"
#include "data/npy.h"

namespace flash::data {

/// Aborts where a parser returned something that does not hold together.
inline void fuzz_check(bool condition) {
    if (!condition) std::abort();
}

/// Returns whether the input was accepted.
inline bool fuzz_npy(std::span<const std::uint8_t> bytes) {
    try {
        const NpyArray array = parse_npy(bytes, "fuzz");
        std::size_t count = 1;
        for (const std::size_t extent : array.shape) count *= extent;
        fuzz_check(count == array.values.size());
        return true;
    } catch (const Error&) {
        return false;
    }
}

inline bool fuzz_image(std::span<const std::uint8_t> bytes) {
    try {
        const Image image = decode_image(bytes, "fuzz");
        fuzz_check(image.channels == 1 || image.channels == 3);
        fuzz_check(image.height > 0 && image.width > 0 &&
                   image.pixels.size() == image.row_bytes() * static_cast<std::size_t>(image.height));
        return true;
    } catch (const Error&) {
        return false;
    }
}

}  // namespace flash::data
