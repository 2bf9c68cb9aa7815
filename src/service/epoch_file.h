// Where a server keeps the epoch of its model (protocol/epoch.h) from one start to the next. Public.
#pragma once

#include <filesystem>

#include "protocol/epoch.h"

namespace flash::service {

/// MODEL.epoch
std::filesystem::path epoch_file(const std::filesystem::path& model);

/// That of the file beside the model; none if there is no such file. rotate: begins a new one and writes it.
/// Error(kFile) for a file that holds something else.
protocol::Epoch epoch_of(const std::filesystem::path& model, bool rotate);

}  // namespace flash::service
