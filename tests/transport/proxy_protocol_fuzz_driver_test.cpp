// The fuzz target of PROXY protocol headers over damaged headers of every kind.
#include <gtest/gtest.h>

#include "support/mutate.h"
#include "support/seeds.h"

#define LLVMFuzzerTestOneInput fuzz_proxy_protocol
#include "../../fuzz/transport/proxy_protocol_fuzz.cpp"

namespace {

/// command: of a proxy's own connection (0x20) or of a client's (0x21).
std::vector<std::uint8_t> header(std::uint8_t command, std::uint8_t family, std::size_t addresses, std::size_t more) {
    std::vector<std::uint8_t> bytes{0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
    bytes.insert(bytes.end(), {command, family, 0, static_cast<std::uint8_t>(addresses + more)});
    for (std::size_t i = 0; i < addresses; ++i) bytes.push_back(static_cast<std::uint8_t>(i + 1));
    for (std::size_t i = 0; i < more; ++i) bytes.push_back(i < 3 ? std::uint8_t{0} : std::uint8_t{4});  // of a TLV
    return bytes;
}

TEST(ProxyProtocolFuzz, DamagedHeaders) {
    std::mt19937_64 rng(20261130);
    for (const auto& good :
         {header(0x21, 0x11, 12, 0), header(0x21, 0x21, 36, 0), header(0x21, 0x11, 12, 9), header(0x20, 0x00, 0, 0)}) {
        flash::testing::offer_seed("proxy_protocol", good);
        fuzz_proxy_protocol(good.data(), good.size());
        for (int i = 0; i < 5'000; ++i) {
            const auto damaged = flash::testing::mutated(good, rng);
            fuzz_proxy_protocol(damaged.data(), damaged.size());
        }
    }
}

TEST(ProxyProtocolFuzz, Seeds) { flash::testing::replay_seeds("proxy_protocol", fuzz_proxy_protocol); }

}  // namespace
