// The connections that a server has, and which of them it may have: limits of all and of each group of addresses
// (address_group.h), so that nobody takes the places of others. A connection is a stranger until it has taken a place
// among the sessions, for which it must say who it is; it has that place for good once it has shown work. Internal to
// this folder.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "transport/tls_connection.h"

namespace flash::transport {

struct VisitorLimits {
    std::size_t handshakes_per_group = 16;  ///< connections whose TLS handshake is not over
    std::size_t strangers_per_group = 32;   ///< connections without a place
    std::size_t strangers = 80;             ///< the same, of all groups together
    std::size_t places = 16;
    std::size_t places_per_group = 16;
    std::chrono::seconds retry_after{2};  ///< what a client is told whose place goes to another
};

class Visitors {
public:
    enum class State {
        kHandshake,  ///< TLS is not agreed upon yet
        kAsking,     ///< has no place: it has not said who it is, asks by HTTP, or is about to leave
        kPlaced,     ///< has a place, and has not shown work
        kKept,       ///< has a place that nobody else gets
    };
    struct Visitor {
        std::string name, group;  ///< "ADDR:PORT"; address_group
        State state = State::kHandshake;
        std::weak_ptr<TlsConnection> connection;
    };
    using Key = std::shared_ptr<Visitor>;

    explicit Visitors(const VisitorLimits& limits) : limits_(limits) {}

    /// Whether a connection of this group may come in; asked before anything is made for it. Where there are as many
    /// strangers as there may be, the oldest one of the groups that have most of them gives way and is cut off.
    /// Of a proxy, there may be as many as there are strangers: their groups are told later.
    bool has_room(const std::string& group, bool of_proxy = false);
    /// From now on it counts, as long as the connection exists. Null if the doors are closed.
    Key enter(std::string name, std::string group, const std::shared_ptr<TlsConnection>& connection);
    /// A proxy has told who it is. False if there are too many of that group.
    bool tell(const Key& visitor, std::string name, std::string group);
    void end_handshake(const Key& visitor);
    /// Empty, or why there is no place. Where all are taken, the oldest session that has shown no work gives way, of
    /// the groups that have most of those, if they have more of them than the visitor's will have places then. What
    /// gives way is told so.
    std::string take_place(const Key& visitor);
    /// Its client has shown work. False if its place has gone to another.
    bool keep_place(const Key& visitor);
    /// It is a stranger again, if it was none.
    void leave_place(const Key& visitor);
    std::size_t places_taken() const;
    /// Connections that gave way to others, since the start.
    std::uint64_t gave_way() const;
    /// Nobody enters any more; gives all that are still there.
    std::vector<std::shared_ptr<TlsConnection>> close_doors();

private:
    // With the mutex held.
    void forget_the_gone();
    bool has_room_in_group(const std::string& group) const;
    /// The oldest visitor for whom this holds, of the groups that have most of such visitors; and how many those are.
    template <class Holds>
    std::pair<Key, std::size_t> oldest_of_most(Holds holds) const;
    static bool is_stranger(const Key& visitor) {
        return visitor->state == State::kHandshake || visitor->state == State::kAsking;
    }

    const VisitorLimits limits_;
    mutable std::mutex mutex_;
    std::list<Key> visitors_;  // in the order in which they came
    std::uint64_t gave_way_ = 0;
    bool closed_ = false;
};

}  // namespace flash::transport
