// Results must not take the place of what they are made of.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

#include "base/error.h"

namespace flash {

/// To be asked before work begins. Error(kInvalidArgument) if `out` and `input` are one file, whatever they are called.
inline void require_other_file(const std::filesystem::path& out, const std::filesystem::path& input) {
    std::error_code absent;  // what is not there is not the same
    if (std::filesystem::is_regular_file(out, absent) && std::filesystem::equivalent(out, input, absent))
        throw Error(ErrorKind::kInvalidArgument,
                    out.string() + " is what this reads: it would be overwritten; choose another name for the result");
}

/// The same where `set` names a set of data that may be a file ("npy:FILE").
inline void require_other_than_set(const std::filesystem::path& out, const std::string& set) {
    if (set.starts_with("npy:")) require_other_file(out, set.substr(4));
}

}  // namespace flash
