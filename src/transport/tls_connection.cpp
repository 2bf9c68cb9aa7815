#include "transport/tls_connection.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace flash::transport {

namespace {

constexpr std::size_t kBatchBytes = std::size_t{128} << 10;     // of messages, per write to the socket
constexpr std::size_t kReadTurnBytes = std::size_t{256} << 10;  // read before the write loop gets its turn
constexpr std::size_t kDeliverBytes = std::size_t{64}
                                      << 10;  // received before a waiter is woken, if there is more to read
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
    auto& socket = stream_.socket();
    asio::error_code ignored;
    // Buffer sizes are the system's to choose: it adapts them to the link, up to more than a program may ask for.
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
    // What the kernel holds and has not sent cannot be overtaken any more: as little as keeps the line busy (its
    // default is megabytes).
    const int unsent = 256 << 10;
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
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
        self->read_buffer_.resize(kRecordBytes);
        self->record_.reserve(kRecordBytes);
        self->on_readable();  // what came right behind the handshake may have been read with it
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

void TlsConnection::check_payload(const Message& message) const {
    require(message.payload.size() <= limits_.max_payload, ErrorKind::kInternal,
            "this side tried to send a message over its own size limit");
}

bool TlsConnection::room_for(const Message& message) const {
    const std::size_t before = queue_.bytes_before(message) + batch_bytes_;
    return closing_ || closed_ || before == 0 || before + frame_bytes(message) <= limits_.max_send_queue;
}

void TlsConnection::send(Message message) {
    std::unique_lock lock(mutex_);
    check_payload(message);
    while (!room_for(message)) {
        const std::uint64_t before = total_written_;
        if (!changed_.wait_for(lock, limits_.timeout, [&] { return room_for(message) || total_written_ != before; })) {
            throw Error(ErrorKind::kTimeout,
                        peer_ + " took no data within " + std::to_string(limits_.timeout.count()) + " ms");
        }
    }
    queue(lock, std::move(message));
}

bool TlsConnection::try_send(Message& message) {
    std::unique_lock lock(mutex_);
    check_payload(message);
    if (!room_for(message)) return false;
    queue(lock, std::move(message));
    return true;
}

void TlsConnection::queue(std::unique_lock<std::mutex>& lock, Message message) {
    if (const auto error = inbox_.error()) throw Error(*error);
    if (closing_ || closed_) throw Error(ErrorKind::kNetwork, kClosedHere);
    counters_.sent(message);
    queue_.push(std::move(message));
    if (std::exchange(pump_active_, true)) return;
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
    queue_.clear();
    if (last != nullptr) {
        counters_.sent(*last);
        queue_.push(*last);
    }
    changed_.notify_all();
}

void TlsConnection::drop_unsent() {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    queue_.clear();
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
        const auto sent = [&] { return closed_ || (queue_.empty() && batch_bytes_ == 0); };
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
    reading_ = true;
    stream_.socket().async_wait(asio::socket_base::wait_read, [self = shared_from_this()](const asio::error_code&) {
        self->on_readable();  // an error shows itself in the reading
    });
}

void TlsConnection::on_readable() {
    const Input input = phase_ == Phase::kOpen ? read_available() : Input::kDry;
    if (phase_ == Phase::kShutdown) drain_available();
    // After the end there is nothing to wait for, until the shutdown starts the loop again to drain.
    reading_ = phase_ != Phase::kClosed && !(input == Input::kEnded && phase_ == Phase::kOpen);
    if (!reading_) return;
    if (input == Input::kMore) {
        asio::post(stream_.get_executor(), [self = shared_from_this()] { self->on_readable(); });
    } else {
        read();
    }
}

TlsConnection::Input TlsConnection::read_available() {
    // OpenSSL holds input that the socket no longer shows as readable: the loop must go on until there is none.
    Input input = Input::kMore;
    for (std::size_t total = 0; input == Input::kMore && total < kReadTurnBytes && phase_ == Phase::kOpen;) {
        asio::error_code code;
        const std::size_t bytes = stream_.read_some(read_buffer_, code);
        total += bytes;
        if (code == asio::error::would_block) {
            input = Input::kDry;
        } else if (code) {
            input = Input::kEnded;
            deliver();
            on_read_end(code);
        } else if (!inbox_.error()) {
            accept_bytes(bytes);
        }
    }
    deliver();
    // Reading may make an answer, such as one to a change of keys.
    if (phase_ == Phase::kOpen && !writing_ && stream_.pending() > 0) flush();
    return input;
}

void TlsConnection::accept_bytes(std::size_t bytes) {
    or_give_up([&] {
        decoder_.set_max_payload(limits().max_payload);
        try {
            decoder_.feed({read_buffer_.data(), bytes}, [&](Message message) {
                counters_.received(message);
                arrived_.push_back(std::move(message));
            });
        } catch (const Error&) {
            inbox_.push(arrived_);  // the peer's own reason may be among them
            throw;
        }
    });
    arrived_bytes_ += bytes;
    if (arrived_bytes_ >= kDeliverBytes) deliver();
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
        end_with(Error(ErrorKind::kProtocol, peer_ + " asked for too many changes of keys"), nullptr);
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
    if (writing_ || phase_ != Phase::kOpen) return;
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
        if (!code) stream_.write(bytes, code);
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
                                        if (self->phase_ == Phase::kOpen) self->flush();
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
    phase_ = Phase::kShutdown;
    arm_linger();
    stream_.write_farewell();
    finish_shutdown();
}

void TlsConnection::finish_shutdown() {
    asio::error_code code;
    stream_.flush(code);
    if (code == asio::error::would_block) {
        stream_.socket().async_wait(asio::socket_base::wait_write,
                                    [self = shared_from_this()](const asio::error_code&) {
                                        if (self->phase_ == Phase::kShutdown) self->finish_shutdown();
                                    });
        return;
    }
    stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, code);
    if (!reading_) read();
}

void TlsConnection::drain_available() {
    asio::error_code code;
    for (std::size_t bytes = 0; !code && bytes < kReadTurnBytes;)
        bytes += stream_.socket().read_some(asio::buffer(read_buffer_), code);
    if (code && code != asio::error::would_block) hard_close();
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
