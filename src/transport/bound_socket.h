// A local address that is asked for before there is anything to serve on it.
#pragma once

#include <memory>

#include "transport/address.h"

namespace flash::transport {

/// A TCP socket that is bound and does not listen yet: nobody can connect, and whoever listens there already is found
/// out now. (Of two that are bound at the same time, the first to listen keeps the address; SO_REUSEADDR, without which
/// a server could not be started again at once, allows that.) Closed when it is destroyed, unless a server took it
/// over.
class BoundSocket {
public:
    /// Port 0: a free one; empty host: all addresses. Error(kNetwork) if the address is in use or not local.
    explicit BoundSocket(const Address& address);
    ~BoundSocket();
    BoundSocket(const BoundSocket&) = delete;
    BoundSocket& operator=(const BoundSocket&) = delete;

    /// With the real port.
    const Address& address() const { return address_; }
    bool ipv6() const { return ipv6_; }
    /// The descriptor, which is the caller's from now on. Error(kInternal) the second time.
    int release();

private:
    struct Socket;
    std::unique_ptr<Socket> socket_;
    Address address_;
    bool ipv6_ = false;
};

}  // namespace flash::transport
