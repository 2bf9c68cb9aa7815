#include "transport/address.h"

#include "helpers.h"

namespace flash::transport {
namespace {

using testing::expect_error;

TEST(Address, ReadsEveryForm) {
    const auto check = [](const char* text, const char* host, int port) {
        const Address address = parse_address(text);
        EXPECT_EQ(address.host, host);
        EXPECT_EQ(address.port, port);
        EXPECT_EQ(to_string(address), text);
    };
    check("127.0.0.1:7700", "127.0.0.1", 7700);
    check("[::1]:65535", "::1", 65535);
    check("example.org:443", "example.org", 443);
    check(":0", "", 0);
}

TEST(Address, SaysWhatIsWrong) {
    const auto refuse = [](const char* text, const char* why) {
        expect_error(ErrorKind::kInvalidArgument, why, [&] { parse_address(text); });
    };
    refuse("", "empty");
    refuse("localhost", "port is missing");
    refuse("localhost:", "port is missing");
    refuse("localhost:http", "not a number");
    refuse("localhost:80x", "not a number");
    refuse("localhost:-1", "not a number");
    refuse("localhost:65536", "at most 65535");
    refuse("localhost:99999999999999999999", "at most 65535");
    refuse("::1:80", "needs brackets");
    refuse("[::1:80", "closing bracket");
    refuse("[::1]", "port is missing");
    refuse("[::1]80", "port is missing");
    refuse("[localhost]:80", "brackets are for IPv6");
    refuse("https://host:80", "it is a URL");
    refuse("ho st:80", "cannot have");
    refuse("a/b:80", "cannot have");
}

}  // namespace
}  // namespace flash::transport
