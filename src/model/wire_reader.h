// Reads messages in the wire format of protocol buffers, field by field, as a reader of proto3 does: fields it does not
// know are skipped, of a scalar that comes twice the last counts, and numbers may be packed. Nothing is allocated here.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/table.h"

namespace flash::model {

/// All functions throw Error(kProtocol) where the bytes are not well-formed.
class WireReader {
public:
    explicit WireReader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

    /// Goes to the next field; false at the end. Its value has to be taken, or skipped, before the next call.
    bool next() {
        if (bytes_.empty()) return false;
        const std::uint64_t tag = varint();
        check(tag >> 3 >= 1 && tag >> 32 == 0);
        field_ = static_cast<std::uint32_t>(tag >> 3);
        type_ = static_cast<unsigned>(tag & 7);
        return true;
    }
    bool at_end() const { return bytes_.empty(); }
    std::uint32_t field() const { return field_; }
    /// Whether the field is a number of variable length; if not, it is of another type than this reader knows it of.
    bool is_varint() const { return type_ == kVarint; }
    bool is_bytes() const { return type_ == kBytes; }
    bool is_float() const { return type_ == kFour; }
    bool is_double() const { return type_ == kEight; }

    std::int32_t int32() { return static_cast<std::int32_t>(static_cast<std::uint32_t>(varint())); }
    bool boolean() { return varint() != 0; }
    float float32() { return fixed<float>(); }
    double float64() { return fixed<double>(); }
    std::span<const std::uint8_t> bytes() {
        const std::uint64_t size = varint();
        check(size <= bytes_.size());
        return take(static_cast<std::size_t>(size));
    }
    /// Text has to be UTF-8.
    std::string_view text() {
        const std::span<const std::uint8_t> read = bytes();
        const std::string_view text(reinterpret_cast<const char*>(read.data()), read.size());
        check(is_utf8(text));
        return text;
    }
    void skip() {
        switch (type_) {
            case kVarint: (void)varint(); break;
            case kEight: (void)take(8); break;
            case kBytes: (void)bytes(); break;
            case kFour: (void)take(4); break;
            default: check(false);
        }
    }

private:
    static constexpr unsigned kVarint = 0, kEight = 1, kBytes = 2, kFour = 5;

    static void check(bool condition) {
        require(condition, ErrorKind::kProtocol, "model architecture: not a well-formed message");
    }

    std::span<const std::uint8_t> take(std::size_t size) {
        check(size <= bytes_.size());
        const std::span<const std::uint8_t> taken = bytes_.first(size);
        bytes_ = bytes_.subspan(size);
        return taken;
    }
    std::uint64_t varint() {
        std::uint64_t value = 0;
        for (int shift = 0; shift < 70; shift += 7) {
            const std::uint8_t byte = take(1)[0];
            value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
            if (byte < 0x80) return value;
        }
        check(false);
        return 0;
    }
    /// Little-endian, as this machine.
    template <class Number>
    Number fixed() {
        Number number;
        std::memcpy(&number, take(sizeof number).data(), sizeof number);
        return number;
    }

    std::span<const std::uint8_t> bytes_;
    std::uint32_t field_ = 0;
    unsigned type_ = 0;
};

}  // namespace flash::model
