#include "data/image.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"
#include "data/file.h"
#include "data/image_codecs.h"

namespace flash::data {
namespace {

constexpr std::array<std::uint8_t, 8> kPngMark = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
constexpr std::array<std::uint8_t, 3> kJpegMark = {0xff, 0xd8, 0xff};

template <std::size_t N>
bool starts_with(std::span<const std::uint8_t> bytes, const std::array<std::uint8_t, N>& mark) {
    return bytes.size() >= N && std::equal(mark.begin(), mark.end(), bytes.begin());
}

}  // namespace

bool has_image_suffix(const std::string& path) {
    std::string lower = path;
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    for (const std::string_view suffix : {".png", ".jpg", ".jpeg"}) {
        if (lower.size() > suffix.size() && lower.ends_with(suffix)) return true;
    }
    return false;
}

void check_image_extents(std::int64_t height, std::int64_t width, const std::string& name) {
    if (height < 1 || width < 1) throw Error(ErrorKind::kFile, fmt::format("picture '{}' is empty", name));
    if (height > kImageMaxSide || width > kImageMaxSide || height * width > kImageMaxPixels) {
        throw Error(ErrorKind::kFile,
                    fmt::format("picture '{}' is too large: {} x {} pixels; the limit is {} a side and {} in all", name,
                                width, height, kImageMaxSide, kImageMaxPixels));
    }
}

Image decode_image(std::span<const std::uint8_t> bytes, const std::string& name) {
    if (starts_with(bytes, kPngMark)) return decode_png(bytes, name);
    if (starts_with(bytes, kJpegMark)) return decode_jpeg(bytes, name);
    throw Error(ErrorKind::kFile, fmt::format("'{}' is not a PNG or JPEG picture", name));
}

Image read_image(const std::string& path) { return decode_image(read_file(path, kImageMaxFileBytes), path); }

}  // namespace flash::data
