// Feeds arbitrary bytes to a WebSocket of either side. The first byte chooses the side and how the rest is cut.
// Whatever arrives, there comes out no more payload than went in, or Error(kProtocol); in one piece or in many, the
// same.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "transport/web_socket.h"

namespace {

using flash::transport::WebSocket;

struct Outcome {
    std::vector<std::uint8_t> payload;
    std::string error;
    bool closed = false;
    bool operator==(const Outcome&) const = default;
};

Outcome feed(std::vector<std::uint8_t> stream, WebSocket::Side side, std::size_t piece) {
    Outcome outcome;
    WebSocket socket(side);
    try {
        for (std::span<std::uint8_t> rest = stream; !rest.empty();) {
            const auto now = rest.first(std::min(piece, rest.size()));
            rest = rest.subspan(now.size());
            socket.feed(now, [&](std::span<const std::uint8_t> payload) {
                outcome.payload.insert(outcome.payload.end(), payload.begin(), payload.end());
            });
            if (const auto pong = socket.take_pong(); pong && pong->size() > 131) std::abort();
        }
    } catch (const flash::Error& error) {
        if (error.kind() != flash::ErrorKind::kProtocol) std::abort();
        outcome.error = error.what();
    }
    outcome.closed = socket.closed();
    if (outcome.payload.size() > stream.size()) std::abort();
    return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const std::vector<std::uint8_t> stream(data + 1, data + size);
    const auto side = data[0] % 2 == 0 ? WebSocket::Side::kServer : WebSocket::Side::kClient;
    if (feed(stream, side, stream.size()) != feed(stream, side, 1 + data[0] / 2)) std::abort();
    return 0;
}
