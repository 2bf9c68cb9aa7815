// The messages of the protocol. Client -> server: C, server -> client: S. The numbers are part of the wire format
// (docs/formats.md).
#pragma once

#include "transport/channel.h"

namespace flash::protocol {

namespace message_type {
using transport::MessageType;
inline constexpr MessageType kClientHello{2};      ///< C
inline constexpr MessageType kServerHello{3};      ///< S
inline constexpr MessageType kStart{4};            ///< C: begins an inference, carries the client's public key
inline constexpr MessageType kStartReply{5};       ///< S: carries the set-up of the activation
inline constexpr MessageType kUpload{6};           ///< C: the b half of one ciphertext of the client's share; ahead
inline constexpr MessageType kLinearResponse{7};   ///< S: one masked result ciphertext of a linear layer
inline constexpr MessageType kServerVectors{8};    ///< S: encrypted vectors for one chunk of activations; ahead
inline constexpr MessageType kProductResponse{9};  ///< C: the answer to one chunk of activations
inline constexpr MessageType kResultShare{10};     ///< S: the server's share of the result
inline constexpr MessageType kFinish{11};          ///< C: this inference is over; another may follow
inline constexpr MessageType kListModels{12};      ///< C: in place of a hello, on a connection of its own
inline constexpr MessageType kModelList{13};       ///< S: the answer; the server closes then
}  // namespace message_type
static_assert(static_cast<int>(message_type::kModelList) + 1 == transport::kMessageTypes);

/// Uploads and server vectors run far ahead of the layers that need them; the line sends them when nothing else waits.
constexpr bool is_sent_ahead(transport::MessageType type) {
    return type == message_type::kUpload || type == message_type::kServerVectors;
}
inline transport::Message make_message(transport::MessageType type, std::uint32_t layer, std::uint32_t index,
                                       std::vector<std::uint8_t> payload) {
    return {type, layer, index, std::move(payload), is_sent_ahead(type)};
}

/// As docs/formats.md calls it; for sentences (Limits::name_of).
const char* name_of(transport::MessageType type);

}  // namespace flash::protocol
