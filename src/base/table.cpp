#include "base/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>

#include "base/error.h"

namespace flash {
namespace {

constexpr std::uint32_t kInvalid = 0xffffffff;
constexpr std::string_view kGap = "  ";

/// Reads one code point and advances; kInvalid (advancing by one byte) where the text is not well-formed UTF-8.
std::uint32_t next_code_point(std::string_view text, std::size_t& position) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const std::uint8_t first = byte(position);
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xc2 ? 0
                               : first < 0xe0 ? 2
                               : first < 0xf0 ? 3
                               : first < 0xf5 ? 4
                                              : 0;
    if (length == 0 || position + length > text.size()) {
        ++position;
        return kInvalid;
    }
    std::uint32_t code = length == 1 ? first : first & (0x7fU >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(position + i) & 0xc0) != 0x80) {
            ++position;
            return kInvalid;
        }
        code = code << 6 | (byte(position + i) & 0x3fU);
    }
    static constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < kSmallest[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
        ++position;
        return kInvalid;
    }
    position += length;
    return code;
}

bool within(std::uint32_t code, std::uint32_t first, std::uint32_t last) { return code >= first && code <= last; }

std::size_t width_of(std::uint32_t code) {
    if (within(code, 0x300, 0x36f) || within(code, 0x200b, 0x200f) || within(code, 0xfe00, 0xfe0f)) return 0;
    const bool wide = within(code, 0x1100, 0x115f) || within(code, 0x2e80, 0xa4cf) || within(code, 0xac00, 0xd7a3) ||
                      within(code, 0xf900, 0xfaff) || within(code, 0xfe30, 0xfe6f) || within(code, 0xff00, 0xff60) ||
                      within(code, 0x1f300, 0x1faff) || within(code, 0x20000, 0x3fffd);
    return wide ? 2 : 1;
}

/// C0 and C1 controls, and the characters that reverse the direction of writing.
bool is_control(std::uint32_t code) {
    return code < 0x20 || within(code, 0x7f, 0x9f) || within(code, 0x202a, 0x202e) || within(code, 0x2066, 0x2069);
}

}  // namespace

std::size_t display_width(std::string_view utf8) {
    std::size_t width = 0;
    for (std::size_t position = 0; position < utf8.size();) width += width_of(next_code_point(utf8, position));
    return width;
}

bool is_utf8(std::string_view text) {
    for (std::size_t position = 0; position < text.size();)
        if (next_code_point(text, position) == kInvalid) return false;
    return true;
}

std::string printable(std::string_view utf8) {
    std::string out;
    out.reserve(utf8.size());
    for (std::size_t position = 0; position < utf8.size();) {
        const std::size_t start = position;
        const std::uint32_t code = next_code_point(utf8, position);
        if (code == kInvalid || is_control(code)) {
            out += '?';
        } else {
            out += utf8.substr(start, position - start);
        }
    }
    return out;
}

std::string printable_lines(std::string_view utf8) {
    std::string out;
    for (std::size_t start = 0; start <= utf8.size();) {
        const std::size_t end = std::min(utf8.find('\n', start), utf8.size());
        if (start > 0) out += "\n  ";
        out += printable(utf8.substr(start, end - start));
        start = end + 1;
    }
    return out;
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
    require(!columns_.empty(), ErrorKind::kInternal, "a table needs a column");
    for (Column& column : columns_) column.header = printable(column.header);
}

void Table::add_row(std::vector<std::string> cells) {
    require(cells.size() <= columns_.size(), ErrorKind::kInternal, "a table row has more cells than there are columns");
    cells.resize(columns_.size());
    for (std::string& cell : cells) cell = printable(cell);
    rows_.push_back({std::move(cells)});
}

void Table::add_rule() { rows_.push_back({}); }

std::string Table::str() const {
    std::vector<std::size_t> widths;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
        std::size_t width = display_width(columns_[c].header);
        for (const Row& row : rows_) {
            if (!row.cells.empty()) width = std::max(width, display_width(row.cells[c]));
        }
        widths.push_back(width);
    }

    std::string out;
    const auto end_line = [&] {
        while (!out.empty() && out.back() == ' ') out.pop_back();
        out += '\n';
    };
    const auto put_cell = [&](std::size_t c, const std::string& cell) {
        const std::string padding(widths[c] - display_width(cell), ' ');
        if (c > 0) out += kGap;
        const bool right = columns_[c].align == Align::kRight;
        out.append(right ? padding : cell).append(right ? cell : padding);
    };
    const auto put_rule = [&] {
        for (std::size_t c = 0; c < columns_.size(); ++c) put_cell(c, std::string(widths[c], '-'));
        end_line();
    };

    for (std::size_t c = 0; c < columns_.size(); ++c) put_cell(c, columns_[c].header);
    end_line();
    put_rule();
    for (const Row& row : rows_) {
        if (row.cells.empty()) {
            put_rule();
            continue;
        }
        for (std::size_t c = 0; c < columns_.size(); ++c) put_cell(c, row.cells[c]);
        end_line();
    }
    return out;
}

std::string with_separators(long long value) {
    const std::string digits = fmt::format("{}", value);
    const std::size_t sign = value < 0 ? 1 : 0;
    std::string out;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i > sign && (digits.size() - i) % 3 == 0) out += ',';
        out += digits[i];
    }
    return out;
}

std::string human_bytes(double bytes) {
    static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    std::size_t unit = 0;
    while (std::abs(bytes) >= 999.5 && unit + 1 < std::size(kUnits)) {
        bytes /= 1024;
        ++unit;
    }
    if (unit == 0) return fmt::format("{:.0f} B", bytes);
    const int decimals = std::abs(bytes) < 9.995 ? 2 : std::abs(bytes) < 99.95 ? 1 : 0;
    return fmt::format("{:.{}f} {}", bytes, decimals, kUnits[unit]);
}

}  // namespace flash
