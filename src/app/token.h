// `flash token`: makes a client's token.
#pragma once

#include <filesystem>

namespace flash::app {

/// Writes a new token to a new file, readable by its owner only, and prints the hash that the server's access list
/// needs. Error(kFile) if the file is there already: it may be somebody's token.
void run_token(const std::filesystem::path& file);

}  // namespace flash::app
