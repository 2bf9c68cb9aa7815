#include "transport/refusal.h"

#include <gtest/gtest.h>

#include "transport/address_group.h"

namespace flash::transport {
namespace {

using namespace std::chrono_literals;

TEST(Refusal, TheClientReadsWhenToComeAgain) {
    const std::string sentence = busy("it already serves 3 clients", 7s);
    EXPECT_EQ(sentence, "the server is busy: it already serves 3 clients; retry after 7 s");
    EXPECT_EQ(retry_after(sentence), 7s);
    EXPECT_EQ(retry_after("the server reported: " + sentence), 7s);
    EXPECT_EQ(retry_after(busy("budget", 86'400s)), 86'400s);
}

TEST(Refusal, OtherSentencesSayNothing) {
    for (const char* sentence : {"", " s", "retry after 3 s", "x; retry after  s", "x; retry after -1 s",
                                 "x; retry after 3 s!", "x; retry after 99999999999999999999 s", "x; retry after 3s"})
        EXPECT_EQ(retry_after(sentence), std::nullopt) << sentence;
}

TEST(AddressGroup, OneForWhatOneHolderHas) {
    EXPECT_EQ(address_group("192.0.2.7"), "192.0.2.7");
    EXPECT_EQ(address_group("::ffff:192.0.2.7"), "192.0.2.7");
    EXPECT_EQ(address_group("2001:db8:1:2:3:4:5:6"), address_group("2001:db8:1:2::1"));
    EXPECT_NE(address_group("2001:db8:1:2::1"), address_group("2001:db8:1:3::1"));
    EXPECT_EQ(address_group("fe80::1%eth0"), address_group("fe80::2"));
    EXPECT_EQ(address_group("example.org"), "example.org");
}

TEST(Denial, IsRecognisedWhereverItIsQuoted) {
    EXPECT_EQ(denied("no token"), "access denied: no token");
    EXPECT_TRUE(is_denied(denied("no token")));
    EXPECT_TRUE(is_denied("the server ended the session: " + denied("no token")));
    EXPECT_FALSE(is_denied(busy("full", std::chrono::seconds(2))));
    EXPECT_EQ(retry_after(denied("no token")), std::nullopt);
    EXPECT_EQ(retry_after(come_again("the budget is spent", std::chrono::seconds(7))), std::chrono::seconds(7));
}

}  // namespace
}  // namespace flash::transport
