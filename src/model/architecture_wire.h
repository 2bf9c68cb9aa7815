// The public half of a model as a client gets it: bytes that another party wrote (proto/model.proto).
#pragma once

#include <cstdint>
#include <span>

#include "base/hash.h"
#include "model/architecture.h"

namespace flash::model {

/// Parses and validates; Error(kProtocol) on anything malformed.
Architecture parse_architecture(std::span<const std::uint8_t> bytes);

/// Of a model's two parts, for a client that recomputes the fingerprint from what the server sent: model/file.h says
/// what it is.
Sha256 fingerprint(std::span<const std::uint8_t> architecture_bytes, const Sha256& secret_digest);

}  // namespace flash::model
