// The WebSocket fuzz target over damaged messages of both sides.
#include <gtest/gtest.h>

#include "support/mutate.h"
#include "support/seeds.h"

#define LLVMFuzzerTestOneInput fuzz_web_socket
#include "../../fuzz/transport/web_socket_fuzz.cpp"

namespace {

TEST(WebSocketFuzz, DamagedMessages) {
    std::mt19937_64 rng(20261128);
    for (const auto side : {WebSocket::Side::kClient, WebSocket::Side::kServer}) {
        std::vector<std::uint8_t> bytes;
        const WebSocket sender(side);
        for (const std::size_t size : {0u, 3u, 130u}) sender.put_message(bytes, std::vector<std::uint8_t>(size, 7));
        bytes.insert(bytes.end(), {0x89, 0x00, 0x02, 0x01, 0x05, 0x80, 0x01, 0x06});
        sender.put_close(bytes);
        std::vector<std::uint8_t> good = bytes;
        good.insert(good.begin(), 7);
        flash::testing::offer_seed("web_socket", good);
        for (int i = 0; i < 5'000; ++i) {
            auto damaged = flash::testing::mutated(bytes, rng);
            damaged.insert(damaged.begin(), static_cast<std::uint8_t>(rng()));
            fuzz_web_socket(damaged.data(), damaged.size());
        }
    }
}

TEST(WebSocketFuzz, Seeds) { flash::testing::replay_seeds("web_socket", fuzz_web_socket); }

}  // namespace
