// How many bits of a coefficient travel when a value is uploaded: as few as the noise bound of the layers that read it
// allows.
#pragma once

#include "model/model.h"
#include "packing/weight_energy.h"
#include "scheme/parameters.h"

namespace flash::packing {

/// The fewest upload bits with which the noise stays within the bound (scheme::phase_noise_limit); those of q if it
/// does not even then. weight_energy: packed_energy() of the layer that reads the upload.
int least_upload_bits(double weight_energy, int share_bits, const scheme::DirectRing& ring = scheme::kDirectRings[0]);

/// Lets every value travel with the fewest bits that each layer reading it can bear as it is packed. energies: as
/// weight_energies().
void choose_upload_bits(model::Architecture& architecture, const Energies& energies);
/// The same, and notes each layer's noise.
void choose_upload_bits(model::Architecture& architecture, model::SecretWeights& weights);

}  // namespace flash::packing
