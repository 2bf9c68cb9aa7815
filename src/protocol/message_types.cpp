#include "protocol/message_types.h"

#include <array>

namespace flash::protocol {

const char* name_of(transport::MessageType type) {
    static constexpr std::array<const char*, transport::kMessageTypes> kNames = {
        "unknown",         "error",          "client-hello",     "server-hello", "start",  "start-reply", "upload",
        "linear-response", "server-vectors", "product-response", "result-share", "finish", "list-models", "model-list"};
    const auto at = static_cast<std::size_t>(type);
    return at < kNames.size() ? kNames[at] : kNames[0];
}

}  // namespace flash::protocol
