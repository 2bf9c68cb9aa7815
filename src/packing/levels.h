// Depths of the keys of the linear layers. A layer is one deeper than the deepest value that it reads. Its uploads and
// results are under keys of its depth, and every value that it reads is shallower: so nothing that a server makes of
// the responses under a key is ever encrypted under the same key, whatever it answers (docs/security.md).
#pragma once

#include <vector>

#include "packing/plan.h"

namespace flash::packing {

/// Whether an architecture's keys have levels: everywhere but where a model asks its clients to trust the server
/// (Architecture::trust_server).
bool keys_have_levels(const model::Architecture& architecture);

/// Depth of the keys of each layer: its own (model::value_depths), or scheme::kAllDepths where keys have none.
std::vector<int> key_depths(const model::Architecture& architecture);

/// Checks a finished plan, whatever it was made from: every stream that a layer reads has the layer's depth, and a
/// source that is shallower. Error(kInternal) if not.
void check_levels(const model::Architecture& architecture, const Plan& plan);

}  // namespace flash::packing
