// From the library's own types to those of the public headers.
#pragma once

#include "base/hash.h"
#include "flash/model.h"
#include "model/architecture.h"
#include "protocol/cost.h"

namespace flash::api {

Shape3 shape_of(const model::Shape& shape);
PictureRule rule_of(const model::Preprocessing& how);
model::Preprocessing preprocessing_of(const PictureRule& rule);

/// All of a model that has been planned.
ModelInfo info_of(const model::Architecture& architecture, const Sha256& fingerprint,
                  const protocol::InferenceCost& cost);

/// Error(kInvalidArgument) unless there are as many values as the model takes, all of them finite.
void check_input(const ModelInfo& model, std::span<const float> input);

}  // namespace flash::api
