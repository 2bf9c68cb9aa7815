#include "service/http_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <string_view>
#include <utility>

namespace flash::service {

namespace http = boost::beast::http;

namespace {

const char* reason_of(int status) {
    switch (status) {
        case 200: return "OK";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 503: return "Service Unavailable";
        default: return "Error";
    }
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

HttpSession::HttpSession(HttpSite site) : site_(std::move(site)), parser_(std::make_unique<Parser>()) {}
HttpSession::~HttpSession() = default;

std::vector<std::uint8_t> HttpSession::take(std::span<const std::uint8_t> bytes) {
    std::vector<std::uint8_t> out;
    unparsed_.insert(unparsed_.end(), bytes.begin(), bytes.end());
    while (!finished_ && !unparsed_.empty()) {
        boost::system::error_code error;
        const std::size_t used =
            parser_->parser.put(boost::asio::const_buffer(unparsed_.data(), unparsed_.size()), error);
        unparsed_.erase(unparsed_.begin(), unparsed_.begin() + static_cast<std::ptrdiff_t>(used));
        if (error == http::error::need_more && unparsed_.size() <= kHeaderBytes) break;
        if (error) {
            finished_ = true;
            put(out, {400, "text/plain", "this is no request that is understood here\n"}, true, false);
            break;
        }
        if (!parser_->parser.is_done()) continue;
        answer(out);
        parser_ = std::make_unique<Parser>();
    }
    return out;
}

void HttpSession::answer(std::vector<std::uint8_t>& out) {
    const auto& request = parser_->parser.get();
    const bool keep_alive = request.keep_alive() && ++requests_ < kRequests;
    finished_ = !keep_alive;
    const bool head = request.method() == http::verb::head;
    if (!head && request.method() != http::verb::get) {
        put(out, {405, "text/plain", "only GET and HEAD are answered here\n"}, true, keep_alive);
        return;
    }
    const std::string target(request.target());
    put(out, site_({target.substr(0, target.find('?')), bearer_of(request)}), !head, keep_alive);
}

void HttpSession::put(std::vector<std::uint8_t>& out, const HttpAnswer& answer, bool with_body, bool keep_alive) {
    const std::string text = fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n{}Connection: {}\r\n\r\n{}",
        answer.status, reason_of(answer.status), answer.type, answer.body.size(),
        answer.status == 401 ? "WWW-Authenticate: Bearer\r\n" : "", keep_alive ? "keep-alive" : "close",
        with_body ? answer.body : std::string());
    out.insert(out.end(), text.begin(), text.end());
}

}  // namespace flash::service
