// Who gives way to whom.
#include "transport/visitors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace flash::transport {
namespace {

class Places : public ::testing::Test {
protected:
    struct Guest {
        std::shared_ptr<TlsConnection> connection;
        Visitors::Key key;
    };
    static VisitorLimits limits() {
        VisitorLimits limits;
        limits.handshakes_per_group = 3;
        limits.strangers_per_group = 4;
        limits.strangers = 4;
        limits.places = 4;
        limits.places_per_group = 3;
        return limits;
    }
    Guest enter(const std::string& group) {
        auto connection = std::make_shared<TlsConnection>(asio::ip::tcp::socket(asio::make_strand(io_)), context_,
                                                          "the client", Limits{});
        return {connection, visitors_.enter(group + ":1", group, connection)};
    }
    Guest placed(const std::string& group) {
        Guest guest = enter(group);
        visitors_.end_handshake(guest.key);
        EXPECT_EQ(visitors_.take_place(guest.key), "");
        return guest;
    }
    /// Whether it has been cut off or told to go.
    bool has_given_way(const Guest& guest) {
        io_.restart();
        io_.poll();
        return guest.connection->error().has_value();
    }

    asio::io_context io_;
    asio::ssl::context context_{asio::ssl::context::tlsv13_server};
    Visitors visitors_{limits()};
};

TEST_F(Places, OfGroupsWithAsManyStrangersTheOldestOneGivesWay) {
    // By name, "a" comes first: whoever can choose an address must not be able to choose who gives way.
    std::vector<Guest> guests{enter("z"), enter("a"), enter("z"), enter("a")};
    EXPECT_TRUE(visitors_.has_room("m"));
    EXPECT_TRUE(has_given_way(guests[0]));
    for (std::size_t i = 1; i < guests.size(); ++i) EXPECT_FALSE(has_given_way(guests[i])) << i;
    EXPECT_EQ(visitors_.gave_way(), 1u);
}

TEST_F(Places, StrangersAreBoundedByGroupAndDoNotCountAsSessions) {
    std::vector<Guest> guests{placed("a"), placed("b"), placed("c"), placed("d")};
    EXPECT_EQ(visitors_.places_taken(), 4u);
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(visitors_.has_room("a"));
        guests.push_back(enter("a"));
    }
    EXPECT_FALSE(visitors_.has_room("a"));  // in the handshake
    visitors_.end_handshake(guests.back().key);
    EXPECT_TRUE(visitors_.has_room("a"));
    guests.push_back(enter("a"));
    visitors_.end_handshake(guests.back().key);
    EXPECT_FALSE(visitors_.has_room("a"));  // in all
    EXPECT_TRUE(visitors_.has_room("b"));   // the oldest stranger of "a" gives way
    EXPECT_TRUE(has_given_way(guests[4]));
    EXPECT_EQ(visitors_.places_taken(), 4u);
}

TEST_F(Places, WhoHasShownNoWorkGivesWayToAddressesWithFewer) {
    const std::vector<Guest> crowd{placed("z"), placed("z"), placed("z")};
    const Guest other = placed("b");
    const Guest late = enter("a");
    visitors_.end_handshake(late.key);
    EXPECT_EQ(visitors_.take_place(late.key), "");
    EXPECT_TRUE(has_given_way(crowd[0]));
    EXPECT_FALSE(visitors_.keep_place(crowd[0].key));
    EXPECT_TRUE(visitors_.keep_place(crowd[1].key));
    EXPECT_TRUE(visitors_.keep_place(late.key));
    // One without work each: nobody has more of them than the next one would have.
    const Guest more = enter("c");
    visitors_.end_handshake(more.key);
    EXPECT_EQ(visitors_.take_place(more.key), "it already serves 4 clients");
    EXPECT_FALSE(has_given_way(other));
    visitors_.leave_place(other.key);
    EXPECT_EQ(visitors_.take_place(more.key), "");
    EXPECT_EQ(visitors_.gave_way(), 1u);
}

TEST_F(Places, NobodyGivesWayToItsOwnAddress) {
    const std::vector<Guest> crowd{placed("z"), placed("z"), placed("z")};
    const Guest fourth = enter("z");
    visitors_.end_handshake(fourth.key);
    EXPECT_EQ(visitors_.take_place(fourth.key), "it already serves 3 clients from this address");
    const Guest other = placed("b");
    EXPECT_EQ(visitors_.take_place(fourth.key), "it already serves 4 clients");
    for (const Guest& guest : crowd) EXPECT_FALSE(has_given_way(guest));
    EXPECT_EQ(visitors_.gave_way(), 0u);
}

}  // namespace
}  // namespace flash::transport
