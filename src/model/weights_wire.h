// The secret half of a model file as protobuf messages. The int8 weights, nearly all of the bytes, go past the
// messages: they are read into their vector and written from it, so that a layer is in memory once.
#pragma once

#include <google/protobuf/io/coded_stream.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/model.h"

namespace flash::model {

/// Gets the bytes of a message one piece after the other.
using ByteSink = std::function<void(std::span<const std::uint8_t>)>;
/// A layer, and the salt, as fields of SecretWeights. All layers and then the salt are the message as protobuf itself
/// writes it.
void write_layer(const LayerWeights& layer, const ByteSink& sink);
void write_salt(std::span<const std::uint8_t> salt, const ByteSink& sink);

/// Reads fields of SecretWeights until a layer has been read. False at the end of the message; Error(kFile) on anything
/// malformed. salt: set where it is met.
bool read_layer(google::protobuf::io::CodedInputStream& in, LayerWeights& layer, std::vector<std::uint8_t>& salt);

}  // namespace flash::model
