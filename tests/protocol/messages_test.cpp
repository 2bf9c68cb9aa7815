#include "protocol/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/error.h"

namespace flash::protocol {
namespace {

using Bytes = std::vector<std::uint8_t>;

SecretVector<char> secret(const std::string& text) {
    SecretVector<char> out(text.size());
    std::ranges::copy(text, out.data());
    return out;
}

std::string text_of(const SecretVector<char>& token) { return {token.begin(), token.end()}; }

template <class Decode>
std::string refusal(Decode decode) {
    try {
        decode();
        return "it was taken";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kProtocol);
        return error.what();
    }
}

ClientHello hello_with(const std::string& model, const std::string& token) {
    ClientHello hello;
    hello.expected_fingerprint.fill(7);
    hello.model = model;
    hello.token = secret(token);
    return hello;
}

TEST(Messages, ClientHelloThereAndBack) {
    for (const std::string& token : {std::string(), std::string("flash-0123"), std::string("\0\xff", 2)}) {
        const Bytes bytes = encode(hello_with("net/3", token));
        EXPECT_EQ(bytes.size(), 48 + 5 + token.size());
        const ClientHello hello = decode_client_hello(bytes);
        EXPECT_EQ(hello.version, kProtocolVersion);
        EXPECT_EQ(hello.expected_fingerprint[31], 7);
        EXPECT_EQ(hello.model, "net/3");
        EXPECT_EQ(text_of(hello.token), token);
        for (std::size_t size = 0; size < bytes.size(); ++size)
            EXPECT_NE(refusal([&] { decode_client_hello(std::span(bytes).first(size)); }), "it was taken") << size;
        Bytes longer = bytes;
        longer.push_back(0);
        EXPECT_NE(refusal([&] { decode_client_hello(longer); }), "it was taken");
    }
}

TEST(Messages, InferencesAtATimeAreTheLastFieldOfBothHellos) {
    ClientHello hello = hello_with("net", "t");
    const std::size_t alone = encode(hello).size();
    hello.in_flight = kMaxInFlight;
    EXPECT_EQ(encode(hello).size(), alone + 4);
    EXPECT_EQ(decode_client_hello(encode(hello)).in_flight, kMaxInFlight);
    ServerHello reply;
    for (const bool levels : {false, true}) {
        if (levels) reply.session.emplace().fill(9);
        for (const std::uint32_t in_flight : {1U, 2U, kMaxInFlight}) {
            reply.in_flight = in_flight;
            const ServerHello got = decode_server_hello(encode(reply));
            EXPECT_EQ(got.in_flight, in_flight);
            EXPECT_EQ(got.session, reply.session);
        }
    }
    for (const std::uint32_t bad : {0U, 1U, kMaxInFlight + 1}) {
        Bytes bytes = encode(hello);
        for (int i = 0; i < 4; ++i) bytes[bytes.size() - 4 + i] = static_cast<std::uint8_t>(bad >> (8 * i));
        EXPECT_THAT(refusal([&] { decode_client_hello(bytes); }), ::testing::HasSubstr("inferences at a time"));
    }
}

TEST(Messages, NamesAndTokensHaveTheirSizes) {
    EXPECT_EQ(decode_client_hello(encode(hello_with(std::string(kMaxModelNameBytes, 'n'), ""))).model.size(),
              kMaxModelNameBytes);
    EXPECT_THAT(refusal([] { decode_client_hello(encode(hello_with(std::string(kMaxModelNameBytes + 1, 'n'), ""))); }),
                ::testing::HasSubstr("a name is too long"));
    const std::string most(kMaxTokenBytes, 't');
    EXPECT_EQ(text_of(decode_client_hello(encode(hello_with("", most))).token), most);
    EXPECT_THAT(refusal([&] { decode_client_hello(encode(hello_with("", most + "t"))); }),
                ::testing::HasSubstr("a token is too long"));
    EXPECT_EQ(text_of(decode_list_models(encode_list_models(most))), most);
    EXPECT_THAT(refusal([&] { decode_list_models(encode_list_models(most + "t")); }),
                ::testing::HasSubstr("a token is too long"));
    EXPECT_NE(refusal([] { decode_list_models(Bytes{}); }), "it was taken");
}

TEST(Messages, AnotherVersionIsToldBeforeAnythingElse) {
    ClientHello newer = hello_with("", "");
    newer.version = kProtocolVersion + 1;
    Bytes bytes = encode(newer);
    bytes.resize(bytes.size() + 100);  // fields that nobody here knows
    EXPECT_EQ(decode_client_hello(bytes).version, kProtocolVersion + 1);
}

TEST(Messages, ModelListThereAndBackAsPrintableText) {
    std::vector<ModelEntry> models(2);
    models[0] = {"net", 3, {}, "a title"};
    models[1] = {"other", 0, {}, "\x1b[2J\ntitle \xc3\xa9"};
    models[1].fingerprint.fill(9);
    const Bytes bytes = encode(models);
    const std::vector<ModelEntry> got = decode_model_list(bytes);
    ASSERT_EQ(got.size(), 2u);
    EXPECT_EQ(got[0].name, "net");
    EXPECT_EQ(got[0].version, 3u);
    EXPECT_EQ(got[0].title, "a title");
    EXPECT_EQ(got[1].fingerprint, models[1].fingerprint);
    EXPECT_EQ(got[1].title, "?[2J?title ??");  // nothing that a terminal would obey
    for (std::size_t size = 0; size < bytes.size(); ++size)
        EXPECT_NE(refusal([&] { decode_model_list(std::span(bytes).first(size)); }), "it was taken") << size;
    Bytes many = encode(std::vector<ModelEntry>{});
    many[8] = many[9] = 0xff;
    EXPECT_THAT(refusal([&] { decode_model_list(many); }), ::testing::HasSubstr("too many models"));
}

}  // namespace
}  // namespace flash::protocol
