// Network addresses as users write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace flash::transport {

struct Address {
    std::string host;  ///< name or numeric address, without brackets; empty in ":PORT"
    std::uint16_t port = 0;
};

/// Reads "HOST:PORT", "192.0.2.1:PORT", "[2001:db8::1]:PORT" or ":PORT" (every local address when listening, this
/// machine when connecting). Port 0 asks for a free one when listening. Throws Error(kInvalidArgument).
Address parse_address(std::string_view text);

/// The inverse: brackets around an IPv6 address.
std::string to_string(const Address& address);

}  // namespace flash::transport
