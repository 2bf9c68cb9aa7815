// Takes the connections of an address, in a thread of its own. Its loop allocates nothing and keeps a
// descriptor in reserve: a shortage of memory or of descriptors costs single connections, which are closed at once, and
// the loop goes on.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>

#include "transport/bound_socket.h"

namespace flash::transport {

class Listener {
public:
    /// Takes over the socket. If it throws, the socket is the listener's again and is closed.
    using Take = std::function<void(int socket, const sockaddr_storage& remote)>;

    /// Listens on the socket, which it takes over. Error(kNetwork) if that fails. Takes connections from start() on.
    explicit Listener(BoundSocket& socket);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    void start(Take take);
    /// Takes no more; later connections are refused. Not from inside `take`.
    void stop() noexcept;
    /// With the real port.
    const Address& address() const { return address_; }
    /// Connections that were closed at once for lack of descriptors or memory.
    std::uint64_t starved() const { return starved_; }

private:
    void run() noexcept;
    void take_one() noexcept;
    void turn_away() noexcept;

    Address address_;
    int socket_ = -1, reserve_ = -1;
    int wake_[2] = {-1, -1};  // a pipe: stop() closes its second end
    Take take_;
    std::thread thread_;
    std::atomic<std::uint64_t> starved_{0};
};

}  // namespace flash::transport
