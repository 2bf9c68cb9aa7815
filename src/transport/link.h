// Network links by two numbers, to be emulated (shaped.h) and to be printed beside measurements.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace flash::transport {

struct LinkModel {
    double bits_per_second = 0;     ///< of each direction
    double round_trip_seconds = 0;  ///< half of it each way
};

/// The two settings that papers on private inference measure with.
inline constexpr LinkModel kLan{3e9, 0.3e-3};
inline constexpr LinkModel kWan{400e6, 40e-3};

/// Reads "lan", "wan", "BANDWIDTH,RTT" such as "400M,40ms" (bits per second with k, M or G; us, ms or s), or "none",
/// which is no value. Throws Error(kInvalidArgument), also for a link slower than 1 kbit/s, faster than 1 Tbit/s or
/// with a round trip of more than a minute.
std::optional<LinkModel> parse_link(std::string_view text);

/// "3 Gbit/s, 0.3 ms"; "none" without a value.
std::string to_string(const std::optional<LinkModel>& link);

}  // namespace flash::transport
