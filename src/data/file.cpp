#include "data/file.h"

#include <utility>

namespace flash::data {

std::vector<std::string> read_lines(const std::string& path, std::uint64_t max_bytes) {
    const std::vector<std::uint8_t> bytes = read_file(path, max_bytes);
    std::vector<std::string> lines;
    for (std::size_t start = 0; start < bytes.size();) {
        std::size_t end = start;
        while (end < bytes.size() && bytes[end] != '\n') ++end;
        std::string line(bytes.begin() + static_cast<std::ptrdiff_t>(start),
                         bytes.begin() + static_cast<std::ptrdiff_t>(end));
        if (!line.empty() && line.back() == '\r') line.pop_back();
        if (!line.empty()) lines.push_back(std::move(line));
        start = end + 1;
    }
    return lines;
}

}  // namespace flash::data
