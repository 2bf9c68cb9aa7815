#include "transport/frame.h"

#include "helpers.h"

namespace flash::transport {
namespace {

using testing::expect_error;
using testing::expect_same;
using testing::message;

using Header = std::array<std::uint8_t, kFrameHeaderBytes>;

TEST(Frame, HeaderHasItsDocumentedBytes) {
    const Message m{some_type::kLinearResponse, 0x01020304, 0x0a0b0c0d, std::vector<std::uint8_t>(0x1234)};
    const Header expected{0x34, 0x12, 0, 0, 7, 0, 0, 0, 4, 3, 2, 1, 0x0d, 0x0c, 0x0b, 0x0a};
    EXPECT_EQ(encode_header(m), expected);
    const auto decoded = decode_header(expected, {1 << 20});
    EXPECT_EQ(decoded.payload_size, 0x1234u);
    EXPECT_EQ(decoded.type, some_type::kLinearResponse);
    EXPECT_EQ(decoded.layer, 0x01020304u);
    EXPECT_EQ(decoded.index, 0x0a0b0c0du);
    EXPECT_EQ(decoded.lane, 0u);
}

TEST(Frame, ALaneIsTwoBytes) {
    Message m{some_type::kUpload, 1, 2, std::vector<std::uint8_t>(3)};
    m.lane = 0x0102;
    const Header expected{3, 0, 0, 0, static_cast<std::uint8_t>(some_type::kUpload), 0, 2, 1, 1, 0, 0, 0, 2, 0, 0, 0};
    EXPECT_EQ(encode_header(m), expected);
    EXPECT_EQ(decode_header(expected, {3, 0x0103}).lane, 0x0102u);
    expect_error(ErrorKind::kProtocol, "lane 258, counted from 0; agreed upon are 258", [&] {
        decode_header(expected, {3, 0x0102});
    });
    FrameDecoder decoder({3, 0x0103});
    std::vector<Message> got;
    std::vector<std::uint8_t> bytes(expected.begin(), expected.end());
    bytes.resize(bytes.size() + 3);
    decoder.feed(bytes, [&](Message message) { got.push_back(std::move(message)); });
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].lane, 0x0102u);
}

TEST(Frame, RefusesBadHeaders) {
    const Header good = encode_header(message(some_type::kUpload, 100));
    EXPECT_NO_THROW(decode_header(good, {100}));
    expect_error(ErrorKind::kProtocol, "declares 100 bytes; the limit is 99", [&] { decode_header(good, {99}); });
    for (const int type : {0, int{kMessageTypes}, 255}) {
        Header bad = good;
        bad[4] = static_cast<std::uint8_t>(type);
        expect_error(ErrorKind::kProtocol, "unknown type " + std::to_string(type), [&] { decode_header(bad, {100}); });
    }
    for (const std::size_t lane : {6u, 7u}) {
        Header bad = good;
        bad[lane] = 1;
        expect_error(ErrorKind::kProtocol, "lane", [&] { decode_header(bad, {100}); });
    }
    Header huge = good;
    huge[3] = 0xff;
    expect_error(ErrorKind::kProtocol, "declares", [&] { decode_header(huge, {std::size_t{4} << 20}); });
}

TEST(Frame, ErrorMessagesAreShort) {
    Message error = make_error(std::string(5000, 'x'));
    EXPECT_EQ(error.payload.size(), kMaxErrorBytes);
    EXPECT_NO_THROW(check_frame(error, {1 << 20}));
    error.payload.push_back('x');
    expect_error(ErrorKind::kProtocol, "the limit is 1024", [&] { check_frame(error, {1 << 20}); });
    EXPECT_EQ(error_sentence(make_error("a\x1b]0;b\r\n\xc3\xa4").payload), "a?]0;b????");
    EXPECT_EQ(error_sentence({}), "(no reason given)");
}

TEST(Frame, TypesAreKnownByTheirNumber) {
    EXPECT_FALSE(is_known(0));
    for (std::uint16_t type = 1; type < 100; ++type) {
        EXPECT_EQ(is_known(type), type < kMessageTypes) << type;
        if (type > 1) {
            EXPECT_EQ(number_of(static_cast<MessageType>(type)),
                      is_known(type) ? "type " + std::to_string(type) : "unknown");
        }
    }
    EXPECT_FALSE(is_known(0xffff));
}

TEST(Frame, DecoderReassemblesAnySplit) {
    const std::vector<Message> sent{message(some_type::kStart, 0), message(some_type::kUpload, 33, 2, 7),
                                    message(some_type::kFinish, 0), message(some_type::kUpload, 1)};
    std::vector<std::uint8_t> stream;
    for (const auto& m : sent) {
        const auto header = encode_header(m);
        stream.insert(stream.end(), header.begin(), header.end());
        stream.insert(stream.end(), m.payload.begin(), m.payload.end());
    }
    for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
        FrameDecoder decoder({100});
        std::vector<Message> received;
        for (std::size_t at = 0; at < stream.size(); at += piece) {
            decoder.feed(std::span(stream).subspan(at, std::min(piece, stream.size() - at)),
                         [&](Message m) { received.push_back(std::move(m)); });
        }
        EXPECT_FALSE(decoder.in_frame());
        ASSERT_EQ(received.size(), sent.size());
        for (std::size_t i = 0; i < sent.size(); ++i) expect_same(received[i], sent[i]);
    }
}

TEST(Frame, DecoderKnowsATruncatedStream) {
    const auto header = encode_header(message(some_type::kUpload, 10));
    FrameDecoder decoder({100});
    const auto nothing = [](const Message&) { FAIL(); };
    decoder.feed(std::span(header).first(5), nothing);
    EXPECT_TRUE(decoder.in_frame());
    decoder.feed(std::span(header).subspan(5), nothing);
    EXPECT_TRUE(decoder.in_frame());
}

}  // namespace
}  // namespace flash::transport
