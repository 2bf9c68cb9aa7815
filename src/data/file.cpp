#include "data/file.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace flash::data {

std::vector<std::string> read_lines(const std::string& path, std::uint64_t max_bytes) {
    const std::vector<std::uint8_t> bytes = read_file(path, max_bytes);
    std::vector<std::string> lines;
    // The mark that some editors put in front of UTF-8 is no part of the first line.
    static constexpr std::uint8_t kMark[] = {0xef, 0xbb, 0xbf};
    const bool marked = bytes.size() >= 3 && std::equal(std::begin(kMark), std::end(kMark), bytes.begin());
    for (std::size_t start = marked ? 3 : 0; start < bytes.size();) {
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
