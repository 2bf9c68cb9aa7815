// The fuzz target of HTTP over damaged requests.
#include <gtest/gtest.h>

#include "support/mutate.h"
#include "support/seeds.h"

#define LLVMFuzzerTestOneInput fuzz_http
#include "../../fuzz/service/http_fuzz.cpp"

namespace {

TEST(HttpFuzz, DamagedRequests) {
    std::mt19937_64 rng(20261128);
    const std::string requests[] = {
        "GET /v2/models?x=1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer abc\r\n\r\nHEAD / HTTP/1.0\r\n\r\n",
        "POST /v2/models/net/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        "GET /v2/frames HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: https://a\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"};
    for (const std::string& request : requests) {
        std::vector<std::uint8_t> good(request.begin(), request.end());
        good.insert(good.begin(), 7);
        flash::testing::offer_seed("http", good);
        for (int i = 0; i < 2'000; ++i) {
            auto damaged = flash::testing::mutated({request.begin(), request.end()}, rng);
            damaged.insert(damaged.begin(), static_cast<std::uint8_t>(rng()));
            fuzz_http(damaged.data(), damaged.size());
        }
    }
}

TEST(HttpFuzz, Seeds) { flash::testing::replay_seeds("http", fuzz_http); }

}  // namespace
