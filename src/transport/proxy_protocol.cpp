#include "transport/proxy_protocol.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/error.h"

namespace flash::transport {

namespace {

constexpr std::array<std::uint8_t, 12> kSignature{'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};
constexpr std::uint8_t kLocal = 0x20, kProxied = 0x21;
constexpr std::uint8_t kTcp4 = 0x11, kTcp6 = 0x21;

[[noreturn]] void fail(const char* what) { throw Error(ErrorKind::kProtocol, std::string("PROXY protocol: ") + what); }

std::uint16_t big_endian(const std::uint8_t* at) { return static_cast<std::uint16_t>(at[0] << 8 | at[1]); }

}  // namespace

void ProxyHeader::took(std::size_t bytes) {
    require(bytes <= end_ - filled_, ErrorKind::kInternal, "more of a header than it was asked for");
    filled_ += bytes;
    if (filled_ < end_) return;
    if (end_ == kFixedBytes) read_fixed();
    if (filled_ == end_ && end_ > kFixedBytes) read_addresses();
}

void ProxyHeader::read_fixed() {
    if (!std::equal(kSignature.begin(), kSignature.end(), bytes_.begin())) fail("this is no header of version 2");
    if (bytes_[12] != kLocal && bytes_[12] != kProxied) fail("an unknown version or command");
    const std::size_t more = big_endian(&bytes_[14]);
    if (more > kMostBytes) fail("a header that is too long");
    const std::size_t addresses = bytes_[13] == kTcp4 ? 12 : bytes_[13] == kTcp6 ? 36 : 0;
    if (bytes_[12] == kProxied && (addresses == 0 || more < addresses)) fail("a connection that is not of TCP");
    end_ += more;
}

void ProxyHeader::read_addresses() {
    if (bytes_[12] != kProxied) return;
    const bool ipv6 = bytes_[13] == kTcp6;
    const std::uint8_t* const at = &bytes_[kFixedBytes];
    std::array<char, INET6_ADDRSTRLEN> text{};
    in6_addr address{};
    std::memcpy(&address, at, ipv6 ? 16 : 4);
    const bool mapped = ipv6 && IN6_IS_ADDR_V4MAPPED(&address);
    const void* const shown = mapped ? static_cast<const void*>(address.s6_addr + 12) : &address;
    ::inet_ntop(ipv6 && !mapped ? AF_INET6 : AF_INET, shown, text.data(), text.size());
    source_ = Address{text.data(), big_endian(at + (ipv6 ? 32 : 8))};
}

std::set<std::string> proxy_addresses(const std::vector<std::string>& given) {
    std::set<std::string> hosts;
    for (const std::string& text : given) {
        in6_addr address{};
        std::array<char, INET6_ADDRSTRLEN> written{};
        const int family = ::inet_pton(AF_INET, text.c_str(), &address) == 1 ? AF_INET : AF_INET6;
        if (family == AF_INET6 && ::inet_pton(AF_INET6, text.c_str(), &address) != 1)
            throw Error(ErrorKind::kInvalidArgument, "the address of a proxy is a numeric one, not '" + text + "'");
        hosts.insert(::inet_ntop(family, &address, written.data(), written.size()));
    }
    return hosts;
}

}  // namespace flash::transport
