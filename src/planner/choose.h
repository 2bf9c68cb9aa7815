// Which packing takes the least time: for every group of layers that share uploads, what each choice costs over a given
// link.
#pragma once

#include <cstdint>
#include <vector>

#include "model/architecture.h"
#include "packing/weight_energy.h"
#include "planner/rates.h"
#include "planner/time_model.h"

namespace flash::planner {

/// One way to pack the layers of a group, and the time that it takes.
struct TimedPacking {
    model::PackingChoice packing;
    int channels_per_output = 0;  ///< g2
    double seconds = 0;           ///< of a whole inference, all other groups packed by default
    std::uint64_t bytes = 0;      ///< both ways, of the group's layers
};

struct GroupChoice {
    std::vector<int> layers;                 ///< those that share an upload, directly or through others
    std::vector<TimedPacking> alternatives;  ///< by increasing time; fewer bytes first where the times are the same
};

/// The alternatives of every group, in the order of the groups' first layers. Layers whose packing is fixed already are
/// looked at as if it were not. energies: of the weights (packing::weight_energies), which decide in which packings the
/// noise fits and how many bits uploads then have. Without them every group stays in the ring in which it is, with the
/// upload bits that are there. The packing of a group of large maps leaves no choice: it has one alternative for each
/// ring.
std::vector<GroupChoice> alternatives(const model::Architecture& architecture, const Rates& rates,
                                      const Setting& setting, const packing::Energies* energies = nullptr);

/// Fixes the packing of every layer: of each group, the alternative that comes first. Where energies were
/// given, packing::choose_upload_bits() then belongs to it.
void fix_packing(const std::vector<GroupChoice>& choices, model::Architecture& architecture);

}  // namespace flash::planner
