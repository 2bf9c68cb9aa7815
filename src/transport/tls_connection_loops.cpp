// What TlsConnection does on its strand: reading, writing, closing.
#include <algorithm>
#include <utility>

#include "base/error.h"
#include "transport/tls_connection.h"

namespace flash::transport {

namespace {

constexpr std::size_t kBatchBytes = std::size_t{128} << 10;  // of messages, per write to the socket
// Records of a turn: those of a byte each cost as much time as full ones, and far more of them fit into its bytes.
constexpr int kReadTurnRecords = 256;
constexpr std::size_t kDrainTurnBytes = std::size_t{256} << 10;  // thrown away before others get their turn
// Received before a waiter is woken, if there is more to read.
constexpr std::size_t kDeliverBytes = std::size_t{64} << 10;

}  // namespace

// ---- read loop ----

void TlsConnection::read() {
    reading_ = true;
    stream_.socket().async_wait(asio::socket_base::wait_read, [self = shared_from_this()](const asio::error_code&) {
        self->on_readable();  // an error shows itself in the reading
    });
}

void TlsConnection::on_readable() {
    const Input input = stage_ == Stage::kOpen ? read_available() : Input::kDry;
    if (stage_ == Stage::kShutdown) drain_available();
    // After the end there is nothing to wait for, until the shutdown starts the loop again to drain.
    reading_ = stage_ != Stage::kClosed && !(input == Input::kEnded && stage_ == Stage::kOpen);
    if (!reading_) return;
    if (input == Input::kMore) {
        asio::post(stream_.get_executor(), [self = shared_from_this()] { self->on_readable(); });
    } else {
        read();
    }
}

TlsConnection::Input TlsConnection::read_available() {
    // OpenSSL holds input that the socket no longer shows as readable: the loop must go on until there is none. What it
    // takes from the socket is bounded, so that the write loop and other connections get their turn.
    Input input = Input::kMore;
    stream_.begin_turn();
    bool more = true;
    for (int records = 0; more && records < kReadTurnRecords && stage_ == Stage::kOpen; ++records) {
        asio::error_code code;
        const std::size_t bytes = stream_.read_some(read_buffer_, code);
        more = !code;
        if (code == asio::error::would_block) {
            if (!stream_.turn_is_over()) input = Input::kDry;
        } else if (code) {
            input = Input::kEnded;
            deliver();
            on_read_end(code);
        } else if (!inbox_.error()) {
            accept_bytes(bytes);
            if (web_socket_ && web_socket_->closed()) {
                more = false;
                input = Input::kEnded;
                deliver();
                on_read_end(asio::error::eof);
            }
        }
    }
    deliver();
    // Only the last ping of a peer that does not read is remembered.
    if (web_socket_ && stage_ == Stage::kOpen && !writing_) {
        asio::error_code ignored;  // a connection that has broken shows itself in the reading
        if (const auto pong = web_socket_->take_pong()) stream_.write(*pong, ignored);
    }
    // Reading may make an answer, such as one to a change of keys.
    if (stage_ == Stage::kOpen && !writing_ && stream_.pending() > 0) flush();
    return input;
}

void TlsConnection::accept_bytes(std::size_t bytes) {
    or_give_up([&] {
        decoder_.set_limits(FrameLimits::of(limits()));
        try {
            if (web_socket_)
                web_socket_->feed({read_buffer_.data(), bytes}, [&](auto payload) { decode(payload); });
            else
                decode({read_buffer_.data(), bytes});
        } catch (const Error&) {
            inbox_.push(arrived_);  // the peer's own reason may be among them
            throw;
        }
    });
    arrived_bytes_ += bytes;
    if (arrived_bytes_ >= kDeliverBytes) deliver();
}

void TlsConnection::decode(std::span<const std::uint8_t> bytes) {
    decoder_.feed(bytes, [&](Message message) {
        counters_.received(message);
        arrived_.push_back(std::move(message));
    });
}

void TlsConnection::deliver() {
    arrived_bytes_ = 0;
    if (!arrived_.empty()) or_give_up([&] { inbox_.push(arrived_); });
    arrived_.clear();
}

template <class Step>
void TlsConnection::or_give_up(Step step) {
    try {
        step();
    } catch (const Error& error) {
        const Message report = make_error(error.what());
        end_with(error, &report);
    } catch (const std::exception&) {
        end_with(Error(ErrorKind::kInternal, "out of memory while receiving a message"), nullptr);
    }
    const auto error = inbox_.error();
    if (!error) return;
    end_with(*error, nullptr);  // if the peer reported an error, it reads no more
    arm_linger();
    pump();
}

void TlsConnection::on_read_end(const asio::error_code& code) {
    if (code == asio::error::no_buffer_space)
        end_with(Error(ErrorKind::kProtocol, peer_ + " changed its keys without need"), nullptr);
    inbox_.end(lost(code));
    drop_unsent();
    if (code == asio::error::eof) {
        arm_linger();
        pump();  // answers the peer's farewell
    } else {
        asio::error_code ignored;
        stream_.flush(ignored);  // an alert that says what was wrong
        hard_close();
    }
}

std::string TlsConnection::lost(const asio::error_code& code) const {
    const char* where = decoder_.in_frame() ? " in the middle of a message" : "";
    if (code == asio::error::eof) return peer_ + " closed the connection" + where;
    if (code == asio::ssl::error::stream_truncated || code == asio::error::connection_reset ||
        code == asio::error::broken_pipe) {
        return peer_ + " was cut off" + where + " (it ended or the network failed)";
    }
    return "the connection to " + peer_ + " failed" + where + " (" + code.message() + ")";
}

// ---- write loop ----

void TlsConnection::pump() {
    if (writing_ || stage_ != Stage::kOpen) return;
    bool closing = false;
    if (take_batch(closing)) {
        asio::error_code code;
        encrypt_batch(code);
        if (code) {
            on_write_error();
        } else {
            flush();
        }
    } else if (closing) {
        shut_down();
    }
}

bool TlsConnection::take_batch(bool& closing) {
    batch_.clear();
    const std::lock_guard lock(mutex_);
    while (!queue_.empty() && batch_bytes_ < kBatchBytes) {
        batch_.push_back(queue_.pop());
        batch_bytes_ += frame_bytes(batch_.back());
    }
    closing = closing_;
    pump_active_ = !batch_.empty();
    return pump_active_;
}

// Full records throughout: frames are joined and cut. Payload goes straight to OpenSSL where it fills a record by
// itself.
void TlsConnection::encrypt_batch(asio::error_code& code) {
    const auto write = [&](std::span<const std::uint8_t> bytes) {
        if (!code) write_plain(bytes, code);
    };
    const auto append = [&](std::span<const std::uint8_t> bytes) {
        while (!bytes.empty()) {
            const std::size_t take = std::min(kRecordBytes - record_.size(), bytes.size());
            if (take == kRecordBytes) {
                write(bytes.first(take));
            } else {
                record_.insert(record_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(take));
            }
            if (record_.size() == kRecordBytes) {
                write(record_);
                record_.clear();
            }
            bytes = bytes.subspan(take);
        }
    };
    for (const Message& message : batch_) {
        append(encode_header(message));
        append(message.payload);
    }
    if (!record_.empty()) write(record_);
    record_.clear();
    batch_.clear();
}

void TlsConnection::write_plain(std::span<const std::uint8_t> bytes, asio::error_code& code) {
    if (!web_socket_) {
        stream_.write(bytes, code);
        return;
    }
    wrapped_.clear();
    web_socket_->put_message(wrapped_, bytes);
    stream_.write(wrapped_, code);
}

void TlsConnection::flush() {
    asio::error_code code;
    const std::size_t bytes = stream_.flush(code);
    writing_ = code == asio::error::would_block;
    {
        const std::lock_guard lock(mutex_);
        total_written_ += bytes;
        if (!code) batch_bytes_ = 0;
        changed_.notify_all();
    }
    if (writing_) {
        stream_.socket().async_wait(asio::socket_base::wait_write,
                                    [self = shared_from_this()](const asio::error_code&) {
                                        if (self->stage_ == Stage::kOpen) self->flush();
                                    });
    } else if (code) {
        on_write_error();
    } else {
        wake_writer();  // by way of the queue of handlers, so that the read loop gets its turn
    }
}

void TlsConnection::on_write_error() {
    // What the peer sent before it went away, its reason above all, may still be on its way to the read loop: it
    // notices the end by itself. The linger timer bounds that.
    writing_ = false;
    {
        const std::lock_guard lock(mutex_);
        batch_bytes_ = 0;
    }
    drop_unsent();
    arm_linger();
}

// ---- closing ----
// Closing a socket that has unread input makes the kernel reset the connection, which can destroy our last message on
// its way to the peer. So the end is: close_notify, half-close, read and discard until the peer closes too or the
// linger timer fires, and only then close.

void TlsConnection::shut_down() {
    stage_ = Stage::kShutdown;
    arm_linger();
    if (web_socket_) {
        asio::error_code ignored;
        wrapped_.clear();
        web_socket_->put_close(wrapped_);
        stream_.write(wrapped_, ignored);
    }
    stream_.write_farewell();
    finish_shutdown();
}

void TlsConnection::finish_shutdown() {
    asio::error_code code;
    stream_.flush(code);
    if (code == asio::error::would_block) {
        stream_.socket().async_wait(asio::socket_base::wait_write,
                                    [self = shared_from_this()](const asio::error_code&) {
                                        if (self->stage_ == Stage::kShutdown) self->finish_shutdown();
                                    });
        return;
    }
    stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, code);
    if (!reading_) read();
}

void TlsConnection::drain_available() {
    asio::error_code code;
    for (std::size_t bytes = 0; !code && bytes < kDrainTurnBytes;)
        bytes += stream_.socket().read_some(asio::buffer(read_buffer_), code);
    if (code && code != asio::error::would_block) hard_close();
}

void TlsConnection::arm_linger() {
    if (std::exchange(linger_armed_, true) || stage_ == Stage::kClosed) return;
    linger_.expires_after(std::min(kLinger, limits().timeout));
    linger_.async_wait([self = shared_from_this()](const asio::error_code& code) {
        if (!code) self->hard_close();
    });
}

void TlsConnection::hard_close() {
    if (stage_ == Stage::kClosed) return;
    stage_ = Stage::kClosed;
    linger_.cancel();
    asio::error_code ignored;
    stream_.socket().close(ignored);
    inbox_.end("the connection to " + peer_ + " was closed");
    const std::lock_guard lock(mutex_);
    queue_.clear();
    batch_bytes_ = 0;
    closing_ = true;
    closed_ = true;
    changed_.notify_all();
}

}  // namespace flash::transport
