// Types of messages as a protocol may have them. The transport knows numbers only.
#pragma once

#include "transport/channel.h"

namespace flash::transport {

namespace some_type {
inline constexpr MessageType kClientHello{2}, kServerHello{3}, kStart{4}, kStartReply{5}, kUpload{6},
    kLinearResponse{7}, kServerVectors{8}, kProductResponse{9}, kResultShare{10}, kFinish{11};

/// Those that the tests send ahead of need.
constexpr bool is_ahead(MessageType type) { return type == kUpload || type == kServerVectors; }
}  // namespace some_type

}  // namespace flash::transport
