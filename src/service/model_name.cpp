#include "service/model_name.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace flash::service {

bool is_model_name(std::string_view text) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == '-';
    };
    return !text.empty() && text.size() <= 63 && text.front() != '.' && std::ranges::all_of(text, allowed);
}

ModelName parse_model_name(std::string_view text) {
    const std::size_t slash = text.find('/');
    const std::string_view name = text.substr(0, slash);
    require(is_model_name(name), ErrorKind::kInvalidArgument,
            "a model is named NAME or NAME/VERSION, of letters, digits, '.', '_' and '-'");
    ModelName result{std::string(name), std::nullopt};
    if (slash == std::string_view::npos) return result;
    const std::string_view digits = text.substr(slash + 1);
    std::uint32_t version = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), version);
    require(error == std::errc{} && end == digits.data() + digits.size(), ErrorKind::kInvalidArgument,
            "the version of a model is a whole number, as in NAME/3");
    result.version = version;
    return result;
}

std::string to_string(const std::string& name, std::uint32_t version) {
    return version == 0 ? name : name + "/" + std::to_string(version);
}

}  // namespace flash::service
