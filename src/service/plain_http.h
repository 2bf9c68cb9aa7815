// The same answers over HTTP without TLS, on an address of its own: for the operator's own probes and metrics, not for
// strangers. One connection after the other.
#pragma once

#include "service/http_session.h"
#include "transport/listener.h"

namespace flash::service {

class PlainHttp {
public:
    /// Error(kNetwork) if the address cannot be listened on.
    PlainHttp(const transport::Address& listen, HttpSite site);
    const transport::Address& address() const { return listener_.address(); }

private:
    void serve(int socket) const;

    const HttpSite site_;
    transport::Listener listener_;
};

}  // namespace flash::service
