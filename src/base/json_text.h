// JSON of names that come from elsewhere.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace flash {

/// The text of a JSON value, in lines with `indent` blanks or in one (-1). Names of files need not be UTF-8: what is
/// not becomes U+FFFD, where dump() alone would throw once all the work is done.
template <class Json>
std::string json_text(const Json& json, int indent = -1) {
    return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace flash
