#include "transport/byte_connection.h"

#include <algorithm>
#include <utility>

namespace flash::transport {

ByteConnection::ByteConnection(std::shared_ptr<TlsConnection> connection, std::unique_ptr<ByteSession> session,
                               std::chrono::milliseconds patience, Upgraded upgraded)
    : connection_(std::move(connection)),
      stream_(connection_->stream()),
      session_(std::move(session)),
      patience_(patience),
      upgraded_(std::move(upgraded)),
      end_(std::chrono::steady_clock::now() + 6 * patience),
      timer_(stream_.get_executor()),
      buffer_(4096) {}

void ByteConnection::start() { step(); }

void ByteConnection::wait(asio::socket_base::wait_type what) {
    timer_.expires_at(std::min(std::chrono::steady_clock::now() + patience_, end_));
    timer_.async_wait([weak = weak_from_this()](const asio::error_code& cancelled) {
        const auto self = weak.lock();
        if (!cancelled && self) self->close();
    });
    stream_.socket().async_wait(what, [self = shared_from_this()](const asio::error_code& code) {
        self->timer_.cancel();
        if (!code) self->step();
    });
}

// So that other connections get their turn.
void ByteConnection::step_later() {
    asio::post(stream_.get_executor(), [self = shared_from_this()] { self->step(); });
}

void ByteConnection::step() {
    stream_.begin_turn();
    while (stream_.socket().is_open()) {
        asio::error_code code;
        stream_.flush(code);
        if (code == asio::error::would_block) return wait(asio::socket_base::wait_write);
        if (code || session_->finished() || std::chrono::steady_clock::now() >= end_) return close();
        if (session_->upgraded()) return upgraded_();
        if (session_->has_more()) {
            answer({});
            return step_later();
        }
        if (!read()) return;
    }
}

/// False where there is nothing to do now.
bool ByteConnection::read() {
    asio::error_code code;
    const std::size_t bytes = stream_.read_some(buffer_, code);
    if (code == asio::error::would_block) {
        if (stream_.turn_is_over())
            step_later();
        else
            wait(asio::socket_base::wait_read);
        return false;
    }
    if (code) {
        close();
        return false;
    }
    answer({buffer_.data(), bytes});
    return true;
}

void ByteConnection::answer(std::span<const std::uint8_t> bytes) {
    const std::vector<std::uint8_t> answer = session_->take(bytes);
    asio::error_code code;
    for (std::span<const std::uint8_t> rest = answer; !rest.empty() && !code;) {
        const std::size_t part = std::min(rest.size(), kRecordBytes);
        stream_.write(rest.first(part), code);
        rest = rest.subspan(part);
    }
    if (session_->finished()) stream_.write_farewell();
}

void ByteConnection::close() {
    timer_.cancel();
    connection_->abort();
}

}  // namespace flash::transport
