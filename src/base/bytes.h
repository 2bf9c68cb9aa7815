// Little-endian reading and writing of message payloads, with every read checked against what is left.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace flash {

class ByteWriter {
public:
    void u32(std::uint32_t value) {
        for (int i = 0; i < 4; ++i) bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
    void raw(std::span<const std::uint8_t> data) { bytes_.insert(bytes_.end(), data.begin(), data.end()); }
    std::vector<std::uint8_t> take() { return std::move(bytes_); }

private:
    std::vector<std::uint8_t> bytes_;
};

/// Reads a received payload; Error(kProtocol) naming the message when it is too short or too long.
class ByteReader {
public:
    ByteReader(std::span<const std::uint8_t> bytes, const char* what) : bytes_(bytes), what_(what) {}
    std::uint32_t u32() {
        const auto b = raw(4);
        return b[0] | std::uint32_t{b[1]} << 8 | std::uint32_t{b[2]} << 16 | std::uint32_t{b[3]} << 24;
    }
    std::span<const std::uint8_t> raw(std::size_t count) {
        if (count > bytes_.size()) throw Error(ErrorKind::kProtocol, std::string(what_) + ": the message is too short");
        const auto part = bytes_.first(count);
        bytes_ = bytes_.subspan(count);
        return part;
    }
    template <std::size_t N>
    std::array<std::uint8_t, N> array() {
        std::array<std::uint8_t, N> out;
        std::memcpy(out.data(), raw(N).data(), N);
        return out;
    }
    std::size_t left() const { return bytes_.size(); }
    void end() const {
        if (!bytes_.empty()) throw Error(ErrorKind::kProtocol, std::string(what_) + ": the message is too long");
    }

private:
    std::span<const std::uint8_t> bytes_;
    const char* what_;
};

}  // namespace flash
