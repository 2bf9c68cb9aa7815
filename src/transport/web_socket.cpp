#include "transport/web_socket.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>

#include "base/error.h"

namespace flash::transport {

namespace {

constexpr std::uint8_t kContinuation = 0, kBinary = 2, kClose = 8, kPing = 9, kPong = 10;
constexpr std::uint8_t kFinal = 0x80, kMasked = 0x80, kReserved = 0x70;
constexpr std::size_t kKeyBytes = 16, kKeyText = 24;

[[noreturn]] void fail(const char* what) { throw Error(ErrorKind::kProtocol, std::string("WebSocket: ") + what); }

}  // namespace

std::string web_socket_accept(std::string_view key) {
    const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // of the RFC
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1)
        throw Error(ErrorKind::kInternal, "OpenSSL could not compute SHA-1");
    std::array<unsigned char, 64> encoded{};
    const int length = EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(size));
    return {encoded.data(), encoded.data() + length};
}

bool is_web_socket_key(std::string_view key) {
    const auto is_digit = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
    };
    static_assert((kKeyBytes + 2) / 3 * 4 == kKeyText);
    return key.size() == kKeyText && key.ends_with("==") && std::ranges::all_of(key.substr(0, kKeyText - 2), is_digit);
}

/// Of the header that begins with the first two bytes.
std::size_t WebSocket::header_bytes() const {
    const unsigned size = header_[1] & 0x7f;
    return 2 + (size == 126 ? 2 : size == 127 ? 8 : 0) + ((header_[1] & kMasked) != 0 ? 4 : 0);
}

void WebSocket::begin_frame() {
    const bool final = (header_[0] & kFinal) != 0, masked = (header_[1] & kMasked) != 0;
    if ((header_[0] & kReserved) != 0) fail("an extension that nobody has agreed to");
    if (masked != (side_ == Side::kServer)) fail(masked ? "a server masks nothing" : "a client masks all it sends");
    opcode_ = header_[0] & 0x0f;
    const std::uint8_t* at = header_.data() + 2;
    left_ = header_[1] & 0x7f;
    if (left_ >= 126) {
        const std::size_t bytes = left_ == 126 ? 2 : 8;
        left_ = 0;
        for (std::size_t i = 0; i < bytes; ++i) left_ = left_ << 8 | *at++;
        if (left_ < (bytes == 2 ? 126u : 65536u) || (left_ >> 63) != 0)
            fail("a length in a form that is not the shortest");
    }
    std::ranges::fill(mask_, std::uint8_t{0});
    if (masked) std::copy_n(at, 4, mask_.begin());
    mask_at_ = 0;
    switch (opcode_) {
        case kContinuation:
            if (!in_message_) fail("a message goes on that has not begun");
            in_message_ = !final;
            break;
        case kBinary:
            if (in_message_) fail("a message begins within another");
            in_message_ = !final;
            break;
        case kClose:
        case kPing:
        case kPong:
            if (!final || left_ > kControlBytes) fail("a control frame that is too long");
            control_.clear();
            break;
        default: fail("only binary messages are understood here");
    }
    in_payload_ = true;
}

void WebSocket::take_control(std::span<const std::uint8_t> payload) {
    control_.insert(control_.end(), payload.begin(), payload.end());
    if (left_ > 0) return;
    if (opcode_ == kClose) closed_ = true;
    if (opcode_ == kPing) pong_ = control_;
}

void WebSocket::feed(std::span<std::uint8_t> bytes, const Sink& sink) {
    while (!closed_ && (!bytes.empty() || (in_payload_ && left_ == 0))) {
        if (!in_payload_) {
            header_[header_filled_++] = bytes.front();
            bytes = bytes.subspan(1);
            if (header_filled_ < 2 || header_filled_ < header_bytes()) continue;
            header_filled_ = 0;
            begin_frame();
            continue;
        }
        const auto part = bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size())));
        bytes = bytes.subspan(part.size());
        for (std::uint8_t& byte : part) byte ^= mask_[mask_at_++ & 3];
        left_ -= part.size();
        if (opcode_ >= kClose)
            take_control(part);
        else if (!part.empty())
            sink(part);
        in_payload_ = left_ > 0;
    }
}

std::optional<std::vector<std::uint8_t>> WebSocket::take_pong() {
    if (!pong_) return std::nullopt;
    std::vector<std::uint8_t> out;
    put(out, kPong, *pong_);
    pong_.reset();
    return out;
}

void WebSocket::put_message(std::vector<std::uint8_t>& out, std::span<const std::uint8_t> payload) const {
    put(out, kBinary, payload);
}

void WebSocket::put_close(std::vector<std::uint8_t>& out) const {
    constexpr std::array<std::uint8_t, 2> kNormal{1000 >> 8, 1000 & 0xff};
    put(out, kClose, kNormal);
}

void WebSocket::put(std::vector<std::uint8_t>& out, std::uint8_t opcode, std::span<const std::uint8_t> payload) const {
    const std::uint8_t masked = side_ == Side::kClient ? kMasked : 0;
    const std::uint64_t size = payload.size();
    out.push_back(kFinal | opcode);
    const std::size_t bytes = size < 126 ? 0 : size < 65536 ? 2 : 8;
    out.push_back(masked | static_cast<std::uint8_t>(bytes == 0 ? size : bytes == 2 ? 126 : 127));
    for (std::size_t i = bytes; i-- > 0;) out.push_back(static_cast<std::uint8_t>(size >> (8 * i)));
    std::array<std::uint8_t, 4> mask{};
    if (masked != 0) {
        // Not a secret: it keeps a page from choosing the bytes on the wire. TLS hides them here anyway.
        if (RAND_bytes(mask.data(), static_cast<int>(mask.size())) != 1)
            throw Error(ErrorKind::kInternal, "OpenSSL could not draw random bytes");
        out.insert(out.end(), mask.begin(), mask.end());
    }
    for (std::size_t i = 0; i < payload.size(); ++i) out.push_back(payload[i] ^ mask[i & 3]);
}

}  // namespace flash::transport
