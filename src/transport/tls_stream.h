// TLS over a non-blocking TCP socket, made for bulk data: whole read buffers of records per system call, several
// records per write, and no buffers in between other than OpenSSL's own. Internal to this folder (it includes Asio).
//
// Reading: OpenSSL reads from the socket, many records at once, and decrypts in place. A single call of its own would
// go on for as long as a peer sends records that hold no data, so that what it may take from the socket is bounded by
// turns. Writing: records are encrypted into a buffer of this class, which flush() hands to the socket. Everything on
// the socket's executor, one call at a time.
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

    /// From now on so many encrypted bytes may be read, before others get their turn.
    void begin_turn() { turn_left_ = kTurnBytes; }
    /// Whether they have been: what read_some() then calls would_block may be more input, in another turn.
    bool turn_is_over() const { return turn_left_ == 0; }
    /// Decrypted bytes that are there now. Codes: would_block (wait until the socket is readable, or for the next
    /// turn), eof (the peer said farewell), stream_truncated (it ended without), no_buffer_space (it changes keys
    /// without need, which is work for nothing), others for what broke. Output may be pending() afterwards.
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

    static constexpr std::size_t kTurnBytes = std::size_t{128} << 10;
    // A peer may send so many messages of TLS itself, changes of keys and warnings, and one more for so many bytes of
    // data: a hundred times what honest peers need, and so few that OpenSSL's answers to them fill no memory.
    static constexpr std::uint64_t kControlMessages = 32, kBytesForControlMessage = std::uint64_t{1} << 20;

    static BIO_METHOD* pipe_method();
    static int source_read(BIO* bio, char* data, std::size_t size, std::size_t* got) noexcept;
    static int sink_write(BIO* bio, const char* data, std::size_t size, std::size_t* written) noexcept;
    static void on_message(int sent, int version, int type, const void* data, std::size_t size, SSL* ssl, void* self);
    void continue_handshake(Handler handler);
    asio::error_code error_of(int result) const;

    asio::ip::tcp::socket socket_;
    std::vector<std::uint8_t> output_;
    std::size_t flushed_ = 0;  // of output_
    std::size_t turn_left_ = kTurnBytes;
    bool connected_ = false;              // the handshake is over
    std::uint64_t control_messages_ = 0;  // since then
    std::uint64_t data_bytes_ = 0;        // that were read
    bool refused_ = false;                // too many of the former
    std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace flash::transport
