// A peer without manners: plain sockets and plain OpenSSL, to send what the transport layer itself never would.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "transport/certificate.h"
#include "transport/frame.h"

namespace flash::transport::testing {

/// A TCP socket on 127.0.0.1 whose reads give up after three seconds.
class RawSocket {
public:
    explicit RawSocket(int fd) : fd_(fd) {
        if (fd_ < 0) throw std::runtime_error("no socket");
        const timeval patience{3, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    /// source: an address of this machine to come from, such as "127.0.0.2"; empty: the system chooses.
    static RawSocket connect(std::uint16_t port, const std::string& source = "") {
        RawSocket socket(::socket(AF_INET, SOCK_STREAM, 0));
        sockaddr_in from = local(0);
        if (!source.empty() && (::inet_pton(AF_INET, source.c_str(), &from.sin_addr) != 1 ||
                                ::bind(socket.fd_, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0))
            throw std::runtime_error("cannot come from " + source);
        const sockaddr_in address = local(port);
        if (::connect(socket.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            throw std::runtime_error("cannot connect");
        }
        return socket;
    }
    RawSocket(RawSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    RawSocket& operator=(RawSocket&&) = delete;
    ~RawSocket() { close(); }

    int fd() const { return fd_; }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    /// Closes with a reset, as a killed process with unread input does.
    void reset() {
        const linger hard{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close();
    }
    void write(std::span<const std::uint8_t> bytes) { (void)!::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
    void write(const std::string& text) { (void)!::send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
    /// Whether the other side closes before the patience ends; what it sends until then is thrown away.
    bool closed_by_peer() {
        std::uint8_t buffer[4096];
        while (true) {
            const auto got = ::recv(fd_, buffer, sizeof buffer, 0);
            if (got == 0) return true;
            if (got < 0) return errno != EAGAIN && errno != EWOULDBLOCK;
        }
    }

    static sockaddr_in local(std::uint16_t port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return address;
    }

private:
    int fd_;
};

/// Listens on 127.0.0.1 and does nothing else by itself.
class RawListener {
public:
    RawListener() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address = RawSocket::local(0);
        socklen_t size = sizeof address;
        if (::bind(socket_.fd(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
            ::listen(socket_.fd(), 8) != 0 ||
            ::getsockname(socket_.fd(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
            throw std::runtime_error("cannot listen");
        }
        port_ = ntohs(address.sin_port);
    }
    std::uint16_t port() const { return port_; }
    RawSocket accept() { return RawSocket(::accept(socket_.fd(), nullptr, nullptr)); }

private:
    RawSocket socket_;
    std::uint16_t port_ = 0;
};

/// TLS without checks over a raw socket.
class RawTls {
public:
    /// protocol: to ask for by ALPN; empty: none.
    static RawTls connect(std::uint16_t port, int highest_version = TLS1_3_VERSION, const std::string& protocol = "",
                          const std::string& source = "") {
        RawTls tls(RawSocket::connect(port, source), TLS_client_method());
        if (!protocol.empty()) {
            const std::string wire = static_cast<char>(protocol.size()) + protocol;
            SSL_set_alpn_protos(tls.ssl_.get(), reinterpret_cast<const unsigned char*>(wire.data()),
                                static_cast<unsigned>(wire.size()));
        }
        SSL_set_max_proto_version(tls.ssl_.get(), highest_version);
        tls.ready_ = SSL_connect(tls.ssl_.get()) == 1;
        return tls;
    }
    /// Over a socket that is there, on which these bytes come first.
    static RawTls over(RawSocket socket, std::span<const std::uint8_t> first) {
        socket.write(first);
        RawTls tls(std::move(socket), TLS_client_method());
        tls.ready_ = SSL_connect(tls.ssl_.get()) == 1;
        return tls;
    }
    static RawTls accept(RawSocket socket, const Identity& identity) {
        RawTls tls(std::move(socket), TLS_server_method());
        const std::unique_ptr<BIO, decltype(&BIO_free_all)> cert_text(
            BIO_new_mem_buf(identity.certificate_pem.data(), static_cast<int>(identity.certificate_pem.size())),
            BIO_free_all);
        const std::unique_ptr<BIO, decltype(&BIO_free_all)> key_text(
            BIO_new_mem_buf(identity.key_pem.data(), static_cast<int>(identity.key_pem.size())), BIO_free_all);
        const std::unique_ptr<X509, decltype(&X509_free)> cert(
            PEM_read_bio_X509(cert_text.get(), nullptr, nullptr, nullptr), X509_free);
        const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
            PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
        SSL_use_certificate(tls.ssl_.get(), cert.get());
        SSL_use_PrivateKey(tls.ssl_.get(), key.get());
        tls.ready_ = SSL_accept(tls.ssl_.get()) == 1;
        return tls;
    }

    bool ready() const { return ready_; }
    RawSocket& socket() { return socket_; }
    SSL* ssl() { return ssl_.get(); }
    void write(std::span<const std::uint8_t> bytes) {
        SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
    }
    /// Everything that the peer sends until it closes, as messages.
    std::vector<Message> read_all() {
        std::vector<Message> messages;
        FrameDecoder decoder({std::size_t{4} << 20});
        std::uint8_t buffer[16384];
        while (true) {
            const int got = SSL_read(ssl_.get(), buffer, sizeof buffer);
            if (got <= 0) return messages;
            decoder.feed({buffer, static_cast<std::size_t>(got)}, [&](Message m) { messages.push_back(std::move(m)); });
        }
    }
    /// The sentence of the first kError message that comes, or nothing.
    std::string read_error() {
        for (const auto& message : read_all()) {
            if (message.type == MessageType::kError) return error_sentence(message.payload);
        }
        return {};
    }
    /// Changes the keys and asks the other side to do so too; false if the connection has broken.
    bool ask_for_new_keys() {
        return SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED) == 1 && SSL_do_handshake(ssl_.get()) == 1;
    }
    /// Changes this side's keys only.
    bool change_keys() {
        return SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1 && SSL_do_handshake(ssl_.get()) == 1;
    }
    void say_farewell() { SSL_shutdown(ssl_.get()); }

private:
    RawTls(RawSocket socket, const SSL_METHOD* method)
        : socket_(std::move(socket)),
          context_(SSL_CTX_new(method), SSL_CTX_free),
          ssl_(SSL_new(context_.get()), SSL_free) {
        ::signal(SIGPIPE, SIG_IGN);  // OpenSSL's own writes to a connection that the other side has closed
        SSL_set_fd(ssl_.get(), socket_.fd());
    }
    RawSocket socket_;
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
    std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
    bool ready_ = false;
};

inline std::vector<std::uint8_t> raw_frame(std::uint32_t size, std::uint16_t type, std::uint16_t lane,
                                           std::size_t payload) {
    std::vector<std::uint8_t> frame(kFrameHeaderBytes + payload);
    for (std::size_t i = 0; i < 4; ++i) frame[i] = static_cast<std::uint8_t>(size >> (8 * i));
    for (std::size_t i = 0; i < 2; ++i) frame[4 + i] = static_cast<std::uint8_t>(type >> (8 * i));
    for (std::size_t i = 0; i < 2; ++i) frame[6 + i] = static_cast<std::uint8_t>(lane >> (8 * i));
    return frame;
}

}  // namespace flash::transport::testing
