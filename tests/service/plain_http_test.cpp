// The operator's HTTP beside clients that take their time.
#include "service/plain_http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "transport/raw_peer.h"

namespace flash::service {
namespace {

using namespace std::chrono_literals;
using transport::testing::RawSocket;

const std::string kRequest = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";

/// All that comes until the server closes.
std::string read_all(const RawSocket& socket) {
    std::string text;
    char buffer[65536];
    for (ssize_t got = 0; (got = ::recv(socket.fd(), buffer, sizeof buffer, 0)) > 0;)
        text.append(buffer, static_cast<std::size_t>(got));
    return text;
}

class Plain : public ::testing::Test {
protected:
    transport::BoundSocket socket_{{"127.0.0.1", 0}};
    PlainHttp http_{socket_, [](const HttpRequest& request) {
                        const std::size_t bytes = request.path == "/large" ? std::size_t{32} << 20 : 1;
                        return HttpAnswer{200, "text/plain", std::string(bytes, 'x')};
                    }};
    const std::uint16_t port_ = http_.address().port;
};

TEST_F(Plain, AnswersOneRequestOfAConnection) {
    auto client = RawSocket::connect(port_);
    client.write(std::string("GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n"));
    const std::string answer = read_all(client);
    EXPECT_THAT(answer, ::testing::StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos);
}

TEST_F(Plain, AClientThatTakesAByteNowAndThenHoldsNobodyUp) {
    auto slow = RawSocket::connect(port_);
    slow.write(kRequest);
    std::atomic<bool> stop{false};
    std::thread reading([&] {
        char some[20'000];  // enough for the server to get rid of a little more each time
        while (!stop && ::recv(slow.fd(), some, sizeof some, 0) > 0) std::this_thread::sleep_for(200ms);
    });
    std::this_thread::sleep_for(100ms);
    const auto begin = std::chrono::steady_clock::now();
    auto next = RawSocket::connect(port_);
    const timeval patience{20, 0};
    ::setsockopt(next.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    next.write(std::string("GET /small HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT_THAT(read_all(next), ::testing::EndsWith("\r\n\r\nx"));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
    stop = true;
    reading.join();
}

}  // namespace
}  // namespace flash::service
