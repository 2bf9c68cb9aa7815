#include "packing/choose_packing.h"

#include <algorithm>

#include "packing/group_packings.h"
#include "packing/upload_bits.h"
#include "scheme/direct_noise.h"

namespace flash::packing {
namespace {

using Group = std::vector<std::size_t>;

void set_choice(model::Architecture& architecture, const Group& group, const model::PackingChoice& choice) {
    for (std::size_t layer : group) architecture.layers[layer].packing = choice;
}

int& upload_bits(model::Architecture& architecture, int value) {
    return value == 0 ? architecture.input_upload_bits
                      : architecture.layers[static_cast<std::size_t>(value) - 1].upload_bits;
}

bool fits(const model::Architecture& architecture, const Energies& energies, const Group& group, const Grid& grid) {
    const scheme::DirectRing& ring = grid.ring();
    return std::ranges::all_of(group, [&](std::size_t layer) {
        const int share_bits = architecture.layers[layer].share_bits;
        return scheme::phase_noise(packed_energy(energies[layer], grid.channels_per_output), ring.modulus_bits,
                                   share_bits, ring) <= scheme::phase_noise_limit(share_bits);
    });
}

class Chooser {
public:
    Chooser(model::Architecture& architecture, const Energies& energies, bool small_ring)
        : architecture_(architecture),
          energies_(energies),
          small_ring_(small_ring),
          groups_(layer_groups(architecture)) {
        for (const Group& group : groups_) {
            const model::PackingChoice choice = choice_of(architecture, group);
            need_.push_back(needed_bits(group, grid_of(architecture, group, choice)));
        }
    }

    void run() {
        for (std::size_t g = 0; g < groups_.size(); ++g) {
            const Group& group = groups_[g];
            model::PackingChoice given = choice_of(architecture_, group);
            if (given.channels_per_input != 0) continue;
            if (std::ranges::all_of(group,
                                    [&](std::size_t layer) { return architecture_.layers[layer].packing.degree == 0; }))
                given.degree = 0;
            choose(g, given.degree);
        }
    }

private:
    /// The bits of each value that a group reads, of which each layer is content with its own part: by value, 0 where
    /// it is not read.
    std::vector<int> needed_bits(const Group& group, const Grid& grid) const {
        std::vector<int> bits(architecture_.layers.size(), 0);
        for (std::size_t layer : group) {
            const int least = least_upload_bits(packed_energy(energies_[layer], grid.channels_per_output),
                                                architecture_.layers[layer].share_bits, grid.ring());
            for (const model::Term& term : architecture_.layers[layer].terms) {
                int& value = bits[term.source];
                value = std::max(value, least);
            }
        }
        return bits;
    }

    /// Groups that read a value that group g reads, itself among them: they pay for its uploads' bits.
    std::vector<std::size_t> affected(std::size_t g) const {
        std::vector<std::size_t> found;
        for (std::size_t other = 0; other < groups_.size(); ++other)
            for (std::size_t value = 0; value < need_[g].size(); ++value)
                if (need_[g][value] != 0 && need_[other][value] != 0) {
                    found.push_back(other);
                    break;
                }
        return found;
    }

    /// Bytes of the affected groups, group g packed like this.
    std::uint64_t bytes(std::size_t g, const std::vector<std::size_t>& affected, const model::PackingChoice& choice,
                        const std::vector<int>& need) {
        set_choice(architecture_, groups_[g], choice);
        for (std::size_t value = 0; value < need.size(); ++value) {
            if (need[value] == 0) continue;
            int bits = std::max(need[value], model::kMinUploadBits);
            for (std::size_t other : affected)
                if (other != g) bits = std::max(bits, need_[other][value]);
            upload_bits(architecture_, static_cast<int>(value)) = bits;
        }
        std::uint64_t sum = 0;
        for (std::size_t other : affected)
            sum += packed_as(architecture_, groups_[other], choice_of(architecture_, groups_[other])).bytes();
        return sum;
    }

    void choose(std::size_t g, int degree) {
        const Group& group = groups_[g];
        std::vector<model::PackingChoice> ways;
        for (const GroupPacking& way : group_packings(architecture_, group)) {
            if (degree ? way.choice.degree != degree : !small_ring_ && way.choice.degree != model::kDefaultDegree)
                continue;
            ways.push_back(way.choice);
        }
        const auto too_noisy = [&](const model::PackingChoice& way) {
            return !noise_fits(architecture_, energies_, group, way);
        };
        std::erase_if(ways, too_noisy);
        if (ways.empty()) {
            // Fewer results in a polynomial than the uploads are worth.
            const Grid grid = grid_of(architecture_, group, {0, degree});
            const int blocks = grid.banded ? 1 : grid.degree / grid.spacing;
            for (int outputs = grid.channels_per_output; outputs >= 1 && ways.empty(); --outputs)
                if (const model::PackingChoice way{blocks / outputs, grid.degree}; !too_noisy(way)) ways.push_back(way);
            if (ways.empty()) return;
        }
        const std::vector<std::size_t> others = affected(g);
        std::uint64_t fewest = 0;
        model::PackingChoice best;
        std::vector<int> best_need;
        for (const model::PackingChoice& way : ways) {
            std::vector<int> need = needed_bits(group, grid_of(architecture_, group, way));
            const std::uint64_t sum = bytes(g, others, way, need);
            if (best_need.empty() || sum < fewest) {
                fewest = sum;
                best = way;
                best_need = std::move(need);
            }
        }
        need_[g] = best_need;
        bytes(g, others, best, best_need);
    }

    model::Architecture& architecture_;
    const Energies& energies_;
    const bool small_ring_;
    const std::vector<Group> groups_;
    std::vector<std::vector<int>> need_;  // of each group
};

}  // namespace

bool noise_fits(const model::Architecture& architecture, const Energies& energies,
                const std::vector<std::size_t>& group, const model::PackingChoice& choice) {
    return fits(architecture, energies, group, grid_of(architecture, group, choice));
}

void choose_packing(model::Architecture& architecture, const Energies& energies, bool small_ring) {
    choose_upload_bits(architecture, energies);
    Chooser(architecture, energies, small_ring).run();
    choose_upload_bits(architecture, energies);
}

void choose_packing(model::Architecture& architecture, model::SecretWeights& weights, bool small_ring) {
    choose_packing(architecture, weight_energies(architecture, weights), small_ring);
    choose_upload_bits(architecture, weights);
}

}  // namespace flash::packing
