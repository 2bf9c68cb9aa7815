// A local address that is asked for before there is anything to serve on it.
#pragma once

#include <memory>

#include "transport/address.h"

namespace flash::transport {

/// A TCP socket that is bound and listens, so that of two that ask for one address at the same moment one is told so
/// now: with SO_REUSEADDR, without which a server could not be started again at once, two may be bound, but one only
/// may listen. Whoever connects waits until a server takes the socket over, or is cut off when it is closed.
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
