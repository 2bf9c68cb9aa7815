// WebSocket (RFC 6455) as a layer between TLS and the protocol's frames, for clients that are web pages. Messages are
// binary, and only their bytes count, joined: where one ends and the next begins means nothing (docs/formats.md). No
// socket here, and no memory that a peer could fill: payload is handed on as it comes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace flash::transport {

/// The answer to a client's Sec-WebSocket-Key.
std::string web_socket_accept(std::string_view key);
/// Whether that is 16 bytes in Base64, as it has to be.
bool is_web_socket_key(std::string_view key);

class WebSocket {
public:
    enum class Side { kClient, kServer };
    explicit WebSocket(Side side) : side_(side) {}

    using Sink = std::function<void(std::span<const std::uint8_t>)>;
    /// Takes what has arrived and hands on the payload of binary messages in pieces; the bytes are changed (unmasked)
    /// in place. Error(kProtocol) for anything that the RFC or this protocol does not allow; the stream ends then.
    void feed(std::span<std::uint8_t> bytes, const Sink& sink);
    /// Whether the peer has closed; nothing that follows is looked at.
    bool closed() const { return closed_; }
    /// What the peer's last ping asks for; nothing where it has been taken already. Of pings in between none is
    /// answered.
    std::optional<std::vector<std::uint8_t>> take_pong();

    /// Appends one binary message with this payload.
    void put_message(std::vector<std::uint8_t>& out, std::span<const std::uint8_t> payload) const;
    /// Appends a farewell.
    void put_close(std::vector<std::uint8_t>& out) const;

private:
    static constexpr std::size_t kControlBytes = 125;

    void begin_frame();
    void put(std::vector<std::uint8_t>& out, std::uint8_t opcode, std::span<const std::uint8_t> payload) const;
    void take_control(std::span<const std::uint8_t> payload);
    std::size_t header_bytes() const;

    const Side side_;
    std::array<std::uint8_t, 14> header_{};
    std::size_t header_filled_ = 0;
    bool in_payload_ = false;
    bool in_message_ = false;  // a fragmented message goes on
    std::uint8_t opcode_ = 0;
    std::uint64_t left_ = 0;  // of the frame's payload
    std::array<std::uint8_t, 4> mask_{};
    std::size_t mask_at_ = 0;
    std::vector<std::uint8_t> control_;  // payload of a control frame, at most kControlBytes
    std::optional<std::vector<std::uint8_t>> pong_;
    bool closed_ = false;
};

}  // namespace flash::transport
