#include "transport/tls_connection.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace flash::transport {

namespace {

constexpr const char* kClosedHere = "this side has closed the connection";

}  // namespace

TlsConnection::TlsConnection(asio::ip::tcp::socket socket, asio::ssl::context& context, std::string peer,
                             const Limits& start_limits)
    : stream_(std::move(socket), context),
      linger_(stream_.get_executor()),
      peer_(std::move(peer)),
      inbox_(peer_, start_limits),
      decoder_(FrameLimits::of(start_limits)),
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
        if (self->stage_ != Stage::kHandshake) return;  // closed in the meantime
        self->stage_ = Stage::kOpen;
        self->read_buffer_.resize(kRecordBytes);
        self->record_.reserve(kRecordBytes);
        self->on_readable();  // what came right behind the handshake may have been read with it
        self->pump();
    });
}

void TlsConnection::abort_handshake() {
    if (stage_ == Stage::kHandshake) hard_close();
}

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

}  // namespace flash::transport
