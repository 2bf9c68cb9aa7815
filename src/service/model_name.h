// What models are called: NAME, or NAME/VERSION.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flash::service {

struct ModelName {
    std::string name;
    std::optional<std::uint32_t> version;  ///< none: the highest
};

/// Letters, digits, '.', '_' and '-', not '.' first, at most 63: shorter than a fingerprint, safe in paths and metrics.
bool is_model_name(std::string_view text);

/// Error(kInvalidArgument) if it is no reference.
ModelName parse_model_name(std::string_view text);

/// "name/3"; "name" for version 0, which is that of a file without one.
std::string to_string(const std::string& name, std::uint32_t version);

}  // namespace flash::service
