// Orientations that cameras write: told where they are, wherever they stand, and never followed.
#include <array>

#include "data/file.h"
#include "data/image.h"
#include "data/image_codecs.h"
#include "support.h"

namespace flash::data {
namespace {

using Bytes = std::vector<std::uint8_t>;

void put(Bytes& out, std::uint32_t value, int bytes, bool little) {
    for (int i = 0; i < bytes; ++i) {
        const int shift = 8 * (little ? i : bytes - 1 - i);
        out.push_back(static_cast<std::uint8_t>(value >> shift));
    }
}

/// A TIFF directory of two entries, the second of which is the orientation.
Bytes tiff(int orientation, bool little) {
    Bytes out(2, little ? 'I' : 'M');
    put(out, 42, 2, little);
    put(out, 8, 4, little);
    put(out, 2, 2, little);
    for (const int tag : {0x0110, 0x0112}) {
        put(out, static_cast<std::uint32_t>(tag), 2, little);
        put(out, 3, 2, little);
        put(out, 1, 4, little);
        put(out, tag == 0x0112 ? static_cast<std::uint32_t>(orientation) : 0, 2, little);
        put(out, 0, 2, little);
    }
    put(out, 0, 4, little);
    return out;
}

std::uint32_t crc32(std::span<const std::uint8_t> bytes) {
    std::uint32_t crc = ~0U;
    for (const std::uint8_t byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320U : 0);
    }
    return ~crc;
}

/// The PNG with a chunk eXIf in front of the chunk that begins at `place`.
Bytes with_exif(Bytes png, const Bytes& exif, std::size_t place) {
    Bytes chunk;
    put(chunk, static_cast<std::uint32_t>(exif.size()), 4, false);
    for (const char c : {'e', 'X', 'I', 'f'}) chunk.push_back(static_cast<std::uint8_t>(c));
    chunk.insert(chunk.end(), exif.begin(), exif.end());
    put(chunk, crc32(std::span(chunk).subspan(4)), 4, false);
    png.insert(png.begin() + static_cast<std::ptrdiff_t>(place), chunk.begin(), chunk.end());
    return png;
}

TEST(Exif, OrientationIsReadInBothByteOrders) {
    for (const bool little : {false, true})
        for (int orientation = 1; orientation <= 8; ++orientation) {
            const Bytes bytes = tiff(orientation, little);
            EXPECT_EQ(exif_orientation(bytes.data(), bytes.size()), orientation);
            // Cut off anywhere it is upright or what it was; nothing behind the end is read (under AddressSanitizer).
            for (std::size_t size = 0; size < bytes.size(); ++size) {
                const Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
                const int found = exif_orientation(cut.data(), cut.size());
                EXPECT_TRUE(found == 1 || found == orientation) << size;
            }
        }
    Bytes far = tiff(6, true);
    far[7] = 0xff;  // the directory lies beyond the end
    EXPECT_EQ(exif_orientation(far.data(), far.size()), 1);
}

TEST(Exif, OfPngIsTold) {
    const TempDirectory directory;
    const Image image = pattern(3, 7, 5);
    const std::string path = directory.write("x.png", image);
    const Bytes png = read_file(path, 1 << 20);
    EXPECT_EQ(decode_image(png, "x").dropped, "");
    constexpr std::size_t kAfterHeader = 33, kEnd = 12;
    for (const std::size_t place : {kAfterHeader, png.size() - kEnd}) {
        const Image turned = decode_image(with_exif(png, tiff(6, place == kAfterHeader), place), "x");
        EXPECT_EQ(turned.pixels, image.pixels) << "not turned";
        EXPECT_EQ(turned.dropped, "its EXIF orientation (6): the pixels are taken as they lie in the file") << place;
        EXPECT_EQ(decode_image(with_exif(png, tiff(1, true), place), "x").dropped, "");
    }
}

}  // namespace
}  // namespace flash::data
