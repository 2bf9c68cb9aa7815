// What a proxy says before anything else of a connection that it hands on: version 2 of the PROXY protocol, in binary.
// Only of proxies that the operator has named; anybody else could say anything.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "transport/address.h"

namespace flash::transport {

/// Takes a header in pieces, and not a byte of what follows.
class ProxyHeader {
public:
    /// Where its next bytes belong; empty once it is complete.
    std::span<std::uint8_t> wanted() { return std::span(bytes_).subspan(filled_, end_ - filled_); }
    /// So many of these have come. Error(kProtocol) if that is no such header.
    void took(std::size_t bytes);
    bool complete() const { return filled_ == end_; }
    /// Who has connected to the proxy, over TCP. Nothing where the proxy speaks for itself, as in a health check.
    const std::optional<Address>& source() const { return source_; }

    static constexpr std::size_t kFixedBytes = 16;
    /// Addresses and what a proxy may add to them.
    static constexpr std::size_t kMostBytes = 2048;

private:
    void read_fixed();
    void read_addresses();

    std::array<std::uint8_t, kFixedBytes + kMostBytes> bytes_{};
    std::size_t filled_ = 0, end_ = kFixedBytes;
    std::optional<Address> source_;
};

/// Numeric addresses as hosts of connections are written. Error(kInvalidArgument) for anything else.
std::set<std::string> proxy_addresses(const std::vector<std::string>& given);

}  // namespace flash::transport
