// The connections that a server has, and which of them it may have: limits of all and of each group of addresses
// (address_group.h), so that nobody takes the places of others. Internal to this folder.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "transport/tls_connection.h"

namespace flash::transport {

struct VisitorLimits {
    std::size_t handshakes_per_group = 16;  ///< connections whose TLS handshake is not over
    std::size_t per_group = 48;             ///< connections in all states
    std::size_t all = 96;                   ///< the same, of all groups together
};

class Visitors {
public:
    enum class State {
        kHandshake,  ///< TLS is not agreed upon yet
        kAsking,     ///< by HTTP, or about to be told that there is no place
        kSession,
    };
    struct Visitor {
        std::string name, group;  ///< "ADDR:PORT"; address_group
        State state = State::kHandshake;
        std::weak_ptr<TlsConnection> connection;
    };
    using Key = std::shared_ptr<Visitor>;

    explicit Visitors(const VisitorLimits& limits) : limits_(limits) {}

    /// Whether a connection of this group may come in; asked before anything is made for it. Where all places are
    /// taken, the oldest one without a session, of the group that has most of them, gives way and is cut off.
    bool has_room(const std::string& group);
    /// From now on it counts, as long as the connection exists. Null if the doors are closed.
    Key enter(std::string name, std::string group, const std::shared_ptr<TlsConnection>& connection);
    void set_state(const Key& visitor, State state);
    /// Nobody enters any more; gives all that are still there.
    std::vector<std::shared_ptr<TlsConnection>> close_doors();

private:
    void forget_the_gone();                                         // with the mutex held
    std::shared_ptr<TlsConnection> oldest_without_session() const;  // the same

    const VisitorLimits limits_;
    mutable std::mutex mutex_;
    std::list<Key> visitors_;  // in the order in which they came
    bool closed_ = false;
};

}  // namespace flash::transport
