// Feeds arbitrary bytes to the frame decoder. The first byte chooses the limits of size and lanes, the second how the
// rest is cut into pieces. Whatever arrives, the decoder must either deliver messages that encode back to exactly the
// bytes it consumed, or throw Error(kProtocol); in one piece or in many, the outcome must be the same.
//
// libFuzzer: clang++ -std=c++20 -fsanitize=fuzzer,address,undefined -Isrc fuzz/transport/frame_fuzz.cpp ...
// The tests run the same function over random and mutated inputs (tests/transport/fuzz_driver_test.cpp).
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "transport/frame.h"

namespace {

using namespace flash::transport;

struct Outcome {
    std::vector<std::uint8_t> encoded;  // the messages that came out, encoded again
    std::string error;
    bool in_frame = false;
    bool operator==(const Outcome&) const = default;
};

Outcome decode(std::span<const std::uint8_t> stream, std::size_t limit, std::size_t piece) {
    Outcome outcome;
    const std::size_t lanes = limit % 64 == 0 ? 300 : 1;
    FrameDecoder decoder({limit, lanes});
    const auto sink = [&](const Message& message) {
        if (message.payload.size() > limit || message.lane >= lanes ||
            !is_known(static_cast<std::uint16_t>(message.type)))
            std::abort();
        const auto header = encode_header(message);
        outcome.encoded.insert(outcome.encoded.end(), header.begin(), header.end());
        outcome.encoded.insert(outcome.encoded.end(), message.payload.begin(), message.payload.end());
        if (message.type == MessageType::kError) {
            for (const char c : error_sentence(message.payload)) {
                if (c < 0x20 || c > 0x7e) std::abort();
            }
        }
    };
    try {
        for (auto rest = stream; !rest.empty();) {
            const auto now = rest.first(std::min(piece, rest.size()));
            rest = rest.subspan(now.size());
            decoder.feed(now, sink);
        }
        outcome.in_frame = decoder.in_frame();
    } catch (const flash::Error& error) {
        if (error.kind() != flash::ErrorKind::kProtocol) std::abort();
        outcome.error = error.what();
    }
    return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::size_t limit = std::size_t{data[0]} * 16;
    const std::size_t piece = std::size_t{data[1]} + 1;
    const std::span<const std::uint8_t> stream(data + 2, size - 2);
    const Outcome whole = decode(stream, limit, std::max<std::size_t>(stream.size(), 1));
    if (!(whole == decode(stream, limit, piece))) std::abort();
    if (whole.encoded.size() > stream.size() ||
        !std::equal(whole.encoded.begin(), whole.encoded.end(), stream.begin())) {
        std::abort();
    }
    return 0;
}
