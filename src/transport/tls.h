// TCP with TLS 1.3: the client's connect and the server's listener. No resumption, no early data, no compression.
// The client always checks the server's certificate. A client may show one of its own where the server asks for it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "transport/address.h"
#include "transport/bound_socket.h"
#include "transport/byte_session.h"
#include "transport/certificate.h"
#include "transport/channel.h"
#include "transport/peer.h"

namespace flash::transport {

struct ClientOptions {
    std::string host;  ///< name or numeric address; empty is this machine
    std::uint16_t port = 0;
    /// "sha256:<hex>" of the server's certificate. If given, it decides alone: no chain, name or date is looked at.
    std::optional<std::string> pinned_fingerprint;
    /// PEM file of trusted certificates: the server's chain must end in one of them and name `host`. Without this and
    /// without a pin, the system's trust store takes its place.
    std::optional<std::filesystem::path> ca_file;
    std::shared_ptr<const Identity> identity;   ///< to show where the server asks for a certificate; null: none
    std::string protocol;                       ///< to ask for by ALPN, e.g. "flash/5"; empty: none
    std::chrono::milliseconds timeout{10'000};  ///< for resolving, connecting and the TLS handshake together
    Limits limits{};                            ///< of the channel
};

/// Connects and checks the certificate. Throws Error: kInvalidArgument (malformed pin), kFile (unusable CA or own
/// file), kNetwork (refused, not TLS, not trusted: the sentence holds the fingerprint that was seen), kTimeout,
/// kCancelled (soon after `stop` is asked for).
std::unique_ptr<Channel> connect_tls(const ClientOptions& options, const std::stop_token& stop = {});

struct ServerOptions {
    Address listen{"127.0.0.1", 0};       ///< port 0: a free one; empty host: all addresses
    std::shared_ptr<BoundSocket> socket;  ///< of an address that was taken before: it is used in place of `listen`
    Identity identity;
    /// PEM file of certificates: clients are asked for one that one of these has issued. One that shows none is let in,
    /// for whoever answers it to decide; one that shows another is not.
    std::optional<std::filesystem::path> client_ca;
    Limits limits{};                ///< of every session's channel
    std::size_t max_sessions = 16;  ///< places; a connection that finds none gets a kError message that says so
    /// Of one address (address_group.h); 0: as many as there are.
    std::size_t max_sessions_per_address = 0;
    /// Of one address; a connection beyond this is closed without a word. There may be 64 connections without a place
    /// more than there are places; beyond that the oldest one without a place is closed, of the address that has most
    /// of them.
    std::size_t max_handshakes_per_address = 16;
    /// Numeric addresses of proxies: each connection of theirs begins with a header of the PROXY protocol, version 2,
    /// and counts as one of the address that it tells. Nobody else is believed.
    std::vector<std::string> proxies;
    std::chrono::milliseconds handshake_timeout{5'000};
    std::chrono::seconds retry_after{2};  ///< what a client is told that finds no place
    /// Answers connections that ask for http/1.1 by ALPN. Empty: there is no HTTP here. All others speak frames,
    /// whatever version of flash/N they name: the handshake of the protocol says better what does not fit.
    MakeByteSession http;
    std::size_t io_threads = 2;  ///< carry the sockets of all sessions
};

/// What became of connections since the start.
struct ConnectionCounts {
    std::uint64_t accepted = 0;           ///< taken from the listening socket
    std::uint64_t dropped = 0;            ///< closed without a word: limits of connections
    std::uint64_t starved = 0;            ///< closed without a word: no descriptor or no memory
    std::uint64_t failed_handshakes = 0;  ///< TLS
    std::uint64_t refused = 0;            ///< told that there is no place for a session
    std::uint64_t gave_way = 0;           ///< ended for others: without a place, or without having shown work in it
};

/// A connection's place among the sessions of a server. It has none before take().
class Place {
public:
    virtual ~Place() = default;
    /// Takes one, until the handler returns. Otherwise says why there is none. While keep() has not been called, the
    /// session ends where its place is needed and its address has many such.
    virtual std::optional<std::string> take() = 0;
    /// The client has shown work: nobody else gets its place. False if somebody has it already; the channel has failed
    /// then.
    virtual bool keep() = 0;
};

/// Listens and gives every client a session: a thread that runs the handler with the connection's channel.
class TlsServer {
public:
    /// Serves one client. It owns the channel; the session ends when it returns. An exception from it is logged and
    /// ends this session only; to tell the peer why, the handler calls Channel::fail itself.
    using Handler = std::function<void(std::unique_ptr<Channel> channel, const Peer& peer)>;
    /// The same, called before there is a place: it takes one once it knows who the client is.
    using Host = std::function<void(std::unique_ptr<Channel> channel, const Peer& peer, Place& place)>;

    /// Listens and starts to serve. Throws Error: kNetwork (address in use or not local), kFile (unusable identity).
    TlsServer(ServerOptions options, Host host);
    /// Whoever has a place when TLS is agreed upon is served, and keeps it.
    TlsServer(ServerOptions options, Handler handler);
    ~TlsServer();
    TlsServer(const TlsServer&) = delete;
    TlsServer& operator=(const TlsServer&) = delete;

    /// Where it listens, with the real port.
    Address address() const;
    /// Fingerprint of its certificate, for clients to pin.
    std::string fingerprint() const;
    /// Later connections get this certificate; those that are there go on. Error(kFile) if it cannot be used.
    void replace_identity(Identity identity);
    /// Sessions that have a place now.
    std::size_t sessions() const;
    ConnectionCounts counts() const;
    /// Accepts no more connections; those that are there go on.
    void stop_accepting();
    /// Accepts no more, tells every client that the server stops (blocked channel calls in the handlers throw), and
    /// waits for the handlers to return. Not from inside a handler. Later calls do nothing.
    void stop();

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace flash::transport
