// Runs a ByteSession over a TLS connection whose handshake is done. Internal to this folder.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "transport/byte_session.h"
#include "transport/tls_connection.h"

namespace flash::transport {

/// Keeps itself alive until the connection is closed: by the session, by the peer, after this time without a byte or
/// six times as much altogether, or by TlsConnection::abort() and fail(); or until the session has upgraded it.
class ByteConnection : public std::enable_shared_from_this<ByteConnection> {
public:
    using Upgraded = std::function<void()>;

    ByteConnection(std::shared_ptr<TlsConnection> connection, std::unique_ptr<ByteSession> session,
                   std::chrono::milliseconds patience, Upgraded upgraded);
    /// On the connection's strand.
    void start();

private:
    void wait(asio::socket_base::wait_type what);
    void step();
    void step_later();
    bool read();
    void answer(std::span<const std::uint8_t> bytes);
    void close();

    const std::shared_ptr<TlsConnection> connection_;
    TlsStream& stream_;
    const std::unique_ptr<ByteSession> session_;
    const std::chrono::milliseconds patience_;
    const Upgraded upgraded_;
    const std::chrono::steady_clock::time_point end_;
    asio::steady_timer timer_;
    std::vector<std::uint8_t> buffer_;
};

}  // namespace flash::transport
