#include "packing/upload_bits.h"

#include <algorithm>
#include <cmath>

#include "packing/plan.h"
#include "scheme/direct_noise.h"

namespace flash::packing {

int least_upload_bits(double weight_energy, int share_bits, const scheme::DirectRing& ring) {
    int bits = model::kMinUploadBits;
    while (bits < ring.modulus_bits &&
           scheme::phase_noise(weight_energy, bits, share_bits, ring) > scheme::phase_noise_limit(share_bits))
        ++bits;
    return bits;
}

void choose_upload_bits(model::Architecture& architecture, const Energies& energies) {
    std::vector<model::Layer>& layers = architecture.layers;
    std::vector<int> bits(layers.size(),
                          model::kMinUploadBits);  // of the values that some layer reads: the result is not uploaded
    const auto set = [&] {
        architecture.input_upload_bits = bits[0];
        for (std::size_t i = 0; i + 1 < layers.size(); ++i) layers[i].upload_bits = bits[i + 1];
    };
    set();
    // Where no packing is named, it depends on the bits as well: they grow until they are enough for the packing that
    // they lead to.
    for (bool enough = false; !enough;) {
        enough = true;
        const std::vector<Grid> grids = layer_grids(architecture);
        for (std::size_t i = 0; i < layers.size(); ++i) {
            const int least = least_upload_bits(packed_energy(energies[i], grids[i].channels_per_output),
                                                layers[i].share_bits, grids[i].ring());
            for (const model::Term& term : layers[i].terms) {
                int& value = bits[term.source];
                enough = enough && value >= least;
                value = std::max(value, least);
            }
        }
        set();
    }
}

void choose_upload_bits(model::Architecture& architecture, model::SecretWeights& weights) {
    const Energies energies = weight_energies(architecture, weights);
    choose_upload_bits(architecture, energies);
    const std::vector<Grid> grids = layer_grids(architecture);
    for (std::size_t i = 0; i < architecture.layers.size(); ++i) {
        const model::Layer& layer = architecture.layers[i];
        int fewest = model::kMaxUploadBits;
        for (const model::Term& term : layer.terms) fewest = std::min(fewest, architecture.upload_bits(term.source));
        weights.layers[i].noise_bits = std::log2(scheme::phase_noise(
            packed_energy(energies[i], grids[i].channels_per_output), fewest, layer.share_bits, grids[i].ring()));
    }
}

}  // namespace flash::packing
