// The `a` halves of a prepared model in a file beside the model, so that a server starts without computing them again.
//
// A file belongs to one model under one plan: its header is a function of both, and is compared byte by byte before
// anything is allocated. docs/formats.md, "The cache of the a halves", has the layout. layer(a) for a public a is a
// system of linear equations in the weights: the file is as secret as the model, and is made readable by its owner
// only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/hash.h"
#include "model/architecture.h"
#include "packing/plan.h"

namespace flash::protocol {

/// layer(a) of every result polynomial, by layer: n words mod 2^32 each.
using AHalves = std::vector<std::vector<std::uint32_t>>;

/// What the cache of one model under one plan looks like.
struct CacheLayout {
    std::vector<std::uint8_t> header;  ///< its first bytes
    std::vector<std::size_t> words;    ///< of each layer, after the header and one after the other
    /// Header, words, checksum.
    std::uint64_t file_bytes() const;
};

/// plan: that of the architecture. fingerprint: of the model, weights included, or what
/// polynomial_seed makes of it in an epoch.
CacheLayout cache_layout(const model::Architecture& architecture, const packing::Plan& plan, const Sha256& fingerprint);

/// What was found in a file. Without halves, `problem` is a sentence that says why, or empty if there was no file.
struct CacheReading {
    bool used = false;
    AHalves halves;
    std::string problem;
    /// Whether the file may be overwritten: false for one that is no cache at all, so that a slip of the user costs no
    /// other file.
    bool replaceable = true;
};

/// Never throws because of the file. What it accepts is, up to a collision of SHA-256, what write_cache() was given
/// under the same layout.
CacheReading read_cache(const std::filesystem::path& path, const CacheLayout& layout);
/// The same for the bytes of a file.
CacheReading parse_cache(std::span<const std::uint8_t> bytes, const CacheLayout& layout);

/// halves: by layer, of the layout's sizes. Written atomically, mode 0600; Error(kFile) if that fails, the old file
/// then stays.
void write_cache(const std::filesystem::path& path, const CacheLayout& layout,
                 std::span<const std::span<const std::uint32_t>> halves);

}  // namespace flash::protocol
