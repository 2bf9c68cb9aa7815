// TLS over a non-blocking TCP socket, made for bulk data: whole read buffers of records per system call, several
// records per write, and no buffers in between other than OpenSSL's own. Internal to this folder (it includes Asio).
//
// Reading: OpenSSL reads from the socket, many records at once, and decrypts in place. Writing: records are encrypted
// into a buffer of this class, which flush() hands to the socket. Everything on the socket's executor, one call at a
// time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

// After the standard library: Asio chooses its allocation functions by macros that only those headers define, and all
// files must choose the same.
#include <asio.hpp>
#include <asio/ssl/context.hpp>

namespace flash::transport {

/// Plain bytes of a full TLS record; writes of this size waste nothing.
inline constexpr std::size_t kRecordBytes = std::size_t{16} << 10;

class TlsStream {
public:
    enum class Side { kClient, kServer };
    using Handler = std::function<void(const asio::error_code&)>;

    /// Throws std::bad_alloc. The context may be destroyed before the stream.
    TlsStream(asio::ip::tcp::socket socket, asio::ssl::context& context);
    TlsStream(const TlsStream&) = delete;
    TlsStream& operator=(const TlsStream&) = delete;

    asio::ip::tcp::socket& socket() { return socket_; }
    SSL* native_handle() { return ssl_.get(); }
    asio::any_io_executor get_executor() { return socket_.get_executor(); }

    /// Shakes hands and calls the handler. The handler must keep this object alive.
    void async_handshake(Side side, Handler handler);

    /// Decrypted bytes that are there now. Codes: would_block (wait until the socket is readable), eof (the peer said
    /// farewell), stream_truncated (it ended without), no_buffer_space (it asked for so many changes of keys, without
    /// taking OpenSSL's answers, that they would fill the memory), others for what broke. Output may be pending()
    /// afterwards.
    std::size_t read_some(std::span<std::uint8_t> out, asio::error_code& code);
    /// Encrypts all bytes into the output buffer.
    void write(std::span<const std::uint8_t> bytes, asio::error_code& code);
    /// Encrypts a farewell (close_notify) into the output buffer; errors are ignored.
    void write_farewell();
    /// Encrypted bytes that the socket has not taken yet.
    std::size_t pending() const { return output_.size() - flushed_; }
    /// Gives the socket as many of them as it takes; would_block if some are left. Returns how many it took.
    std::size_t flush(asio::error_code& code);

private:
    struct Free {
        void operator()(SSL* ssl) const;
    };

    /// Of answers that reading may make until the socket has taken everything: more than 2000 changes of keys.
    static constexpr std::size_t kMaxAnswerBytes = std::size_t{64} << 10;

    static BIO_METHOD* sink_method();
    static int sink_write(BIO* bio, const char* data, std::size_t size, std::size_t* written) noexcept;
    void continue_handshake(Handler handler);
    asio::error_code error_of(int result) const;

    asio::ip::tcp::socket socket_;
    std::vector<std::uint8_t> output_;
    std::size_t flushed_ = 0;       // of output_
    bool reading_ = false;          // OpenSSL was asked for input: what it writes is an answer
    std::size_t answer_bytes_ = 0;  // in output_, at most
    bool refused_ = false;          // an answer that would have been too much
    std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace flash::transport
