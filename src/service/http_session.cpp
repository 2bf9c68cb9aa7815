#include "service/http_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <string_view>
#include <utility>

#include "transport/web_socket.h"

namespace flash::service {

namespace http = boost::beast::http;

namespace {

constexpr const char* kOnlyQuestions =
    "only GET and HEAD are answered here: an inference over HTTP would not be private, flash infer asks for one";

const char* reason_of(int status) {
    switch (status) {
        case 200: return "OK";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 503: return "Service Unavailable";
        default: return "Error";
    }
}

/// As the Open Inference Protocol has it.
HttpAnswer refusal(int status, const char* sentence) {
    return {status, "application/json", fmt::format("{{\"error\":\"{}\"}}\n", sentence)};
}

SecretVector<char> bearer_of(const http::request<http::empty_body>& request) {
    constexpr std::string_view kScheme = "Bearer ";
    const auto value = request[http::field::authorization];
    const std::string_view text(value.data(), value.size());
    if (!text.starts_with(kScheme)) return {};
    SecretVector<char> token(text.size() - kScheme.size());
    std::ranges::copy(text.substr(kScheme.size()), token.data());
    return token;
}

}  // namespace

struct HttpSession::Parser {
    http::request_parser<http::empty_body> parser;
    Parser() {
        parser.header_limit(kHeaderBytes);
        parser.body_limit(0);
    }
};

HttpSession::HttpSession(HttpSite site, Upgrade upgrade)
    : site_(std::move(site)),
      upgrade_(upgrade),
      parser_(std::make_unique<Parser>()) {}
HttpSession::~HttpSession() = default;

std::vector<std::uint8_t> HttpSession::take(std::span<const std::uint8_t> bytes) {
    std::vector<std::uint8_t> out;
    unparsed_.insert(unparsed_.end(), bytes.begin(), bytes.end());
    has_more_ = false;
    while (!finished_ && !upgraded_ && out.empty() && !unparsed_.empty()) {
        boost::system::error_code error;
        const std::size_t used =
            parser_->parser.put(boost::asio::const_buffer(unparsed_.data(), unparsed_.size()), error);
        unparsed_.erase(unparsed_.begin(), unparsed_.begin() + static_cast<std::ptrdiff_t>(used));
        if (error == http::error::need_more && unparsed_.size() <= kHeaderBytes) break;
        // Questions have no bodies: one in pieces is not begun with. (The parser of Boost 1.74 fails an assertion where
        // the line of the last piece arrives without its end.)
        if (!error && parser_->parser.chunked()) error = http::error::body_limit;
        if (error) {
            finished_ = true;
            const bool asks = parser_->parser.get().method() == http::verb::get;
            put(out,
                error == http::error::body_limit && !asks ? refusal(405, kOnlyQuestions)
                                                          : refusal(400, "this is no request that is understood here"),
                true, false);
            break;
        }
        if (!parser_->parser.is_done()) continue;
        answer(out);
        has_more_ = !finished_ && !upgraded_ && !unparsed_.empty();
        parser_ = std::make_unique<Parser>();
    }
    // A client waits for the answer before it speaks another language.
    if (upgraded_ && !unparsed_.empty()) {
        upgraded_ = false;
        finished_ = true;
        out.clear();
        put(out, refusal(400, "wait for the answer to the upgrade"), true, false);
    }
    return out;
}

void HttpSession::answer(std::vector<std::uint8_t>& out) {
    const auto& request = parser_->parser.get();
    const bool keep_alive = request.keep_alive() && ++requests_ < kRequests;
    finished_ = !keep_alive;
    const bool head = request.method() == http::verb::head;
    if (!head && request.method() != http::verb::get) {
        put(out, refusal(405, kOnlyQuestions), true, keep_alive);
        return;
    }
    const std::string target(request.target());
    if (target == kWebSocketPath && upgrade_ != Upgrade::kNobody) {
        answer_upgrade(out);
        return;
    }
    put(out, site_({target.substr(0, target.find('?')), bearer_of(request)}), !head, keep_alive);
}

void HttpSession::answer_upgrade(std::vector<std::uint8_t>& out) {
    const auto& request = parser_->parser.get();
    const auto value = [&](auto name) {
        const auto text = request[name];
        return std::string_view(text.data(), text.size());
    };
    finished_ = true;  // unless it is let through
    const bool asks = request.method() == http::verb::get && request.version() == 11 && parser_->parser.upgrade() &&
                      boost::beast::iequals(request[http::field::upgrade], "websocket");
    if (!asks || value("Sec-WebSocket-Version") != "13") {
        static constexpr std::string_view kNeeds =
            "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Content-Length: 0\r\nConnection: close\r\n\r\n";
        out.insert(out.end(), kNeeds.begin(), kNeeds.end());
        return;
    }
    const std::string_view origin = value(http::field::origin), key = value("Sec-WebSocket-Key");
    if (upgrade_ == Upgrade::kSameSite && !origin.empty() &&
        origin != "https://" + std::string(value(http::field::host))) {
        put(out, refusal(403, "with a client certificate, only pages of this server may connect"), true, false);
        return;
    }
    if (!transport::is_web_socket_key(key)) {
        put(out, refusal(400, "Sec-WebSocket-Key is missing or malformed"), true, false);
        return;
    }
    const std::string text =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
        transport::web_socket_accept(key) + "\r\n\r\n";
    out.insert(out.end(), text.begin(), text.end());
    finished_ = false;
    upgraded_ = true;
}

void HttpSession::put(std::vector<std::uint8_t>& out, const HttpAnswer& answer, bool with_body, bool keep_alive) {
    const std::string text = fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n{}{}Connection: {}\r\n\r\n{}",
        answer.status, reason_of(answer.status), answer.type, answer.body.size(),
        answer.status == 401   ? "WWW-Authenticate: Bearer\r\n"
        : answer.status == 405 ? "Allow: GET, HEAD\r\n"
                               : "",
        answer.more_headers, keep_alive ? "keep-alive" : "close", with_body ? answer.body : std::string());
    out.insert(out.end(), text.begin(), text.end());
}

}  // namespace flash::service
