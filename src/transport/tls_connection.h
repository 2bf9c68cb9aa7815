// One TLS connection: an asynchronous core on a strand, and a blocking facade on top of it. Internal to this folder (it
// includes Asio); used by tls_client.cpp and tls_server.cpp.
//
// OpenSSL objects are not thread-safe, so everything that touches the stream runs on the connection's strand: a read
// loop that fills the inbox, and a write loop that empties the send queue, several messages per write. The facade only
// touches the inbox and the mutex-protected queue: send() neither encrypts nor writes.
#pragma once

#include <array>
#include <asio.hpp>
#include <asio/ssl/context.hpp>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "transport/channel.h"
#include "transport/counters.h"
#include "transport/frame.h"
#include "transport/inbox.h"
#include "transport/send_queue.h"
#include "transport/tls_stream.h"
#include "transport/web_socket.h"

namespace flash::transport {

class TlsConnection : public std::enable_shared_from_this<TlsConnection> {
public:
    /// `socket` must have a strand as its executor. `peer` names the other side in sentences, e.g. "the server".
    TlsConnection(asio::ip::tcp::socket socket, asio::ssl::context& context, std::string peer, const Limits& limits);

    /// For connecting and the handshake, before start().
    TlsStream& stream() { return stream_; }
    /// Socket options of every connection; errors are ignored (the peer may be gone already).
    void tune_socket();
    /// Frames travel in WebSocket messages from now on. Before start(), on the strand.
    void speak_web_socket() { web_socket_.emplace(WebSocket::Side::kServer); }
    /// Starts the read loop. Once, after the handshake; at once if called on the strand.
    void start();
    /// Closes the socket if start() has not been called. On the strand.
    void abort_handshake();

    // The facade, from any thread; the meanings are those of Channel.
    void send(Message message);
    bool try_send(Message& message);
    Message receive(MessageType type) { return inbox_.take(type, limits().timeout); }
    Message receive_any(std::chrono::milliseconds wait) { return inbox_.take_any(wait); }
    void set_limits(const Limits& limits);
    Traffic traffic() const { return counters_.read(); }
    std::optional<Error> error() const { return inbox_.error(); }
    void fail(const std::string& sentence) noexcept;
    void close() noexcept;

    /// Closes the socket without a word to the peer.
    void abort() noexcept;
    /// Waits until the socket is closed. Returns false after `timeout`.
    bool wait_closed(std::chrono::milliseconds timeout);

    /// Longest time that a closing connection waits for the peer to take the last bytes.
    static constexpr std::chrono::milliseconds kLinger{2'000};

private:
    enum class Stage { kHandshake, kOpen, kShutdown, kClosed };
    enum class Input { kDry, kMore, kEnded };  // what the read loop is to expect

    // On the strand.
    void read();
    void on_readable();
    Input read_available();
    void on_read_end(const asio::error_code& code);
    void accept_bytes(std::size_t bytes);
    void decode(std::span<const std::uint8_t> bytes);
    void write_plain(std::span<const std::uint8_t> bytes, asio::error_code& code);
    void deliver();
    template <class Step>
    void or_give_up(Step step);
    void pump();
    bool take_batch(bool& closing);
    void encrypt_batch(asio::error_code& code);
    void flush();
    void on_write_error();
    void shut_down();
    void finish_shutdown();
    void drain_available();
    void arm_linger();
    void hard_close();
    void drop_unsent();  // nobody is there to take it

    // With the mutex held.
    void check_payload(const Message& message) const;
    bool room_for(const Message& message) const;  // true also once nothing more is taken
    void queue(std::unique_lock<std::mutex>& lock, Message message);

    Limits limits() const;
    void wake_writer();  // from any thread
    // From any thread: fails the inbox, and the first call also replaces the send queue by a last message. Both happen
    // under the mutex, so that whoever is woken by the failure finds the last message in its place.
    void end_with(const Error& failure, const Message* last);
    std::string lost(const asio::error_code& code) const;

    TlsStream stream_;
    asio::steady_timer linger_;
    const std::string peer_;
    Inbox inbox_;
    TrafficCounters counters_;

    // Strand only.
    Stage stage_ = Stage::kHandshake;
    FrameDecoder decoder_;
    std::optional<WebSocket> web_socket_;
    std::vector<std::uint8_t> wrapped_;  // a message of it that is being made
    std::vector<std::uint8_t> read_buffer_;
    std::vector<Message> arrived_;  // decoded, not yet in the inbox: a waiter is woken once for several
    std::size_t arrived_bytes_ = 0;
    std::vector<std::uint8_t> record_;  // plain bytes of a record that is being filled
    std::vector<Message> batch_;        // messages that are being encrypted
    bool reading_ = false;              // the read loop runs or waits
    bool writing_ = false;              // encrypted bytes wait for the socket
    bool linger_armed_ = false;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    Limits limits_;
    SendQueue<Message> queue_;
    std::size_t batch_bytes_ = 0;      // of frames that were taken out of it and that the socket has not taken yet
    std::uint64_t total_written_ = 0;  // grows with every write: the measure of progress
    bool pump_active_ = false;         // the write loop runs or is about to, and will look at queue_ before it rests
    bool closing_ = false;             // nothing more is queued
    bool closed_ = false;
};

}  // namespace flash::transport
