#include "app/warning.h"

#include <fmt/format.h>

#include <cstdio>

#include "base/table.h"

namespace flash::app {

void warn(std::string_view sentence) {
    std::fputs(fmt::format("flash: warning: {}\n", printable_lines(sentence)).c_str(), stderr);
}

}  // namespace flash::app
