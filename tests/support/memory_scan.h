// Looks for secrets in the memory of this process.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace flash {

/// A byte string kept only in inverted form, so that the scan does not find the needle itself.
class Needle {
public:
    template <class Range>
    explicit Needle(const Range& range) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(range.data());
        for (std::size_t i = 0; i < 48; ++i) inverted_.push_back(static_cast<std::uint8_t>(~bytes[i]));
    }
    std::size_t count(std::span<const std::uint8_t> memory) const {
        std::size_t found = 0;
        auto at = memory.begin();
        const auto equal = [](std::uint8_t a, std::uint8_t b) { return a == static_cast<std::uint8_t>(~b); };
        while ((at = std::search(at, memory.end(), inverted_.begin(), inverted_.end(), equal)) != memory.end()) {
            ++found;
            ++at;
        }
        return found;
    }

private:
    std::vector<std::uint8_t> inverted_;
};

/// Occurrences in all writable memory of this process (heap, stacks, globals), read through the kernel.
inline std::size_t scan(const Needle& needle) {
    std::size_t found = 0;
    const int memory = ::open("/proc/self/mem", O_RDONLY);
    std::ifstream maps("/proc/self/maps");
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
    for (std::string line; std::getline(maps, line);) {
        // "BEGIN-END rw-p ..."
        std::uint64_t begin = 0, end = 0;
        const char* const last = line.data() + line.size();
        const auto first = std::from_chars(line.data(), last, begin, 16);
        if (first.ec != std::errc() || first.ptr == last) continue;
        const auto second = std::from_chars(first.ptr + 1, last, end, 16);
        if (second.ec == std::errc() && std::string_view(second.ptr, last).starts_with(" rw"))
            ranges.emplace_back(begin, end);
    }
    // One static buffer that is cleared after each use: it must not become a place where the secret is found.
    static std::vector<std::uint8_t> buffer(std::size_t{1} << 22);
    const auto own_begin = reinterpret_cast<std::uint64_t>(buffer.data()), own_end = own_begin + buffer.size();
    for (auto [begin, end] : ranges)
        for (std::uint64_t at = begin; at < end; at += buffer.size() - 64) {
            const std::uint64_t size = std::min<std::uint64_t>(buffer.size(), end - at);
            if (at < own_end &&
                at + size > own_begin) {  // the mapping that holds the buffer: look at what lies around it
                if (at < own_begin) {
                    const ssize_t got = ::pread(memory, buffer.data(), own_begin - at, static_cast<off_t>(at));
                    if (got > 0) found += needle.count({buffer.data(), static_cast<std::size_t>(got)});
                }
                if (at + size > own_end) {
                    const ssize_t got =
                        ::pread(memory, buffer.data(), at + size - own_end, static_cast<off_t>(own_end));
                    if (got > 0) found += needle.count({buffer.data(), static_cast<std::size_t>(got)});
                }
            } else {
                const ssize_t got = ::pread(memory, buffer.data(), size, static_cast<off_t>(at));
                if (got > 0) found += needle.count({buffer.data(), static_cast<std::size_t>(got)});
            }
            std::fill(buffer.begin(), buffer.end(), std::uint8_t{0});
        }
    ::close(memory);
    return found;
}

}  // namespace flash
