#include "transport/frame.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace flash::transport {

namespace {

void put(std::uint8_t* out, std::uint32_t value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

std::uint32_t get(const std::uint8_t* in, std::size_t bytes) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value |= static_cast<std::uint32_t>(in[i]) << (8 * i);
    return value;
}

void check(std::uint32_t type, std::uint64_t size, std::size_t lane, const FrameLimits& limits) {
    if (!is_known(static_cast<std::uint16_t>(type))) {
        throw Error(ErrorKind::kProtocol, "received a message of unknown type " + std::to_string(type) +
                                              "; the peer speaks another protocol or version");
    }
    const auto known = static_cast<MessageType>(type);
    const std::size_t limit =
        known == MessageType::kError ? std::min(limits.max_payload, kMaxErrorBytes) : limits.max_payload;
    if (size > limit) {
        throw Error(ErrorKind::kProtocol, "received a message of type " + std::to_string(type) + " that declares " +
                                              std::to_string(size) + " bytes; the limit is " + std::to_string(limit));
    }
    if (lane >= limits.lanes) {
        throw Error(ErrorKind::kProtocol, "received a message of lane " + std::to_string(lane) +
                                              ", counted from 0; agreed upon are " + std::to_string(limits.lanes));
    }
}

}  // namespace

std::array<std::uint8_t, kFrameHeaderBytes> encode_header(const Message& message) {
    require(message.payload.size() <= 0xffffffffu, ErrorKind::kInternal, "message payload does not fit a frame");
    std::array<std::uint8_t, kFrameHeaderBytes> out{};
    put(&out[0], static_cast<std::uint32_t>(message.payload.size()), 4);
    put(&out[4], static_cast<std::uint16_t>(message.type), 2);
    put(&out[6], message.lane, 2);
    put(&out[8], message.layer, 4);
    put(&out[12], message.index, 4);
    return out;
}

FrameHeader decode_header(std::span<const std::uint8_t, kFrameHeaderBytes> bytes, const FrameLimits& limits) {
    const std::uint32_t size = get(&bytes[0], 4), type = get(&bytes[4], 2), lane = get(&bytes[6], 2);
    check(type, size, lane, limits);
    return {size, static_cast<MessageType>(type), get(&bytes[8], 4), get(&bytes[12], 4),
            static_cast<std::uint16_t>(lane)};
}

void check_frame(const Message& message, const FrameLimits& limits) {
    check(static_cast<std::uint16_t>(message.type), message.payload.size(), message.lane, limits);
}

void FrameDecoder::feed(std::span<const std::uint8_t> bytes, const std::function<void(Message)>& sink) {
    while (true) {
        if (header_filled_ < kFrameHeaderBytes) {
            const std::size_t take = std::min(kFrameHeaderBytes - header_filled_, bytes.size());
            std::copy_n(bytes.begin(), take, header_bytes_.begin() + static_cast<std::ptrdiff_t>(header_filled_));
            header_filled_ += take;
            bytes = bytes.subspan(take);
            if (header_filled_ < kFrameHeaderBytes) return;
            const FrameHeader header = decode_header(header_bytes_, limits_);
            payload_size_ = header.payload_size;
            message_ = Message{header.type, header.layer, header.index, {}};
            message_.lane = header.lane;
            message_.payload.reserve(payload_size_);
        }
        const std::size_t take = std::min(payload_size_ - message_.payload.size(), bytes.size());
        message_.payload.insert(message_.payload.end(), bytes.begin(),
                                bytes.begin() + static_cast<std::ptrdiff_t>(take));
        bytes = bytes.subspan(take);
        if (message_.payload.size() < payload_size_) return;
        header_filled_ = 0;
        sink(std::exchange(message_, Message{}));
        if (bytes.empty()) return;
    }
}

Message make_error(std::string_view sentence) {
    sentence = sentence.substr(0, kMaxErrorBytes);
    return {MessageType::kError, 0, 0, {sentence.begin(), sentence.end()}};
}

std::string error_sentence(std::span<const std::uint8_t> payload) {
    if (payload.empty()) return "(no reason given)";
    std::string text;
    for (const std::uint8_t byte : payload.first(std::min(payload.size(), kMaxErrorBytes))) {
        text += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '?';
    }
    return text;
}

}  // namespace flash::transport
