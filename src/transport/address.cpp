#include "transport/address.h"

#include <charconv>

#include "base/error.h"

namespace flash::transport {

namespace {

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
    std::string shown;
    for (const char c : text.substr(0, 100)) shown += c >= 0x20 && c < 0x7f ? c : '?';
    throw Error(ErrorKind::kInvalidArgument, "bad address \"" + shown + "\": " + why +
                                                 "; write HOST:PORT, [IPV6]:PORT or :PORT, e.g. 127.0.0.1:7700");
}

std::uint16_t parse_port(std::string_view text, std::string_view port) {
    if (port.empty()) refuse(text, "the port is missing");
    unsigned value = 0;
    const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), value);
    if (code == std::errc::invalid_argument || end != port.data() + port.size())
        refuse(text, "the port is not a number");
    if (code != std::errc{} || value > 65535) refuse(text, "the port must be at most 65535");
    return static_cast<std::uint16_t>(value);
}

}  // namespace

Address parse_address(std::string_view text) {
    if (text.empty()) refuse(text, "it is empty");
    if (text.find("://") != std::string_view::npos)
        refuse(text, "it is a URL; leave out what stands before the host, and any path");
    std::string_view host;
    std::string_view rest;
    if (text.front() == '[') {
        const auto close = text.find(']');
        if (close == std::string_view::npos) refuse(text, "the closing bracket is missing");
        host = text.substr(1, close - 1);
        rest = text.substr(close + 1);
        if (host.find(':') == std::string_view::npos) refuse(text, "brackets are for IPv6 addresses");
        if (rest.empty() || rest.front() != ':') refuse(text, "the port is missing");
    } else {
        const auto colon = text.find(':');
        if (colon == std::string_view::npos) refuse(text, "the port is missing");
        if (text.find(':', colon + 1) != std::string_view::npos) refuse(text, "an IPv6 address needs brackets");
        host = text.substr(0, colon);
        rest = text.substr(colon);
    }
    for (const char c : host) {
        if (c <= 0x20 || c >= 0x7f || c == '/' || c == '@')
            refuse(text, "the host name has a character it cannot have");
    }
    if (host.size() > 253) refuse(text, "the host name is too long");
    return {std::string(host), parse_port(text, rest.substr(1))};
}

std::string to_string(const Address& address) {
    const bool ipv6 = address.host.find(':') != std::string::npos;
    return (ipv6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

}  // namespace flash::transport
