// A client that speaks the protocol's frames over WebSocket, as a web page does: its own HTTP, its own TLS. What a
// party sends through one end of a loopback goes out over the connection, and the other way round.
#pragma once

#include <poll.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "raw_peer.h"
#include "transport/loopback.h"
#include "transport/web_socket.h"

namespace flash::transport::testing {

class WebSocketPeer {
public:
    /// Connects and asks for the upgrade.
    WebSocketPeer(std::uint16_t port, const std::string& path, const std::string& headers = "")
        : tls_(RawTls::connect(port, TLS1_3_VERSION, "http/1.1")) {
        const std::string request = "GET " + path +
                                    " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
                                    headers + "\r\n";
        tls_.write({reinterpret_cast<const std::uint8_t*>(request.data()), request.size()});
        for (char c = 0; !answer_.ends_with("\r\n\r\n") && SSL_read(tls_.ssl(), &c, 1) == 1;) answer_ += c;
    }
    ~WebSocketPeer() {
        if (thread_.joinable()) thread_.join();
    }

    /// Of the server to the request.
    const std::string& answer() const { return answer_; }
    bool upgraded() const { return answer_.starts_with("HTTP/1.1 101 "); }
    /// For a session; once. The peer outlives it, and sends what it has sent to the end.
    std::unique_ptr<Channel> channel() {
        auto [session, wire] = make_loopback();
        thread_ = std::thread([this, end = std::shared_ptr<Channel>(std::move(wire))] { carry(*end); });
        return std::move(session);
    }

private:
    void carry(Channel& end) {
        try {
            while (true) {
                while (readable()) read(end);
                try {
                    const Message message = end.receive_any(std::chrono::milliseconds(1));
                    std::vector<std::uint8_t> out;
                    socket_.put_message(out, encode_header(message));
                    socket_.put_message(out, message.payload);
                    tls_.write(out);
                } catch (const Error& error) {
                    if (error.kind() != ErrorKind::kTimeout) throw;
                }
            }
        } catch (const Error& error) {
            std::vector<std::uint8_t> out;
            socket_.put_close(out);
            tls_.write(out);
            end.fail(error.what());
        }
    }
    bool readable() {
        pollfd wait{tls_.socket().fd(), POLLIN, 0};
        return SSL_pending(tls_.ssl()) > 0 || ::poll(&wait, 1, 0) > 0;
    }
    void read(Channel& end) {
        std::vector<std::uint8_t> bytes(16384);
        const int got = SSL_read(tls_.ssl(), bytes.data(), static_cast<int>(bytes.size()));
        if (got <= 0) throw Error(ErrorKind::kNetwork, "the server closed the connection");
        socket_.feed({bytes.data(), static_cast<std::size_t>(got)}, [&](std::span<const std::uint8_t> payload) {
            decoder_.feed(payload, [&](Message message) { end.send(std::move(message)); });
        });
        if (socket_.closed()) throw Error(ErrorKind::kNetwork, "the server closed the WebSocket");
    }

    RawTls tls_;
    std::string answer_;
    WebSocket socket_{WebSocket::Side::kClient};
    FrameDecoder decoder_{{std::size_t{64} << 20}};
    std::thread thread_;
};

}  // namespace flash::transport::testing
