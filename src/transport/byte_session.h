// A protocol of plain bytes over a connection: what a server runs where a client asks for HTTP in place of frames. It
// knows no socket: bytes go in, bytes come out.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "transport/peer.h"

namespace flash::transport {

class ByteSession {
public:
    virtual ~ByteSession() = default;
    /// Takes what has arrived and gives what is to be sent. Quick: it runs on a thread that carries all connections.
    virtual std::vector<std::uint8_t> take(std::span<const std::uint8_t> bytes) = 0;
    /// Whether there is more to answer in what it took: it is asked for it by take() of nothing once the peer has what
    /// there is so far, and gets nothing new until then.
    virtual bool has_more() const { return false; }
    /// Whether the connection is to be closed once that has been sent.
    virtual bool finished() const = 0;
    /// Whether the connection carries the protocol's frames over WebSocket once that has been sent; it is no business
    /// of this object any more then.
    virtual bool upgraded() const { return false; }
};
using MakeByteSession = std::function<std::unique_ptr<ByteSession>(const Peer& peer)>;

}  // namespace flash::transport
