// The Channel that protocol code holds over a TlsConnection. Internal to this folder.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "transport/tls_connection.h"

namespace flash::transport {

class TlsChannel : public Channel {
public:
    explicit TlsChannel(std::shared_ptr<TlsConnection> connection) : connection_(std::move(connection)) {}
    ~TlsChannel() override {
        if (connection_) connection_->close();
    }

    void send(Message message) override { connection_->send(std::move(message)); }
    bool try_send(Message& message) override { return connection_->try_send(message); }
    Message receive(MessageType type) override { return connection_->receive(type); }
    Message receive_any(std::chrono::milliseconds wait) override { return connection_->receive_any(wait); }
    void set_limits(const Limits& limits) override { connection_->set_limits(limits); }
    Traffic traffic() const override { return connection_->traffic(); }
    std::optional<Error> error() const override { return connection_->error(); }
    void fail(const std::string& sentence) noexcept override { connection_->fail(sentence); }
    void close() noexcept override { connection_->close(); }

protected:
    std::shared_ptr<TlsConnection> connection_;  // empty only in the destructor of a derived class that has closed it
};

}  // namespace flash::transport
