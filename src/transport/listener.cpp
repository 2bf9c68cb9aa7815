#include "transport/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "base/error.h"

namespace flash::transport {

namespace {

void close_now(int& descriptor) {
    if (descriptor >= 0) ::close(std::exchange(descriptor, -1));
}

int open_reserve() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

/// A socket that is bound and listens; -1, and errno, if that fails.
int listening_socket(int family, const sockaddr* address, socklen_t size, bool both_families) {
    int socket = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket < 0) return -1;
    const int yes = 1, no = 0;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (both_families) ::setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    if (::bind(socket, address, size) == 0 && ::listen(socket, SOMAXCONN) == 0) return socket;
    const int error = errno;
    close_now(socket);
    errno = error;
    return -1;
}

}  // namespace

Listener::Listener(const Address& listen) {
    try {
        bind(listen);
        if (::pipe2(wake_, O_CLOEXEC) != 0)
            throw Error(ErrorKind::kNetwork, "cannot listen: " + std::string(std::strerror(errno)));
    } catch (...) {
        close_now(socket_);
        throw;
    }
    reserve_ = open_reserve();
}

Listener::~Listener() {
    stop();
    for (int* descriptor : {&socket_, &reserve_, &wake_[0], &wake_[1]}) close_now(*descriptor);
}

void Listener::bind(const Address& listen) {
    const auto fail = [&](const std::string& why) {
        throw Error(ErrorKind::kNetwork, "cannot listen on " + to_string(listen) + ": " + why);
    };
    if (listen.host.empty()) {
        sockaddr_in6 any6{};
        any6.sin6_family = AF_INET6;
        any6.sin6_port = htons(listen.port);
        socket_ = listening_socket(AF_INET6, reinterpret_cast<const sockaddr*>(&any6), sizeof any6, true);
        if (socket_ < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {  // a machine without IPv6
            sockaddr_in any4{};
            any4.sin_family = AF_INET;
            any4.sin_port = htons(listen.port);
            socket_ = listening_socket(AF_INET, reinterpret_cast<const sockaddr*>(&any4), sizeof any4, false);
        }
    } else {
        addrinfo hints{};
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
        hints.ai_socktype = SOCK_STREAM;
        addrinfo* found = nullptr;
        const int result = ::getaddrinfo(listen.host.c_str(), std::to_string(listen.port).c_str(), &hints, &found);
        if (result != 0) fail(::gai_strerror(result));
        const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
        socket_ = listening_socket(found->ai_family, found->ai_addr, found->ai_addrlen, false);
    }
    if (socket_ < 0) fail(std::strerror(errno));
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    std::array<char, NI_MAXHOST> host{};
    std::array<char, NI_MAXSERV> port{};
    if (::getsockname(socket_, reinterpret_cast<sockaddr*>(&bound), &size) != 0) fail(std::strerror(errno));
    if (::getnameinfo(reinterpret_cast<const sockaddr*>(&bound), size, host.data(), host.size(), port.data(),
                      port.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        fail("its name cannot be read");
    address_ = {host.data(), static_cast<std::uint16_t>(std::stoi(port.data()))};
}

void Listener::start(Take take) {
    take_ = std::move(take);
    thread_ = std::thread([this] { run(); });
}

void Listener::stop() noexcept {
    close_now(wake_[1]);
    if (thread_.joinable()) thread_.join();
    close_now(socket_);
}

void Listener::run() noexcept {
    while (true) {
        std::array<pollfd, 2> waits{pollfd{socket_, POLLIN, 0}, pollfd{wake_[0], POLLIN, 0}};
        if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) ::usleep(10'000);
        if (waits[1].revents != 0) return;
        if (waits[0].revents != 0) take_one();
    }
}

void Listener::take_one() noexcept {
    sockaddr_storage remote{};
    socklen_t size = sizeof remote;
    const int socket = ::accept4(socket_, reinterpret_cast<sockaddr*>(&remote), &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket >= 0) {
        try {
            take_(socket, remote);
        } catch (...) {
            ::close(socket);
            ++starved_;
            spdlog::warn("a new connection was dropped for lack of memory");
        }
    } else if (errno == EMFILE || errno == ENFILE) {
        turn_away();
    } else if (errno == ENOBUFS || errno == ENOMEM) {
        ::usleep(50'000);  // the kernel's own shortage: nothing here can make it shorter
    }
}

// A client that is not taken would wait in the kernel's queue until its own time limit: it is better told at once.
void Listener::turn_away() noexcept {
    close_now(reserve_);
    const int socket = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket >= 0) ::close(socket);
    reserve_ = open_reserve();
    if (starved_++ == 0) spdlog::warn("out of file descriptors: new connections are turned away");
    if (reserve_ < 0 || socket < 0) ::usleep(50'000);  // somebody else was quicker: no busy loop
}

}  // namespace flash::transport
