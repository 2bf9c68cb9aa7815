#include "service/plain_http.h"

#include <fcntl.h>
#include <sys/time.h>

#include <array>
#include <chrono>
#include <utility>

#include "base/descriptor.h"

namespace flash::service {

PlainHttp::PlainHttp(transport::BoundSocket& bound, HttpSite site) : site_(std::move(site)), listener_(bound) {
    listener_.start([this](int socket, const sockaddr_storage&) { serve(socket); });
}

// A client has two seconds in all: the next one waits for it.
void PlainHttp::serve(int socket) const {
    HttpSession session(site_);
    const Descriptor owned(socket);  // from here on nothing throws but for lack of memory, which ends the answer only
    ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) & ~O_NONBLOCK);
    const timeval patience{1, 0};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    std::array<std::uint8_t, 4096> buffer{};
    try {
        while (!session.finished() && std::chrono::steady_clock::now() < end) {
            const ssize_t got = ::recv(socket, buffer.data(), buffer.size(), 0);
            if (got <= 0) return;
            std::vector<std::uint8_t> answer = session.take({buffer.data(), static_cast<std::size_t>(got)});
            for (std::size_t sent = 0; sent < answer.size();) {
                const ssize_t more = ::send(socket, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
                if (more <= 0) return;
                sent += static_cast<std::size_t>(more);
            }
            if (!answer.empty()) return;
        }
    } catch (const std::exception&) {
        return;
    }
}

}  // namespace flash::service
