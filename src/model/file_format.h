// The fixed header of a model file: magic, u32 version, u64 size of each section, SHA-256 of both; little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace flash::model {

inline constexpr char kFileMagic[8] = {'F', 'L', 'A', 'S', 'H', 'M', 'D', 'L'};
inline constexpr std::uint32_t kFileVersion = 3;
inline constexpr std::size_t kChecksumAt = 28, kFileHeaderBytes = 60;
inline constexpr std::uint64_t kMaxSectionBytes = std::numeric_limits<std::int32_t>::max();  ///< protobuf's own limit

}  // namespace flash::model
