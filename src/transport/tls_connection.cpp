#include "transport/tls_connection.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace flash::transport {

namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10;
constexpr std::size_t kCoalesceBytes = std::size_t{256} << 10;
constexpr const char* kClosedHere = "this side has closed the connection";

}  // namespace

TlsConnection::TlsConnection(asio::ip::tcp::socket socket, asio::ssl::context& context, std::string peer,
                             const Limits& start_limits)
    : stream_(std::move(socket), context),
      linger_(stream_.get_executor()),
      peer_(std::move(peer)),
      inbox_(peer_, start_limits),
      decoder_(start_limits.max_payload),
      limits_(start_limits) {}

void TlsConnection::tune_socket() {
    auto& socket = stream_.next_layer();
    asio::error_code ignored;
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
    // A vanished machine is noticed after about a minute even if nothing is being sent.
    const int idle = 30;
    const int interval = 10;
    const int probes = 3;
    const auto fd = socket.native_handle();
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

void TlsConnection::start() {
    asio::dispatch(stream_.get_executor(), [self = shared_from_this()] {
        if (self->phase_ != Phase::kHandshake) return;  // closed in the meantime
        self->phase_ = Phase::kOpen;
        self->read_buffer_.resize(kReadBytes);
        self->read();
        self->pump();
    });
}

void TlsConnection::abort_handshake() {
    if (phase_ == Phase::kHandshake) hard_close();
}

// ---- facade ----

Limits TlsConnection::limits() const {
    const std::lock_guard lock(mutex_);
    return limits_;
}

void TlsConnection::set_limits(const Limits& limits) {
    inbox_.set_limits(limits);
    const std::lock_guard lock(mutex_);
    limits_ = limits;
    changed_.notify_all();
}

void TlsConnection::send(Message message) {
    std::unique_lock lock(mutex_);
    require(message.payload.size() <= limits_.max_payload, ErrorKind::kInternal,
            "this side tried to send a message over its own size limit");
    const std::size_t bytes = kFrameHeaderBytes + message.payload.size();
    const auto ready = [&] {
        return closing_ || closed_ || unsent_bytes_ == 0 || unsent_bytes_ + bytes <= limits_.max_send_queue;
    };
    while (!ready()) {
        const std::uint64_t before = total_written_;
        if (!changed_.wait_for(lock, limits_.timeout, [&] { return ready() || total_written_ != before; })) {
            throw Error(ErrorKind::kTimeout, peer_ + " took no data within " + std::to_string(limits_.timeout.count()) + " ms");
        }
    }
    if (const auto error = inbox_.error()) throw Error(*error);
    if (closing_ || closed_) throw Error(ErrorKind::kNetwork, kClosedHere);
    counters_.sent(message);
    unsent_bytes_ += bytes;
    queue_.push_back(std::move(message));
    if (std::exchange(pump_posted_, true)) return;
    lock.unlock();
    wake_writer();
}

void TlsConnection::wake_writer() {
    asio::post(stream_.get_executor(), [self = shared_from_this()] { self->pump(); });
}

void TlsConnection::end_with(const Error& failure, const Message* last) {
    const std::lock_guard lock(mutex_);
    inbox_.fail(failure.kind(), failure.what());
    if (std::exchange(closing_, true)) return;  // what was queued before, a reason perhaps, is still to be sent
    for (const auto& message : queue_) unsent_bytes_ -= frame_bytes(message);
    queue_.clear();
    if (last != nullptr) {
        counters_.sent(*last);
        unsent_bytes_ += frame_bytes(*last);
        queue_.push_back(*last);
    }
    changed_.notify_all();
}

void TlsConnection::drop_unsent() {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    queue_.clear();
    unsent_bytes_ = writing_ ? write_buffer_.size() - written_ : 0;
    changed_.notify_all();
}

void TlsConnection::fail(const std::string& sentence) noexcept {
    try {
        const Message error = make_error(sentence);
        end_with(Error(ErrorKind::kNetwork, kClosedHere), inbox_.error() ? nullptr : &error);
        asio::post(stream_.get_executor(), [self = shared_from_this()] {
            self->abort_handshake();  // nothing can be said yet
            self->arm_linger();
            self->pump();
        });
    } catch (...) {
        abort();
    }
}

void TlsConnection::close() noexcept {
    try {
        inbox_.fail(ErrorKind::kNetwork, kClosedHere);
        std::unique_lock lock(mutex_);
        closing_ = true;
        changed_.notify_all();
        lock.unlock();
        wake_writer();
        lock.lock();
        const auto sent = [&] { return closed_ || unsent_bytes_ == 0; };
        while (!sent()) {
            const std::uint64_t before = total_written_;
            if (!changed_.wait_for(lock, limits_.timeout, [&] { return sent() || total_written_ != before; })) {
                lock.unlock();
                abort();
                return;
            }
        }
    } catch (...) {
        abort();
    }
}

void TlsConnection::abort() noexcept {
    try {
        asio::dispatch(stream_.get_executor(), [self = shared_from_this()] { self->hard_close(); });
    } catch (...) {
        // Out of memory. The socket is closed with the connection object.
    }
}

bool TlsConnection::wait_closed(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, timeout, [&] { return closed_; });
}

// ---- read loop ----

void TlsConnection::read() {
    stream_.async_read_some(asio::buffer(read_buffer_), [self = shared_from_this()](const asio::error_code& code, std::size_t bytes) {
        self->on_read(code, bytes);
    });
}

void TlsConnection::on_read(const asio::error_code& code, std::size_t bytes) {
    if (phase_ == Phase::kClosed) return;
    if (code) {
        // While shutting down, the end of the shutdown decides what comes next.
        if (phase_ == Phase::kOpen) on_read_end(code);
        return;
    }
    if (!inbox_.error()) accept_bytes(bytes);
    if (phase_ != Phase::kClosed) read();
}

void TlsConnection::accept_bytes(std::size_t bytes) {
    try {
        decoder_.set_max_payload(limits().max_payload);
        decoder_.feed({read_buffer_.data(), bytes}, [&](Message message) {
            counters_.received(message);
            inbox_.push(std::move(message));
        });
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
    inbox_.end(lost(code));
    drop_unsent();
    if (code == asio::error::eof) {
        arm_linger();
        pump();  // answers the peer's farewell
    } else {
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
    bool closing = false;
    {
        const std::lock_guard lock(mutex_);
        pump_posted_ = false;
        if (writing_ || phase_ != Phase::kOpen) return;
        write_buffer_.clear();
        written_ = 0;
        while (!queue_.empty() && write_buffer_.size() < kCoalesceBytes) {
            const Message& message = queue_.front();
            const auto header = encode_header(message);
            write_buffer_.insert(write_buffer_.end(), header.begin(), header.end());
            write_buffer_.insert(write_buffer_.end(), message.payload.begin(), message.payload.end());
            queue_.pop_front();
        }
        closing = closing_;
    }
    if (!write_buffer_.empty()) {
        writing_ = true;
        write();
    } else if (closing) {
        shut_down();
    }
}

void TlsConnection::write() {
    stream_.async_write_some(asio::buffer(write_buffer_) + written_,
                             [self = shared_from_this()](const asio::error_code& code, std::size_t bytes) {
                                 self->on_write(code, bytes);
                             });
}

void TlsConnection::on_write(const asio::error_code& code, std::size_t bytes) {
    if (phase_ == Phase::kClosed) return;
    if (code) {
        // What the peer sent before it went away, its reason above all, may still be on its way to the read loop: it
        // notices the end by itself. The linger timer bounds that.
        writing_ = false;
        drop_unsent();
        arm_linger();
        return;
    }
    written_ += bytes;
    {
        const std::lock_guard lock(mutex_);
        unsent_bytes_ -= bytes;
        total_written_ += bytes;
        changed_.notify_all();
    }
    if (written_ < write_buffer_.size()) {
        write();
    } else {
        writing_ = false;
        pump();
    }
}

// ---- closing ----
// Closing a socket that has unread input makes the kernel reset the connection, which can destroy our last message on
// its way to the peer. So the end is: close_notify, half-close, read and discard until the peer closes too or the linger
// timer fires, and only then close.

void TlsConnection::shut_down() {
    phase_ = Phase::kShutdown;
    arm_linger();
    stream_.async_shutdown([self = shared_from_this()](const asio::error_code& code) {
        if (self->phase_ == Phase::kClosed) return;
        if (!code) {
            self->hard_close();  // the peer has said farewell too
            return;
        }
        asio::error_code ignored;
        self->stream_.next_layer().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
        self->drain();
    });
}

void TlsConnection::drain() {
    stream_.next_layer().async_read_some(asio::buffer(drain_buffer_), [self = shared_from_this()](const asio::error_code& code, std::size_t) {
        if (self->phase_ == Phase::kClosed) return;
        if (code) {
            self->hard_close();
        } else {
            self->drain();
        }
    });
}

void TlsConnection::arm_linger() {
    if (std::exchange(linger_armed_, true) || phase_ == Phase::kClosed) return;
    linger_.expires_after(std::min(kLinger, limits().timeout));
    linger_.async_wait([self = shared_from_this()](const asio::error_code& code) {
        if (!code) self->hard_close();
    });
}

void TlsConnection::hard_close() {
    if (phase_ == Phase::kClosed) return;
    phase_ = Phase::kClosed;
    linger_.cancel();
    asio::error_code ignored;
    stream_.next_layer().close(ignored);
    inbox_.end("the connection to " + peer_ + " was closed");
    const std::lock_guard lock(mutex_);
    queue_.clear();
    unsent_bytes_ = 0;
    closing_ = true;
    closed_ = true;
    changed_.notify_all();
}

}  // namespace flash::transport
