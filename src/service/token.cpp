#include "service/token.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/file.h"

namespace flash::service {

namespace {

/// Without a table and without a branch: the digit is secret.
char hex_digit(unsigned value) { return static_cast<char>('0' + value + ((9 - value) >> 31) * ('a' - '0' - 10)); }

}  // namespace

SecretVector<char> make_token() {
    const SecretSeed seed = SecretSeed::generate();
    SecretVector<char> token(kTokenPrefix.size() + kTokenDigits);
    char* at = std::ranges::copy(kTokenPrefix, token.data()).out;
    for (const std::uint8_t byte : seed.bytes()) {
        *at++ = hex_digit(byte >> 4);
        *at++ = hex_digit(byte & 15);
    }
    return token;
}

bool is_token(std::span<const char> text) {
    if (text.size() != kTokenPrefix.size() + kTokenDigits) return false;
    const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    return std::ranges::equal(text.first(kTokenPrefix.size()), kTokenPrefix) &&
           std::ranges::all_of(text.subspan(kTokenPrefix.size()), is_digit);
}

Sha256 token_hash(std::span<const char> token) {
    return sha256({reinterpret_cast<const std::uint8_t*>(token.data()), token.size()});
}

SecretVector<char> read_token(const std::filesystem::path& file) {
    const RandomAccessFile open(file.string());
    constexpr std::size_t kSize = kTokenPrefix.size() + kTokenDigits;
    const auto fail = [&] {
        throw Error(ErrorKind::kFile, file.string() + " holds no token: `flash-` and 64 hexadecimal digits");
    };
    if (open.size() < kSize || open.size() > kSize + 2) fail();
    if ((open.mode() & (S_IRWXG | S_IRWXO)) != 0)
        spdlog::warn("token {} can be read by other users; run: chmod 600 {}", file.string(), file.string());
    SecretVector<char> content(open.size());
    open.read_at(0, {reinterpret_cast<std::uint8_t*>(content.data()), content.size()});
    const std::span<const char> all(content.data(), content.size());
    const auto is_break = [](char c) { return c == '\n' || c == '\r'; };
    if (!is_token(all.first(kSize)) || !std::ranges::all_of(all.subspan(kSize), is_break)) fail();
    SecretVector<char> token(kSize);
    std::ranges::copy(all.first(kSize), token.data());
    return token;
}

}  // namespace flash::service
