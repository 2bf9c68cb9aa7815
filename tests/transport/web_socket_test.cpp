#include "transport/web_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/error.h"

namespace flash::transport {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Side = WebSocket::Side;

Bytes taken(WebSocket& socket, Bytes bytes) {
    Bytes out;
    socket.feed(bytes, [&](std::span<const std::uint8_t> piece) { out.insert(out.end(), piece.begin(), piece.end()); });
    return out;
}

std::string refusal(Side side, Bytes bytes) {
    WebSocket socket(side);
    try {
        taken(socket, std::move(bytes));
        return "it was taken";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kProtocol);
        return error.what();
    }
}

TEST(WebSocket, TheKeyOfTheRfc) {
    EXPECT_EQ(web_socket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    EXPECT_TRUE(is_web_socket_key("dGhlIHNhbXBsZSBub25jZQ=="));
    for (const char* bad : {"", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25j\r\n==", "dGhlIHNhbXBsZSBub25jZQAA"})
        EXPECT_FALSE(is_web_socket_key(bad)) << bad;
}

TEST(WebSocket, TheExamplesOfTheRfc) {
    WebSocket client(Side::kClient);
    // "Hello" as a binary message, then in two fragments; a ping in between.
    EXPECT_EQ(taken(client, {0x82, 0x05, 'H', 'e', 'l', 'l', 'o'}), (Bytes{'H', 'e', 'l', 'l', 'o'}));
    EXPECT_EQ(taken(client, {0x02, 0x03, 'H', 'e', 'l', 0x89, 0x02, 'o', 'k', 0x80, 0x02, 'l', 'o'}),
              (Bytes{'H', 'e', 'l', 'l', 'o'}));
    const auto pong = client.take_pong();
    ASSERT_TRUE(pong);
    WebSocket server(Side::kServer);
    EXPECT_EQ((*pong)[0], 0x8a);
    EXPECT_EQ(pong->size(), 2u + 4u + 2u);
    EXPECT_EQ(taken(server, *pong), Bytes{});
    EXPECT_FALSE(client.take_pong());
    // Masked, as a client sends it.
    EXPECT_EQ(taken(server, {0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}),
              (Bytes{'H', 'e', 'l', 'l', 'o'}));
}

TEST(WebSocket, CarriesBytesOfAnyLengthHoweverTheyAreCut) {
    std::mt19937 random(7);
    for (const Side side : {Side::kClient, Side::kServer}) {
        const WebSocket sender(side);
        Bytes wire, sent;
        for (const std::size_t size : {0u, 1u, 125u, 126u, 127u, 1000u, 65535u, 65536u, 70000u}) {
            Bytes payload(size);
            for (std::uint8_t& byte : payload) byte = static_cast<std::uint8_t>(random());
            sender.put_message(wire, payload);
            sent.insert(sent.end(), payload.begin(), payload.end());
        }
        WebSocket receiver(side == Side::kClient ? Side::kServer : Side::kClient);
        Bytes got;
        for (std::size_t at = 0; at < wire.size();) {
            const std::size_t size = std::min<std::size_t>(1 + random() % (at % 3 == 0 ? 3 : 5000), wire.size() - at);
            const Bytes piece = taken(receiver, {wire.begin() + static_cast<std::ptrdiff_t>(at),
                                                 wire.begin() + static_cast<std::ptrdiff_t>(at + size)});
            got.insert(got.end(), piece.begin(), piece.end());
            at += size;
        }
        EXPECT_EQ(got, sent);
    }
}

TEST(WebSocket, ClosesOnce) {
    WebSocket server(Side::kServer);
    Bytes wire;
    WebSocket(Side::kClient).put_close(wire);
    wire.push_back(0xff);  // whatever follows
    EXPECT_EQ(taken(server, wire), Bytes{});
    EXPECT_TRUE(server.closed());
    EXPECT_EQ(taken(server, {0xff, 0xff}), Bytes{});
}

TEST(WebSocket, RefusesWhatIsNotAllowed) {
    using ::testing::HasSubstr;
    EXPECT_THAT(refusal(Side::kServer, {0x82, 0x05}), HasSubstr("a client masks all it sends"));
    EXPECT_THAT(refusal(Side::kClient, {0x82, 0x85, 0, 0, 0, 0}), HasSubstr("a server masks nothing"));
    EXPECT_THAT(refusal(Side::kClient, {0x81, 0x01}), HasSubstr("only binary"));
    EXPECT_THAT(refusal(Side::kClient, {0x83, 0x01}), HasSubstr("only binary"));
    EXPECT_THAT(refusal(Side::kClient, {0x8b, 0x01}), HasSubstr("only binary"));
    EXPECT_THAT(refusal(Side::kClient, {0xc2, 0x01}), HasSubstr("an extension"));
    EXPECT_THAT(refusal(Side::kClient, {0x80, 0x01}), HasSubstr("has not begun"));
    EXPECT_THAT(refusal(Side::kClient, {0x02, 0x01, 'a', 0x82, 0x01}), HasSubstr("within another"));
    EXPECT_THAT(refusal(Side::kClient, {0x09, 0x01}), HasSubstr("a control frame"));
    EXPECT_THAT(refusal(Side::kClient, {0x89, 126, 0, 126}), HasSubstr("a control frame"));
    EXPECT_THAT(refusal(Side::kClient, {0x82, 126, 0, 125}), HasSubstr("not the shortest"));
    EXPECT_THAT(refusal(Side::kClient, {0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff}), HasSubstr("not the shortest"));
    EXPECT_THAT(refusal(Side::kClient, {0x82, 127, 0x80, 0, 0, 0, 0, 1, 0, 0}), HasSubstr("not the shortest"));
}

TEST(WebSocket, OfManyPingsTheLastIsAnswered) {
    WebSocket client(Side::kClient);
    for (std::uint8_t i = 0; i < 200; ++i) taken(client, {0x89, 0x01, i});
    WebSocket server(Side::kServer);
    const auto pong = client.take_pong();
    ASSERT_TRUE(pong);
    EXPECT_EQ(pong->size(), 7u);
    EXPECT_EQ((*pong)[6] ^ (*pong)[2], 199);
    EXPECT_FALSE(client.take_pong());
}

TEST(WebSocket, NoiseEndsInAnErrorOrInBytes) {
    std::mt19937 random(11);
    for (int i = 0; i < 20'000; ++i) {
        WebSocket socket(i % 2 == 0 ? Side::kServer : Side::kClient);
        Bytes noise(random() % 64);
        for (std::uint8_t& byte : noise) byte = static_cast<std::uint8_t>(random());
        if (!noise.empty() && i % 4 < 2) noise[0] = 0x82;
        const std::size_t size = noise.size();
        try {
            EXPECT_LE(taken(socket, std::move(noise)).size(), size);
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::kProtocol);
        }
    }
}

}  // namespace
}  // namespace flash::transport
