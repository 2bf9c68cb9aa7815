#include "transport/refusal.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace flash::transport {

namespace {

constexpr std::string_view kBefore = "; retry after ", kAfter = " s", kDenied = "access denied: ";

}  // namespace

std::string come_again(const std::string& sentence, std::chrono::seconds retry_after) {
    return sentence + std::string(kBefore) + std::to_string(retry_after.count()) + std::string(kAfter);
}

std::string busy(std::string_view reason, std::chrono::seconds retry_after) {
    return come_again("the server is busy: " + std::string(reason), retry_after);
}

std::string denied(const std::string& why) { return std::string(kDenied) + why; }

bool is_denied(std::string_view sentence) { return sentence.find(kDenied) != std::string_view::npos; }

std::optional<std::chrono::seconds> retry_after(std::string_view sentence) {
    const std::size_t before = sentence.rfind(kBefore);
    if (before == std::string_view::npos || !sentence.ends_with(kAfter)) return std::nullopt;
    std::string_view digits = sentence.substr(before + kBefore.size());
    digits.remove_suffix(std::min(kAfter.size(), digits.size()));
    std::uint32_t seconds = 0;  // a peer's number: whatever it is, it fits a duration
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return std::chrono::seconds(seconds);
}

}  // namespace flash::transport
