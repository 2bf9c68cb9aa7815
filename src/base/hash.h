#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace flash {

using Sha256 = std::array<std::uint8_t, 32>;

/// SHA-256 of data that comes piece by piece.
class Sha256Stream {
public:
    Sha256Stream();
    ~Sha256Stream();
    Sha256Stream(const Sha256Stream&) = delete;
    Sha256Stream& operator=(const Sha256Stream&) = delete;
    void add(std::span<const std::uint8_t> data);
    /// Of all that was added; once.
    Sha256 finish();

private:
    struct State;  // of the platform's implementation (base/crypto.h)
    std::unique_ptr<State> state_;
};

Sha256 sha256(std::span<const std::uint8_t> data);
/// SHA-256 over the concatenation of length-prefixed parts, so that no two part lists collide.
Sha256 sha256_parts(std::initializer_list<std::span<const std::uint8_t>> parts);
/// Hexadecimal digits of either case into as many bytes as `out` has; false if the text is anything else.
bool from_hex(std::string_view text, std::span<std::uint8_t> out);
/// Lower-case hexadecimal.
std::string to_hex(std::span<const std::uint8_t> bytes);

}  // namespace flash
