// Who is at the other end of a server's connection.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace flash::transport {

struct Peer {
    std::string name;         ///< "ADDR:PORT"
    std::string group;        ///< address_group of the address
    std::string certificate;  ///< common name of its client certificate, which has been checked; empty: none
    std::optional<std::chrono::system_clock::time_point> certificate_end;
};

}  // namespace flash::transport
