#include "compiler/rings.h"

#include <algorithm>

#include "compiler/noise.h"
#include "packing/alternatives.h"

namespace flash::compiler {
namespace {

constexpr int kSmallDegree = 1024;

using Group = std::vector<std::size_t>;

void set_choice(model::Architecture& architecture, const Group& group, const model::PackingChoice& choice) {
    for (std::size_t layer : group) architecture.layers[layer].packing = choice;
}

bool reads(const model::Architecture& architecture, const Group& group, int value) {
    return std::ranges::any_of(group, [&](std::size_t layer) {
        return std::ranges::any_of(architecture.layers[layer].terms, [&](const model::Term& term) { return term.source == value; });
    });
}

/// Groups that upload a value of this one, itself among them: those whose uploads its ring makes finer.
std::vector<Group> affected(const model::Architecture& architecture, const std::vector<Group>& groups, const Group& group) {
    std::vector<Group> found;
    for (const Group& other : groups)
        if (std::ranges::any_of(group, [&](std::size_t layer) {
                return std::ranges::any_of(architecture.layers[layer].terms, [&](const model::Term& term) { return reads(architecture, other, term.source); });
            }))
            found.push_back(other);
    return found;
}

std::uint64_t bytes_of(const model::Architecture& architecture, const std::vector<Group>& groups) {
    std::uint64_t bytes = 0;
    for (const Group& group : groups) bytes += packing::packed_as(architecture, group, packing::choice_of(architecture, group)).bytes();
    return bytes;
}

}  // namespace

bool fits_ring(const model::Architecture& architecture, const std::vector<double>& energies, const std::vector<std::size_t>& group, int degree) {
    const scheme::DirectRing& ring = scheme::direct_ring(static_cast<std::size_t>(degree));
    return std::ranges::all_of(group, [&](std::size_t layer) {
        const int share_bits = architecture.layers[layer].share_bits;
        return phase_noise(energies[layer], ring.modulus_bits, share_bits, ring) <= phase_noise_limit(share_bits);
    });
}

void choose_rings(model::Architecture& architecture, model::SecretWeights& weights) {
    const std::vector<double> energies = weight_energies(architecture, weights);
    const std::vector<Group> groups = packing::layer_groups(architecture);
    for (const Group& group : groups) {
        const bool open = std::ranges::all_of(group, [&](std::size_t layer) { return architecture.layers[layer].packing == model::PackingChoice{}; });
        if (!open || !fits_ring(architecture, energies, group, kSmallDegree)) continue;
        const std::vector<Group> all = affected(architecture, groups, group);
        choose_upload_bits(architecture, energies);
        const std::uint64_t before = bytes_of(architecture, all);
        // In the small ring, with the upload bits that it needs.
        set_choice(architecture, group, {0, kSmallDegree});
        choose_upload_bits(architecture, energies);
        std::vector<packing::Alternative> ways = packing::alternatives(architecture, group);
        std::erase_if(ways, [](const packing::Alternative& way) { return way.choice.degree != kSmallDegree; });
        if (!ways.empty()) set_choice(architecture, group, std::ranges::min_element(ways, {}, &packing::Alternative::bytes)->choice);
        if (ways.empty() || bytes_of(architecture, all) >= before) set_choice(architecture, group, {});
    }
    choose_upload_bits(architecture, weights);
}

}  // namespace flash::compiler
