#include "transport/channel.h"

namespace flash::transport {

const char* to_string(MessageType type) {
    switch (type) {
        case MessageType::kError: return "error";
        case MessageType::kClientHello: return "client-hello";
        case MessageType::kServerHello: return "server-hello";
        case MessageType::kStart: return "start";
        case MessageType::kStartReply: return "start-reply";
        case MessageType::kUpload: return "upload";
        case MessageType::kLinearResponse: return "linear-response";
        case MessageType::kActivationKeys: return "activation-keys";
        case MessageType::kProductResponse: return "product-response";
        case MessageType::kResultShare: return "result-share";
        case MessageType::kFinish: return "finish";
    }
    return "unknown";
}

bool is_known(std::uint16_t type) {
    return type >= static_cast<std::uint16_t>(MessageType::kError) &&
           type <= static_cast<std::uint16_t>(MessageType::kFinish);
}

}  // namespace flash::transport
