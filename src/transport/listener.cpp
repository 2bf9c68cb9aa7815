#include "transport/listener.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace flash::transport {

namespace {

void close_now(int& descriptor) {
    if (descriptor >= 0) ::close(std::exchange(descriptor, -1));
}

int open_reserve() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

}  // namespace

Listener::Listener(BoundSocket& socket) : address_(socket.address()), socket_(socket.release()) {
    const int flags = ::fcntl(socket_, F_GETFL);
    if (flags >= 0 && ::fcntl(socket_, F_SETFL, flags | O_NONBLOCK) == 0 &&
        ::fcntl(socket_, F_SETFD, FD_CLOEXEC) == 0 && ::listen(socket_, SOMAXCONN) == 0 &&
        ::pipe2(wake_, O_CLOEXEC) == 0) {
        reserve_ = open_reserve();
        return;
    }
    const std::string why = std::strerror(errno);
    close_now(socket_);
    throw Error(ErrorKind::kNetwork, "cannot listen on " + to_string(address_) + ": " + why);
}

Listener::~Listener() {
    stop();
    for (int* descriptor : {&socket_, &reserve_, &wake_[0], &wake_[1]}) close_now(*descriptor);
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
            log_warning("a new connection was dropped for lack of memory");
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
    if (starved_++ == 0) log_warning("out of file descriptors: new connections are turned away");
    if (reserve_ < 0 || socket < 0) ::usleep(50'000);  // somebody else was quicker: no busy loop
}

}  // namespace flash::transport
