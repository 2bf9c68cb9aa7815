// Which ring the linear layers of a model are in: the small one sends less, and has less room for noise.
#pragma once

#include <vector>

#include "model/model.h"

namespace flash::compiler {

/// Whether the noise of every layer of a group (one of packing::layer_groups()) stays within its bound in the ring of this degree, with
/// uploads as fine as q. energies: as weight_energies().
bool fits_ring(const model::Architecture& architecture, const std::vector<double>& energies, const std::vector<std::size_t>& group, int degree);

/// Puts every group that names no packing in the small ring, with the packing that sends the fewest bytes there, where it fits and
/// sends fewer than in the default ring; then choose_upload_bits().
void choose_rings(model::Architecture& architecture, model::SecretWeights& weights);

}  // namespace flash::compiler
