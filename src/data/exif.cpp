// The one thing of EXIF data that counts: how the picture was held.
#include <fmt/format.h>

#include <algorithm>

#include "data/image_codecs.h"

namespace flash::data {

int exif_orientation(const std::uint8_t* tiff, std::size_t size) {
    constexpr std::size_t kHeader = 8, kEntry = 12, kOrientation = 0x0112;
    if (size < kHeader) return 1;
    const bool little = tiff[0] == 'I';
    const auto read = [&](std::size_t at, int bytes) -> std::size_t {
        std::size_t value = 0;
        for (int i = 0; i < bytes; ++i)
            value = value << 8 | tiff[at + static_cast<std::size_t>(little ? bytes - 1 - i : i)];
        return value;
    };
    const std::size_t directory = read(4, 4);
    if (directory > size || size - directory < 2) return 1;
    const std::size_t entries = std::min(read(directory, 2), (size - directory - 2) / kEntry);
    for (std::size_t i = 0; i < entries; ++i) {
        const std::size_t entry = directory + 2 + kEntry * i;
        if (read(entry, 2) == kOrientation) return static_cast<int>(read(entry + 8, 2));
    }
    return 1;
}

std::string dropped_orientation(int orientation) {
    if (orientation < 2 || orientation > 8) return {};
    return fmt::format("its EXIF orientation ({}): the pixels are taken as they lie in the file", orientation);
}

}  // namespace flash::data
