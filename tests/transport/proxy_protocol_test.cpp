// Addresses that a proxy tells, and who may tell them.
#include "transport/proxy_protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <random>
#include <thread>

#include "echo_server.h"
#include "helpers.h"
#include "raw_peer.h"

namespace flash::transport {
namespace {

using namespace std::chrono_literals;
using testing::EchoServer;
using testing::expect_error;
using testing::message;
using testing::quick_limits;
using testing::RawSocket;
using testing::RawTls;
using Bytes = std::vector<std::uint8_t>;

const Bytes kSignature{'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

Bytes header(std::uint8_t command, std::uint8_t family, const Bytes& rest) {
    Bytes bytes = kSignature;
    bytes.insert(bytes.end(), {command, family, static_cast<std::uint8_t>(rest.size() >> 8),
                               static_cast<std::uint8_t>(rest.size())});
    bytes.insert(bytes.end(), rest.begin(), rest.end());
    return bytes;
}
/// From a client of TCP over IPv4, port 0x1234.
Bytes from(const Bytes& address, std::size_t extra = 0) {
    Bytes rest = address;
    rest.insert(rest.end(), {10, 0, 0, 1, 0x12, 0x34, 0x1c, 0xe8});
    rest.resize(rest.size() + extra, 4);
    return header(0x21, 0x11, rest);
}

ProxyHeader read(const Bytes& bytes, std::size_t piece) {
    ProxyHeader header;
    for (std::span<const std::uint8_t> rest = bytes; !header.complete();) {
        const auto wanted = header.wanted();
        if (rest.empty() || wanted.empty()) throw std::runtime_error("not enough");
        const std::size_t now = std::min({piece, wanted.size(), rest.size()});
        std::copy_n(rest.begin(), now, wanted.begin());
        rest = rest.subspan(now);
        header.took(now);
        if (header.complete()) EXPECT_TRUE(rest.empty());
    }
    return header;
}

TEST(ProxyProtocol, TellsWhoHasConnected) {
    for (const std::size_t piece : {1, 7, 4096}) {
        for (const std::size_t extra : {0, 3, 2000}) {
            const auto source = read(from({192, 0, 2, 7}, extra), piece).source();
            ASSERT_TRUE(source);
            EXPECT_EQ(to_string(*source), "192.0.2.7:4660");
        }
        Bytes six(36);
        six[0] = 0x20, six[1] = 0x01, six[2] = 0x0d, six[3] = 0xb8, six[15] = 5, six[32] = 1, six[33] = 2;
        EXPECT_EQ(read(header(0x21, 0x21, six), piece).source()->host, "2001:db8::5");
        EXPECT_EQ(read(header(0x21, 0x21, six), piece).source()->port, 258);
        Bytes mapped(36);
        mapped[10] = mapped[11] = 255, mapped[12] = 192, mapped[14] = 2, mapped[15] = 9;
        EXPECT_EQ(read(header(0x21, 0x21, mapped), piece).source()->host, "192.0.2.9");
        EXPECT_FALSE(read(header(0x20, 0, {}), piece).source());
        EXPECT_FALSE(read(header(0x20, 0x11, Bytes(12)), piece).source());
    }
}

TEST(ProxyProtocol, RefusesEverythingElse) {
    Bytes other = from({192, 0, 2, 7});
    other[3] ^= 1;
    expect_error(ErrorKind::kProtocol, "no header of version 2", [&] { read(other, 100); });
    expect_error(ErrorKind::kProtocol, "version or command", [&] { read(header(0x11, 0x11, Bytes(12)), 100); });
    expect_error(ErrorKind::kProtocol, "not of TCP", [&] { read(header(0x21, 0x12, Bytes(12)), 100); });
    expect_error(ErrorKind::kProtocol, "not of TCP", [&] { read(header(0x21, 0x31, Bytes(216)), 100); });
    expect_error(ErrorKind::kProtocol, "not of TCP", [&] { read(header(0x21, 0x21, Bytes(35)), 100); });
    expect_error(ErrorKind::kProtocol, "too long", [&] { read(header(0x20, 0, Bytes(2049)), 100); });
    std::mt19937 random(3);
    for (int round = 0; round < 20'000; ++round) {
        Bytes noise = from({192, 0, 2, 7}, 40);
        for (int i = 0; i < 3; ++i) noise[random() % noise.size()] = static_cast<std::uint8_t>(random());
        noise.resize(ProxyHeader::kFixedBytes + ProxyHeader::kMostBytes);
        ProxyHeader header;
        try {
            for (std::size_t at = 0; !header.complete();) {
                const auto wanted = header.wanted();
                std::copy_n(noise.begin() + static_cast<std::ptrdiff_t>(at), wanted.size(), wanted.begin());
                at += wanted.size();
                header.took(wanted.size());
            }
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::kProtocol);
        }
    }
}

TEST(ProxyProtocol, ProxiesHaveNumericAddresses) {
    EXPECT_THAT(proxy_addresses({"192.0.2.1", "2001:DB8:0::1"}), ::testing::ElementsAre("192.0.2.1", "2001:db8::1"));
    for (const char* other : {"", "proxy.example", "192.0.2.0/24", "192.0.2.1:7400"})
        expect_error(ErrorKind::kInvalidArgument, "a numeric one", [&] { proxy_addresses({other}); });
}

/// A server that tells its clients what it takes for their address.
class BehindAProxy : public ::testing::Test {
protected:
    BehindAProxy() {
        ServerOptions options;
        options.listen = {"", 0};
        options.limits = quick_limits(3s);
        options.proxies = {"127.0.0.1"};
        options.max_sessions = 8;
        options.max_sessions_per_address = 2;
        options.handshake_timeout = 1s;
        server_ =
            std::make_unique<EchoServer>(std::move(options), [](std::unique_ptr<Channel> channel, const Peer& peer) {
                const std::string told = peer.name + " " + peer.group;
                channel->send({some_type::kStart, 0, 0, {told.begin(), told.end()}});
                channel->receive(some_type::kFinish);
            });
    }
    std::uint16_t port() const { return server_->port(); }
    static std::string first_message(RawTls& peer) {
        std::uint8_t buffer[4096];
        const int got = peer.ready() ? SSL_read(peer.ssl(), buffer, sizeof buffer) : 0;
        return got <= 16 ? "" : std::string(buffer + 16, buffer + got);
    }
    std::unique_ptr<EchoServer> server_;
};

TEST_F(BehindAProxy, ClientsHaveTheirOwnAddresses) {
    auto one = RawTls::over(RawSocket::connect(port()), from({192, 0, 2, 7}, 20));
    EXPECT_EQ(first_message(one), "192.0.2.7:4660 192.0.2.7");
    auto check = RawTls::over(RawSocket::connect(port()), header(0x20, 0, {}));
    EXPECT_THAT(first_message(check), ::testing::StartsWith("127.0.0.1:"));
}

TEST_F(BehindAProxy, LimitsAreOfTheseAddresses) {
    std::vector<RawTls> peers;
    for (const std::uint8_t last : {1, 1, 2, 2, 3}) {
        peers.push_back(RawTls::over(RawSocket::connect(port()), from({192, 0, 2, last})));
        EXPECT_THAT(first_message(peers.back()), ::testing::StartsWith("192.0.2."));
    }
    auto third = RawTls::over(RawSocket::connect(port()), from({192, 0, 2, 1}));
    EXPECT_THAT(first_message(third), ::testing::HasSubstr("2 clients from this address"));
}

TEST_F(BehindAProxy, TheProxyHasToSayIt) {
    auto without = RawTls::connect(port());
    EXPECT_FALSE(without.ready());
    auto silent = RawSocket::connect(port());
    EXPECT_TRUE(silent.closed_by_peer());
    auto slow = RawSocket::connect(port());
    for (const std::uint8_t byte : from({192, 0, 2, 7})) {
        slow.write(Bytes{byte});
        std::this_thread::sleep_for(1ms);
    }
    auto tls = RawTls::over(std::move(slow), {});
    EXPECT_EQ(first_message(tls), "192.0.2.7:4660 192.0.2.7");
}

TEST_F(BehindAProxy, NobodyElseIsBelieved) {
    auto liar = RawTls::over(RawSocket::connect(port(), "127.0.0.2"), from({192, 0, 2, 7}));
    EXPECT_FALSE(liar.ready());
    auto honest = RawTls::connect(port(), TLS1_3_VERSION, "", "127.0.0.2");
    EXPECT_THAT(first_message(honest), ::testing::EndsWith(" 127.0.0.2"));
}

}  // namespace
}  // namespace flash::transport
