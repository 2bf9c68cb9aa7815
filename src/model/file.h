// The compiled model as one file: fixed header (magic "FLASHMDL", format version, section sizes, SHA-256 of all that
// follows), then two protobuf messages (proto/model.proto): the public architecture and the secret weights.
// See docs/formats.md. Nothing in a file is trusted: sizes are checked before allocation, then the checksum, then the
// content through validate().
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "model/architecture_wire.h"
#include "model/model.h"

namespace flash::model {

/// Deterministic bytes of the public half, as sent in the handshake.
std::vector<std::uint8_t> serialize(const Architecture& architecture);

/// SHA-256(public bytes, SHA-256(secret bytes including the salt)): names the model in the handshake and seeds the
/// public `a` polynomials. It commits to the weights without revealing anything about them.
Sha256 fingerprint(const Model& model);
/// Of the secret half.
Sha256 secret_digest(const Model& model);

/// Writes atomically (temporary file, fsync, rename): a full disk or a crash leaves an existing file as it was.
void save(const Model& model, const std::filesystem::path& path);
/// Error(kFile) with what is wrong (not a Flash model, newer version, truncated, checksum, content).
Model load(const std::filesystem::path& path);
Model parse(std::span<const std::uint8_t> bytes);
std::vector<std::uint8_t> serialize(const Model& model);

}  // namespace flash::model
