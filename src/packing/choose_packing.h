// How the layers of a model are packed and in which ring: what sends the fewest bytes while the noise stays within its
// bound.
#pragma once

#include <vector>

#include "model/model.h"
#include "packing/weight_energy.h"

namespace flash::packing {

/// Whether the noise of every layer of a group (one of layer_groups()) stays within its bound under a choice,
/// with uploads as fine as q. More results in a polynomial mean more noise, and the small ring has 64 times as large
/// errors.
bool noise_fits(const model::Architecture& architecture, const Energies& energies,
                const std::vector<std::size_t>& group, const model::PackingChoice& choice);

/// Fixes the packing of every group that does not name its channels per input: of the choices whose noise fits (in the
/// ring that is named, if one is; in the large one only without small_ring), the one that sends the fewest bytes with
/// the upload bits that it takes. Then choose_upload_bits(). A group that fits nowhere keeps what it has.
void choose_packing(model::Architecture& architecture, model::SecretWeights& weights, bool small_ring = true);
/// The same without a note of each layer's noise. energies: as weight_energies().
void choose_packing(model::Architecture& architecture, const Energies& energies, bool small_ring = true);

}  // namespace flash::packing
