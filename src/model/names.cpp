#include "model/names.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/table.h"
#include "model/architecture.h"

namespace flash::model {

std::string fault_of_name(std::string_view name) {
    if (name.size() > kMaxNameBytes)
        return fmt::format("it has {} bytes; at most {} are allowed", name.size(), kMaxNameBytes);
    return is_utf8(name) ? std::string() : "it is not UTF-8";
}

void check_name(std::string_view name, std::string_view what) {
    const std::string fault = fault_of_name(name);
    if (!fault.empty()) throw Error(ErrorKind::kInvalidArgument, fmt::format("{} cannot be a name: {}", what, fault));
}

}  // namespace flash::model
