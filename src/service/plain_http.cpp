#include "service/plain_http.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <span>
#include <utility>

#include "base/descriptor.h"

namespace flash::service {

PlainHttp::PlainHttp(transport::BoundSocket& bound, HttpSite site) : site_(std::move(site)), listener_(bound) {
    listener_.start([this](int socket, const sockaddr_storage&) { serve(socket); });
}

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{2};

/// Waits until the socket is ready, or until then. The descriptor does not block.
bool wait(int socket, short what, Clock::time_point end) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    pollfd ready{socket, what, 0};
    return left.count() > 0 && ::poll(&ready, 1, static_cast<int>(left.count())) == 1;
}

bool send_all(int socket, std::span<const std::uint8_t> bytes, Clock::time_point end) {
    while (!bytes.empty()) {
        if (!wait(socket, POLLOUT, end)) return false;
        const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
        if (sent > 0) bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
    return true;
}

}  // namespace

// A client has so much time in all, in both directions, and one answer: the next client waits for it.
void PlainHttp::serve(int socket) const {
    HttpSession session(site_);
    const Descriptor owned(socket);  // from here on nothing throws but for lack of memory, which ends the answer only
    const auto end = Clock::now() + kPatience;
    std::array<std::uint8_t, 4096> buffer{};
    try {
        while (wait(socket, POLLIN, end)) {
            const ssize_t got = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            if (got <= 0) return;
            const std::vector<std::uint8_t> answer =
                session.take(std::span(buffer.data(), static_cast<std::size_t>(got)));
            if (answer.empty()) continue;
            send_all(socket, answer, end);
            return;
        }
    } catch (const std::exception&) {
        return;
    }
}

}  // namespace flash::service
