#include "transport/address_group.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <cstring>

namespace flash::transport {

std::string address_group(const std::string& host) {
    in6_addr address{};
    const std::string numeric = host.substr(0, host.find('%'));  // without the interface of a link-local address
    if (::inet_pton(AF_INET6, numeric.c_str(), &address) != 1) return host;
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (IN6_IS_ADDR_V4MAPPED(&address)) return ::inet_ntop(AF_INET, address.s6_addr + 12, text.data(), text.size());
    std::memset(address.s6_addr + 8, 0, 8);
    return std::string(::inet_ntop(AF_INET6, &address, text.data(), text.size())) + "/64";
}

}  // namespace flash::transport
