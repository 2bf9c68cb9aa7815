// A TLS server on 127.0.0.1 that sends every message back, for the tests.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "helpers.h"
#include "transport/tls.h"

namespace flash::transport::testing {

/// One identity for the whole test program.
inline Identity shared_identity() {
    static const Identity made = make_self_signed({"localhost", "127.0.0.1"});
    SecretVector<char> key(made.key_pem.size());
    std::copy(made.key_pem.begin(), made.key_pem.end(), key.begin());
    return {made.certificate_pem, std::move(key)};
}

inline Limits quick_limits(std::chrono::milliseconds timeout = std::chrono::milliseconds(500)) {
    Limits limits;
    limits.timeout = timeout;
    return limits;
}

class EchoServer {
public:
    explicit EchoServer(Limits limits = quick_limits(), std::size_t max_sessions = 16) {
        ServerOptions options;
        options.identity = shared_identity();
        options.limits = limits;
        options.max_sessions = max_sessions;
        options.handshake_timeout = std::chrono::milliseconds(500);
        start(std::move(options),
              [this, wait = limits.timeout](std::unique_ptr<Channel> channel, const Peer&) { echo(*channel, wait); });
    }
    EchoServer(ServerOptions options, TlsServer::Handler handler) {
        options.identity = shared_identity();
        start(std::move(options), std::move(handler));
    }

    TlsServer& server() { return *server_; }
    std::uint16_t port() const { return server_->address().port; }
    ClientOptions client_options() const {
        ClientOptions options;
        options.host = "127.0.0.1";
        options.port = port();
        options.pinned_fingerprint = server_->fingerprint();
        options.timeout = std::chrono::seconds(5);
        options.limits = quick_limits(std::chrono::seconds(2));
        return options;
    }
    std::unique_ptr<Channel> connect() const { return connect_tls(client_options()); }
    /// One message there and back: the server still serves.
    bool serves() const {
        const auto channel = connect();
        channel->send({some_type::kStart, 1, 2, {3, 4, 5}});
        return channel->receive(some_type::kStart).payload == std::vector<std::uint8_t>{3, 4, 5};
    }
    /// The errors that ended sessions so far, once there are `count` of them (or three seconds have passed).
    std::vector<Seen> errors(std::size_t count) {
        for (int i = 0; i < 300; ++i) {
            {
                const std::lock_guard lock(mutex_);
                if (errors_.size() >= count) return errors_;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        const std::lock_guard lock(mutex_);
        return errors_;
    }

private:
    void start(ServerOptions options, TlsServer::Handler handler) {
        server_ = std::make_unique<TlsServer>(std::move(options), std::move(handler));
    }
    void echo(Channel& channel, std::chrono::milliseconds wait) {
        try {
            while (true) {
                Message message = channel.receive_any(wait);
                if (message.type == some_type::kFinish) return;
                channel.send(std::move(message));
            }
        } catch (const Error& error) {
            {
                const std::lock_guard lock(mutex_);
                errors_.emplace_back(error);
            }
            channel.fail(error.what());
        }
    }

    std::mutex mutex_;
    std::vector<Seen> errors_;
    std::unique_ptr<TlsServer> server_;  // last: its sessions use the members above
};

}  // namespace flash::transport::testing
