// Receiving with the order checked: within a type, messages must come exactly as the plan says.
#pragma once

#include <string>

#include "base/error.h"
#include "protocol/message_types.h"
#include "transport/channel.h"

namespace flash::protocol {

inline transport::Message receive_expected(transport::Channel& channel, transport::MessageType type,
                                           std::uint32_t layer, std::uint32_t index, std::size_t payload_bytes) {
    transport::Message message = channel.receive(type);
    if (message.layer != layer || message.index != index)
        throw Error(ErrorKind::kProtocol, std::string(name_of(type)) + ": expected layer " + std::to_string(layer) +
                                              " item " + std::to_string(index) + ", got layer " +
                                              std::to_string(message.layer) + " item " + std::to_string(message.index));
    if (message.payload.size() != payload_bytes)
        throw Error(ErrorKind::kProtocol, std::string(name_of(type)) + ": expected " + std::to_string(payload_bytes) +
                                              " bytes, got " + std::to_string(message.payload.size()));
    return message;
}

}  // namespace flash::protocol
