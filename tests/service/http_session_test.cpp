#include "service/http_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

namespace flash::service {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

HttpAnswer site(const HttpRequest& request) {
    if (request.path == "/hello") return {200, "text/plain", "hi\n"};
    if (request.path == "/who")
        return {request.bearer.empty() ? 401 : 200, "text/plain", {request.bearer.begin(), request.bearer.end()}};
    return {404, "text/plain", "no\n"};
}

std::string give(HttpSession& session, const std::string& text) {
    auto out = session.take({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    std::string answers(out.begin(), out.end());
    while (session.has_more()) {
        out = session.take({});
        answers.append(out.begin(), out.end());
    }
    return answers;
}

TEST(HttpSession, AnswersOneRequestAfterTheOther) {
    HttpSession session(site);
    const std::string first = give(session, "GET /hello?x=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_THAT(first, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(first, HasSubstr("Content-Length: 3\r\n"));
    EXPECT_THAT(first, EndsWith("\r\n\r\nhi\n"));
    EXPECT_FALSE(session.finished());
    const std::string head = give(session, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_THAT(head, HasSubstr("Content-Length: 3\r\n"));
    EXPECT_THAT(head, EndsWith("\r\n\r\n"));
    EXPECT_THAT(give(session, "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), StartsWith("HTTP/1.1 404"));
    EXPECT_TRUE(session.finished());
}

TEST(HttpSession, TakesAnySplitAndSeveralAtOnce) {
    const std::string two = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /no HTTP/1.1\r\nHost: a\r\n\r\n";
    HttpSession whole(site), pieces(site);
    std::string answers;
    for (const char c : two) answers += give(pieces, std::string(1, c));
    EXPECT_EQ(answers, give(whole, two));
    EXPECT_THAT(answers, HasSubstr("404 Not Found"));
}

TEST(HttpSession, BeginsWithNoBodyInPieces) {
    const std::string rest = " / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (const std::string body : {"1\r\nx\r\n0\r\n\r\n", "0\r\n\r\n", "", "0\r\nHost: \r\r\nx\r\n\r\n", "0\r"}) {
        for (const auto& [method, status] : {std::pair{"GET", "HTTP/1.1 400"}, std::pair{"POST", "HTTP/1.1 405"}}) {
            HttpSession whole(site), pieces(site);
            EXPECT_THAT(give(whole, method + rest + body), StartsWith(status)) << body;
            EXPECT_TRUE(whole.finished());
            std::string answers;
            for (const char c : method + rest + body)
                if (!pieces.finished()) answers += give(pieces, std::string(1, c));
            EXPECT_THAT(answers, StartsWith(status)) << body;
            EXPECT_TRUE(pieces.finished());
        }
    }
}

TEST(HttpSession, HoldsOneAnswerAtATime) {
    int asked = 0;
    HttpSession session([&](const HttpRequest&) {
        ++asked;
        return HttpAnswer{200, "text/plain", "x"};
    });
    std::string many;
    for (int i = 0; i < HttpSession::kRequests; ++i) many += "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    EXPECT_FALSE(session.take({reinterpret_cast<const std::uint8_t*>(many.data()), many.size()}).empty());
    for (int i = 1; i < HttpSession::kRequests; ++i) {
        ASSERT_TRUE(session.has_more());
        EXPECT_EQ(asked, i);
        EXPECT_FALSE(session.take({}).empty());
    }
    EXPECT_FALSE(session.has_more());
    EXPECT_TRUE(session.finished());
    EXPECT_EQ(asked, HttpSession::kRequests);
}

TEST(HttpSession, RefusesWhatItDoesNotSpeak) {
    for (const std::string& text :
         {std::string("\x16\x03\x01\r\n\r\n"), std::string("GET / HTTP/3.0\r\n\r\n"), std::string("nonsense\r\n\r\n"),
          "GET /" + std::string(9000, 'a'), "GET / HTTP/1.1\r\nX: " + std::string(9000, 'a') + "\r\n\r\n",
          std::string("GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")}) {
        HttpSession session(site);
        EXPECT_THAT(give(session, text), HasSubstr("400 Bad Request")) << text.substr(0, 40);
        EXPECT_TRUE(session.finished()) << text.substr(0, 40);
    }
    HttpSession session(site);
    EXPECT_THAT(give(session, "DELETE /hello HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 405"));
    // What a client of the Open Inference Protocol would send.
    HttpSession other(site);
    const std::string answer =
        give(other, "POST /v2/models/net/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 405 Method Not Allowed\r\nContent-Type: application/json\r\n"));
    EXPECT_THAT(answer, HasSubstr("Allow: GET, HEAD\r\n"));
    EXPECT_THAT(answer, HasSubstr("{\"error\":\"only GET and HEAD are answered here: an inference over HTTP"));
    EXPECT_TRUE(other.finished());
}

TEST(HttpSession, TellsTheSiteWhoAsks) {
    const auto ask = [](const std::string& header) {
        HttpSession session(site);
        return give(session, "GET /who HTTP/1.1\r\nHost: a\r\n" + header + "\r\n");
    };
    EXPECT_THAT(ask("Authorization: Bearer abc\r\n"), EndsWith("\r\n\r\nabc"));
    EXPECT_THAT(ask("authorization: Bearer abc\r\n"), EndsWith("\r\n\r\nabc"));
    for (const char* none : {"", "Authorization: Basic abc\r\n", "Authorization: Bearer\r\n", "Authorization: \r\n"}) {
        EXPECT_THAT(ask(none), StartsWith("HTTP/1.1 401 Unauthorized\r\n")) << none;
        EXPECT_THAT(ask(none), HasSubstr("WWW-Authenticate: Bearer\r\n")) << none;
    }
}

TEST(HttpSession, UpgradesToWebSocketWhereItIsAskedAsTheRfcSays) {
    const std::string good =
        "GET /v2/frames HTTP/1.1\r\nHost: flash.example:7400\r\nUpgrade: websocket\r\nConnection: keep-alive, "
        "Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const auto ask = [](const std::string& request, Upgrade upgrade, bool expected = false) {
        HttpSession session(site, upgrade);
        std::string answer = give(session, request);
        EXPECT_EQ(session.upgraded(), expected) << request;
        EXPECT_NE(session.upgraded(), session.finished() || !answer.starts_with("HTTP/1.1 101")) << request;
        return answer;
    };
    const std::string answer = ask(good + "\r\n", Upgrade::kAnyPage, true);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 101 Switching Protocols\r\n"));
    EXPECT_THAT(answer, HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    ask(good + "Origin: https://evil.example\r\n\r\n", Upgrade::kAnyPage, true);
    // With a client certificate, which a browser shows whatever page asks.
    ask(good + "\r\n", Upgrade::kSameSite, true);
    ask(good + "Origin: https://flash.example:7400\r\n\r\n", Upgrade::kSameSite, true);
    for (const char* origin : {"https://evil.example", "http://flash.example:7400", "null", "https://flash.example"})
        EXPECT_THAT(ask(good + "Origin: " + origin + "\r\n\r\n", Upgrade::kSameSite), StartsWith("HTTP/1.1 403"))
            << origin;
    EXPECT_THAT(ask(good + "\r\n", Upgrade::kNobody), StartsWith("HTTP/1.1 404"));
    EXPECT_THAT(ask(good + "\r\n" + "early", Upgrade::kAnyPage), StartsWith("HTTP/1.1 400"));
    const auto changed = [&](const std::string& from, const std::string& to) {
        std::string request = good + "\r\n";
        request.replace(request.find(from), from.size(), to);
        return ask(request, Upgrade::kAnyPage);
    };
    EXPECT_THAT(changed("Version: 13", "Version: 8"), StartsWith("HTTP/1.1 426"));
    EXPECT_THAT(changed("Upgrade: websocket\r\n", ""), StartsWith("HTTP/1.1 426"));
    EXPECT_THAT(changed("keep-alive, Upgrade", "keep-alive"), StartsWith("HTTP/1.1 426"));
    EXPECT_THAT(changed("dGhlIHNhbXBsZSBub25jZQ==", "short=="), StartsWith("HTTP/1.1 400"));
}

TEST(HttpSession, EndsAfterItsRequests) {
    HttpSession session(site);
    for (int i = 0; i < HttpSession::kRequests; ++i) {
        EXPECT_FALSE(session.finished());
        EXPECT_THAT(give(session, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 200"));
    }
    EXPECT_TRUE(session.finished());
}

TEST(HttpSession, NoiseNeverHoldsMoreThanAHeader) {
    std::mt19937 random(5);
    for (int round = 0; round < 2000; ++round) {
        HttpSession session(site);
        std::string text = "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        for (int i = 0; i < 3; ++i) text[random() % text.size()] = static_cast<char>(random());
        for (int i = 0; i < 300 && !session.finished(); ++i) give(session, text);
        EXPECT_TRUE(session.finished()) << text;
    }
}

}  // namespace
}  // namespace flash::service
