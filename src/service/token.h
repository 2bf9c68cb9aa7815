// Bearer tokens: what a client shows to be let in. A token is 256 random bits, so there is nothing in it to guess, and
// a server keeps its SHA-256 in place of it: who reads the server's files has no token.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "base/hash.h"
#include "base/secret.h"

namespace flash::service {

inline constexpr std::string_view kTokenPrefix = "flash-";
inline constexpr std::size_t kTokenDigits = 64;

/// "flash-" and 64 lower-case hexadecimal digits.
SecretVector<char> make_token();

/// Whether it has that form. A word that a person chose has not: its hash could be searched for.
bool is_token(std::span<const char> text);

/// What a server keeps.
Sha256 token_hash(std::span<const char> token);

/// The token of a file, which may end with a line break. Error(kFile) if it is none; warns if others may read it.
SecretVector<char> read_token(const std::filesystem::path& file);

}  // namespace flash::service
