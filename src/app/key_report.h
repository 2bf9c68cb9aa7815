// Keys of the linear layers: what a model's cost, and what one that trusts the server gives up.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "model/model.h"
#include "planner/key_bytes.h"

namespace flash::app {

/// What a model with one key for all depths promises its clients.
inline constexpr const char* kTrusting =
    "private from a server that follows the protocol only (semi-honest, and assuming circular security)";

/// A line of the plan: the number of keys, and the bytes of the other kind.
std::string keys_text(const model::Model& model, const planner::KeyBytes& bytes);
nlohmann::json keys_json(const model::Model& model, const planner::KeyBytes& bytes);

/// What the compiler says where keys of their own for every depth take more than kDearKeys of all bytes; empty if they
/// do not, or if the model has one key for all.
std::string keys_hint(const model::Model& model, const planner::KeyBytes& bytes);
inline constexpr double kDearKeys = 0.1;

}  // namespace flash::app
