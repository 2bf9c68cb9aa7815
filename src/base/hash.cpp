#include "base/hash.h"

namespace flash {

Sha256 sha256(std::span<const std::uint8_t> data) {
    Sha256Stream digest;
    digest.add(data);
    return digest.finish();
}

Sha256 sha256_parts(std::initializer_list<std::span<const std::uint8_t>> parts) {
    Sha256Stream digest;
    for (const auto& part : parts) {
        std::array<std::uint8_t, 8> length;
        for (int i = 0; i < 8; ++i)
            length[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(part.size() >> (8 * i));
        digest.add(length);
        digest.add(part);
    }
    return digest.finish();
}

bool from_hex(std::string_view text, std::span<std::uint8_t> out) {
    if (text.size() != 2 * out.size()) return false;
    const auto digit = [](char c) {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        return -1;
    };
    for (std::size_t i = 0; i < out.size(); ++i) {
        const int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        out[i] = static_cast<std::uint8_t>(16 * high + low);
    }
    return true;
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (std::uint8_t byte : bytes) {
        out.push_back(kDigits[byte >> 4]);
        out.push_back(kDigits[byte & 15]);
    }
    return out;
}

}  // namespace flash
