// What a command has to say beside its results.
#pragma once

#include <string_view>

namespace flash::app {

/// A line on standard error: "flash: warning: ...". Where that cannot be written to, nothing happens.
void warn(std::string_view sentence);

}  // namespace flash::app
