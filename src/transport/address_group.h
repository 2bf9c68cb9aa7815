// Which addresses count as one peer where limits are per address.
#pragma once

#include <string>

namespace flash::transport {

/// An IPv4 address stands for itself, also where it is written as an IPv6 one (::ffff:192.0.2.1). An IPv6 address
/// stands for its /64: whoever has one of its addresses has all. What is no numeric address stands for itself.
std::string address_group(const std::string& host);

}  // namespace flash::transport
