// Text that JavaScript's JSON.parse reads, of what the exports give out.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <string>
#include <string_view>

namespace flash::web {

/// `text` has to be UTF-8.
inline std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            (out += '\\') += c;
        else if (static_cast<unsigned char>(c) < 0x20)
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else
            out += c;
    }
    return out + '"';
}

inline std::string number(double value) { return std::isfinite(value) ? fmt::format("{}", value) : "null"; }

/// Of what `item` makes of each.
template <class Range, class Item>
std::string array(const Range& range, const Item& item) {
    std::string out = "[";
    for (const auto& element : range) (out += out.size() > 1 ? "," : "") += item(element);
    return out + ']';
}

}  // namespace flash::web
