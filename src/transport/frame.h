// The frame codec: how one message looks as bytes (docs/formats.md). Nothing here touches a socket, so that the
// same code is used by the TLS connection, by the in-memory loopback and by the fuzzer.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "transport/channel.h"

namespace flash::transport {

/// Longest sentence in a kError message. Every implementation refuses a longer one, whatever Limits say.
inline constexpr std::size_t kMaxErrorBytes = 1024;

/// A decoded and checked header.
struct FrameHeader {
    std::uint32_t payload_size = 0;
    MessageType type{};
    std::uint32_t layer = 0;
    std::uint32_t index = 0;
    std::uint16_t lane = 0;
};

/// What a receiver takes at all.
struct FrameLimits {
    std::size_t max_payload = 0;  ///< of one message; of a kError message kMaxErrorBytes at most
    std::size_t lanes = 1;

    static FrameLimits of(const Limits& limits) { return {limits.max_payload, limits.lanes}; }
};

/// Header bytes of `message`. The payload follows them on the wire unchanged. The payload must fit 32 bits.
std::array<std::uint8_t, kFrameHeaderBytes> encode_header(const Message& message);

/// Decodes a header. Throws Error(kProtocol) if the type is unknown, or lane or declared payload are beyond the limits:
/// all before anything is allocated for the payload.
FrameHeader decode_header(std::span<const std::uint8_t, kFrameHeaderBytes> bytes, const FrameLimits& limits);

/// Throws Error(kProtocol) unless `message` could have come out of the decoder under these limits.
void check_frame(const Message& message, const FrameLimits& limits);

/// Bytes that `message` takes on the wire.
inline std::uint64_t frame_bytes(const Message& message) { return kFrameHeaderBytes + message.payload.size(); }

/// Cuts a byte stream into messages, however the stream was split into pieces.
class FrameDecoder {
public:
    /// The limits bound the memory that a partly received message can hold.
    explicit FrameDecoder(const FrameLimits& limits) : limits_(limits) {}

    /// Takes the next piece of the stream and calls `sink` for every message that it completes, in order.
    /// Throws Error(kProtocol) on a bad header; the stream cannot be read any further then.
    void feed(std::span<const std::uint8_t> bytes, const std::function<void(Message)>& sink);
    /// Apply from the next header on.
    void set_limits(const FrameLimits& limits) { limits_ = limits; }
    /// Whether the stream stands inside a frame: if it ends here, it was truncated.
    bool in_frame() const { return header_filled_ > 0; }

private:
    FrameLimits limits_;
    std::array<std::uint8_t, kFrameHeaderBytes> header_bytes_{};
    std::size_t header_filled_ = 0;  // kFrameHeaderBytes once the header is complete and the payload is being collected
    std::size_t payload_size_ = 0;
    Message message_;
};

/// A kError message for this sentence, cut to kMaxErrorBytes.
Message make_error(std::string_view sentence);
/// The sentence of a kError message as text that is safe to print: other than printable ASCII becomes '?', so that a
/// peer cannot send control sequences to a terminal or forge lines in a log.
std::string error_sentence(std::span<const std::uint8_t> payload);

}  // namespace flash::transport
