#include "transport/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <asio/ssl/error.hpp>
#include <cerrno>
#include <limits>
#include <new>
#include <utility>

namespace flash::transport {

namespace {

// What one system call may bring: some eight records, small enough to stay in the second-level cache until it is
// decrypted.
constexpr std::size_t kInputBytes = std::size_t{128} << 10;

long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

}  // namespace

// Two BIOs of one kind. The one that OpenSSL reads from gives what the socket has, but not more than the turn allows:
// after that it says what it says of an empty socket, and OpenSSL returns.
int TlsStream::source_read(BIO* bio, char* data, std::size_t size, std::size_t* got) noexcept {
    auto& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    *got = 0;
    if (stream.turn_left_ == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    ssize_t result = 0;
    do {
        result = ::recv(stream.socket_.native_handle(), data, std::min(size, stream.turn_left_), 0);
    } while (result < 0 && errno == EINTR);
    if (result > 0) {
        *got = static_cast<std::size_t>(result);
        stream.turn_left_ -= *got;
        return 1;
    }
    if (result == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    if (result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) BIO_set_retry_read(bio);
    return 0;
}

// The other appends what OpenSSL writes to a vector. It never blocks, and fails only for lack of memory.
int TlsStream::sink_write(BIO* bio, const char* data, std::size_t size, std::size_t* written) noexcept {
    auto& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
    try {
        const auto* bytes =
            reinterpret_cast<const std::uint8_t*>(data);  // of the vector's type, so that this is one memcpy
        stream.output_.insert(stream.output_.end(), bytes, bytes + size);
    } catch (const std::exception&) {
        return 0;
    }
    *written = size;
    return 1;
}

BIO_METHOD* TlsStream::pipe_method() {
    static BIO_METHOD* const method = [] {
        BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket in turns, output buffer");
        if (made == nullptr || BIO_meth_set_read_ex(made, source_read) != 1 ||
            BIO_meth_set_write_ex(made, sink_write) != 1 || BIO_meth_set_ctrl(made, control) != 1)
            throw std::bad_alloc();
        return made;
    }();
    return method;
}

// Called by OpenSSL for each message of TLS itself. A change of keys is short and costs its receiver a hundred times
// what it costs its sender. OpenSSL handles all that it has read before it returns; marking the connection as ended
// makes it throw the rest away.
void TlsStream::on_message(int sent, int, int type, const void*, std::size_t, SSL* ssl, void* self) {
    auto& stream = *static_cast<TlsStream*>(self);
    if (sent != 0 || !stream.connected_ || (type != SSL3_RT_HANDSHAKE && type != SSL3_RT_ALERT)) return;
    if (++stream.control_messages_ <= kControlMessages + stream.data_bytes_ / kBytesForControlMessage) return;
    stream.refused_ = true;
    SSL_set_shutdown(ssl, SSL_get_shutdown(ssl) | SSL_RECEIVED_SHUTDOWN);
}

void TlsStream::Free::operator()(SSL* ssl) const { SSL_free(ssl); }

TlsStream::TlsStream(asio::ip::tcp::socket socket, asio::ssl::context& context)
    : socket_(std::move(socket)),
      ssl_(SSL_new(context.native_handle())) {
    BIO* input = BIO_new(pipe_method());
    BIO* sink = BIO_new(pipe_method());
    if (!ssl_ || input == nullptr || sink == nullptr) {
        BIO_free(input);
        BIO_free(sink);
        throw std::bad_alloc();
    }
    for (BIO* bio : {input, sink}) {
        BIO_set_data(bio, this);
        BIO_set_init(bio, 1);
    }
    SSL_set_bio(ssl_.get(), input, sink);
    SSL_set_msg_callback(ssl_.get(), on_message);
    SSL_set_msg_callback_arg(ssl_.get(), this);
    SSL_set_read_ahead(ssl_.get(), 1);
    SSL_set_default_read_buffer_len(ssl_.get(), kInputBytes);
    asio::error_code ignored;
    socket_.non_blocking(true, ignored);
}

void TlsStream::async_handshake(Side side, Handler handler) {
    if (side == Side::kClient) {
        SSL_set_connect_state(ssl_.get());
    } else {
        SSL_set_accept_state(ssl_.get());
    }
    asio::dispatch(get_executor(),
                   [this, handler = std::move(handler)]() mutable { continue_handshake(std::move(handler)); });
}

void TlsStream::continue_handshake(Handler handler) {
    if (!socket_.is_open()) return handler(asio::error::operation_aborted);
    ERR_clear_error();
    errno = 0;
    begin_turn();
    const int result = SSL_do_handshake(ssl_.get());
    connected_ = result == 1;
    const asio::error_code state = result == 1 ? asio::error_code{} : error_of(result);
    asio::error_code flushed;
    flush(flushed);  // an alert too, if the handshake failed
    if (state && state != asio::error::would_block) return handler(state);
    if (flushed && flushed != asio::error::would_block) return handler(flushed);
    if (!state && !flushed) return handler({});
    if (!flushed && turn_is_over()) {
        asio::post(get_executor(),
                   [this, handler = std::move(handler)]() mutable { continue_handshake(std::move(handler)); });
        return;
    }
    const auto wait = flushed ? asio::socket_base::wait_write : asio::socket_base::wait_read;
    socket_.async_wait(wait, [this, handler = std::move(handler)](const asio::error_code& code) mutable {
        if (code) return handler(code);
        continue_handshake(std::move(handler));
    });
}

std::size_t TlsStream::read_some(std::span<std::uint8_t> out, asio::error_code& code) {
    ERR_clear_error();
    errno = 0;
    std::size_t bytes = 0;
    const int result = SSL_read_ex(ssl_.get(), out.data(), out.size(), &bytes);
    code = result == 1 ? asio::error_code{}
           : refused_  ? asio::error_code(asio::error::no_buffer_space)
                       : error_of(result);
    data_bytes_ += bytes;
    return bytes;
}

void TlsStream::write(std::span<const std::uint8_t> bytes, asio::error_code& code) {
    ERR_clear_error();
    errno = 0;
    std::size_t written = 0;
    const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written);
    code = result == 1 ? asio::error_code{} : error_of(result);
}

void TlsStream::write_farewell() {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
}

std::size_t TlsStream::flush(asio::error_code& code) {
    code = {};
    const std::size_t before = flushed_;
    while (pending() > 0) {
        const ssize_t sent = ::send(socket_.native_handle(), output_.data() + flushed_, pending(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) {
            code = errno == EAGAIN || errno == EWOULDBLOCK
                       ? asio::error_code(asio::error::would_block)
                       : asio::error_code(errno, asio::error::get_system_category());
            break;
        }
        flushed_ += static_cast<std::size_t>(sent);
    }
    const std::size_t taken = flushed_ - before;
    if (pending() == 0) {
        output_.clear();
        flushed_ = 0;
    }
    return taken;
}

// OpenSSL's verdict on the call that just failed.
asio::error_code TlsStream::error_of(int result) const {
    const int saved = errno;
    const int kind = SSL_get_error(ssl_.get(), result);
    const unsigned long detail = ERR_get_error();
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) return asio::error::would_block;
    if (kind == SSL_ERROR_ZERO_RETURN) return asio::error::eof;
    if (kind == SSL_ERROR_SYSCALL && saved != 0) return {saved, asio::error::get_system_category()};
    if (kind == SSL_ERROR_SYSCALL || ERR_GET_REASON(detail) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return asio::ssl::error::stream_truncated;
    return {static_cast<int>(detail), asio::error::get_ssl_category()};
}

}  // namespace flash::transport
