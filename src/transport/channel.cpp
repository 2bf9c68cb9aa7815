#include "transport/channel.h"

#include <array>

namespace flash::transport {

const char* number_of(MessageType type) {
    static constexpr std::array<const char*, kMessageTypes> kNumbers = {
        "type 0", "error",  "type 2", "type 3",  "type 4",  "type 5",  "type 6",
        "type 7", "type 8", "type 9", "type 10", "type 11", "type 12", "type 13"};
    const auto at = static_cast<std::size_t>(type);
    return at < kNumbers.size() ? kNumbers[at] : "unknown";
}

}  // namespace flash::transport
