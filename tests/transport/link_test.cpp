#include "transport/link.h"

#include "helpers.h"

namespace flash::transport {
namespace {

using testing::expect_error;

TEST(Link, ReadsNamesAndNumbers) {
    EXPECT_FALSE(parse_link("none"));
    EXPECT_EQ(parse_link("lan")->bits_per_second, 3e9);
    EXPECT_EQ(parse_link("lan")->round_trip_seconds, 0.3e-3);
    EXPECT_EQ(parse_link("wan")->bits_per_second, 400e6);
    EXPECT_EQ(parse_link("wan")->round_trip_seconds, 40e-3);
    const auto link = parse_link("1.5G,250us");
    EXPECT_DOUBLE_EQ(link->bits_per_second, 1.5e9);
    EXPECT_DOUBLE_EQ(link->round_trip_seconds, 250e-6);
    EXPECT_DOUBLE_EQ(parse_link("64k,2s")->bits_per_second, 64e3);
    EXPECT_DOUBLE_EQ(parse_link("64k,0ms")->round_trip_seconds, 0);
}

TEST(Link, RefusesTheRest) {
    for (const char* text :
         {"", "LAN", "400M", "400M,", ",40ms", "400,40ms", "400M,40", "400M,40ms,", "400M 40ms", "-400M,40ms",
          "nanM,1ms", "1e3M,1ms", "0x10M,1ms", "400m,40ms", "400M, 40ms", "infG,1ms"}) {
        SCOPED_TRACE(text);
        expect_error(ErrorKind::kInvalidArgument, text, [&] { parse_link(text); });
    }
    expect_error(ErrorKind::kInvalidArgument, "400M,40ms", [] { parse_link("fast"); });
    for (const char* text : {"0.5k,1ms", "1001G,1ms", "0k,1ms"})
        expect_error(ErrorKind::kInvalidArgument, "the bandwidth must be", [&] { parse_link(text); });
    for (const char* text : {"1M,61s", "1M,-1ms"})
        expect_error(ErrorKind::kInvalidArgument, "the round trip must be", [&] { parse_link(text); });
}

TEST(Link, Prints) {
    EXPECT_EQ(to_string(std::nullopt), "none");
    EXPECT_EQ(to_string(kLan), "3 Gbit/s, 0.3 ms");
    EXPECT_EQ(to_string(kWan), "400 Mbit/s, 40 ms");
    EXPECT_EQ(to_string(LinkModel{1500, 2}), "1.5 kbit/s, 2 s");
    EXPECT_EQ(to_string(LinkModel{1e10, 50e-6}), "10 Gbit/s, 50 us");
    EXPECT_EQ(to_string(LinkModel{1e9, 0}), "1 Gbit/s, 0 ms");
}

}  // namespace
}  // namespace flash::transport
