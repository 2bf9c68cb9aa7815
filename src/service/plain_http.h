// The same answers over HTTP without TLS, on an address of its own: for the operator's own probes and metrics, not for
// strangers. One connection after the other.
#pragma once

#include "service/http_session.h"
#include "transport/listener.h"

namespace flash::service {

class PlainHttp {
public:
    /// Takes over the socket. Error(kNetwork) if it cannot be listened on.
    PlainHttp(transport::BoundSocket& socket, HttpSite site);
    const transport::Address& address() const { return listener_.address(); }

private:
    void serve(int socket) const;

    const HttpSite site_;
    transport::Listener listener_;
};

}  // namespace flash::service
