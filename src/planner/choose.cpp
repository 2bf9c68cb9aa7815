#include "planner/choose.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "packing/choose_packing.h"
#include "packing/plan.h"
#include "packing/upload_bits.h"
#include "planner/work.h"
#include "protocol/cost.h"

namespace flash::planner {

namespace {

constexpr double kRange = 4;                 // g2 that is looked at: from a quarter of the default to four times it
constexpr std::size_t kMostCandidates = 12;  // of a group
constexpr double kSameTime = 1e-3;           // relative; times closer than that are the same

/// Packings in one ring that are worth looking at, the default's first: the largest g1 for each g2, evenly spread (by
/// ratio) where there are many.
std::vector<model::PackingChoice> candidates(const packing::Grid& grid) {
    std::vector<model::PackingChoice> list{{grid.channels_per_input, grid.degree}};
    if (grid.banded) return list;
    const int blocks = grid.degree / grid.spacing;
    const double low = std::max(1.0, grid.channels_per_output / kRange),
                 high = std::min<double>(blocks, grid.channels_per_output * kRange);
    std::set<int> found;
    for (std::size_t i = 0; i < kMostCandidates; ++i) {
        const double g2 = std::round(low * std::pow(high / low, static_cast<double>(i) / (kMostCandidates - 1)));
        found.insert(blocks / static_cast<int>(g2));
    }
    for (int g1 : found)
        if (g1 != grid.channels_per_input && g1 >= 1) list.push_back({g1, grid.degree});
    return list;
}

/// A ring beside its own in which the maps of a group have room; 0 if there is none.
int other_degree(const model::Architecture& architecture, const std::vector<std::size_t>& group, int own) {
    for (int degree : model::kDegrees) {
        if (degree == own) continue;
        try {
            packing::grid_of(architecture, group, {0, degree});
            return degree;
        } catch (const Error& error) {  // a row is too long
            if (error.kind() != ErrorKind::kUnsupported) throw;
        }
    }
    return 0;
}

struct Planned {
    packing::Plan plan;
    protocol::InferenceCost cost;
    std::vector<LayerWork> work;

    Planned(const model::Architecture& architecture, const Rates& rates)
        : plan(packing::make_plan(architecture)),
          cost(protocol::cost_of(architecture, plan)),
          work(network_work(architecture, plan, cost, rates)) {}
};

}  // namespace

std::vector<GroupChoice> alternatives(const model::Architecture& architecture, const Rates& rates,
                                      const Setting& setting, const packing::Energies* energies) {
    const auto groups = packing::layer_groups(architecture);
    const auto settled = [&](model::Architecture changed) {
        if (energies) packing::choose_upload_bits(changed, *energies);
        return changed;
    };
    const auto set = [](model::Architecture& a, const std::vector<std::size_t>& group,
                        const model::PackingChoice& packing) {
        for (std::size_t l : group) a.layers[l].packing = packing;
    };
    model::Architecture free = architecture;
    for (const auto& group : groups) set(free, group, {0, packing::choice_of(architecture, group).degree});
    const Planned standard(settled(free), rates);
    std::vector<std::vector<model::PackingChoice>> lists;
    std::size_t rounds = 0;
    for (const auto& group : groups) {
        const packing::Grid& grid = standard.plan.layers[group.front()].grid;
        std::vector<model::PackingChoice>& list = lists.emplace_back(candidates(grid));
        if (energies) {
            if (const int degree = other_degree(free, group, grid.degree))
                std::ranges::copy(candidates(packing::grid_of(free, group, {0, degree})), std::back_inserter(list));
            std::erase_if(list, [&](const model::PackingChoice& choice) {
                return !packing::noise_fits(architecture, *energies, group, choice);
            });
            if (list.empty()) list.push_back(packing::choice_of(architecture, group));  // as it is
        }
        rounds = std::max(rounds, list.size());
    }
    std::vector<GroupChoice> choices(groups.size());
    // One plan tries a candidate of every group.
    for (std::size_t round = 0; round < rounds; ++round) {
        model::Architecture tried = free;
        for (std::size_t g = 0; g < groups.size(); ++g)
            set(tried, groups[g], lists[g][std::min(round, lists[g].size() - 1)]);
        const Planned planned(settled(tried), rates);
        for (std::size_t g = 0; g < groups.size(); ++g) {
            if (round >= lists[g].size()) continue;
            std::vector<LayerWork> work = standard.work;
            TimedPacking alternative;
            for (std::size_t at : groups[g]) {
                work[at] = planned.work[at];
                alternative.bytes += work[at].bytes();
                alternative.packing = tried.layers[at].packing;
                alternative.channels_per_output = planned.plan.layers[at].grid.channels_per_output;
            }
            alternative.seconds = predict(work, rates, setting).seconds();
            choices[g].layers.assign(groups[g].begin(), groups[g].end());
            choices[g].alternatives.push_back(alternative);
        }
    }
    for (GroupChoice& choice : choices) {
        auto& list = choice.alternatives;
        std::ranges::sort(list, {}, &TimedPacking::seconds);
        // Among those that take the same time, the fewest bytes.
        const double limit = list.front().seconds * (1 + kSameTime);
        const auto end = std::ranges::find_if(list, [&](const TimedPacking& a) { return a.seconds > limit; });
        std::sort(list.begin(), end, [](const TimedPacking& a, const TimedPacking& b) { return a.bytes < b.bytes; });
    }
    return choices;
}

void fix_packing(const std::vector<GroupChoice>& choices, model::Architecture& architecture) {
    for (const GroupChoice& choice : choices)
        for (int l : choice.layers) architecture.layers[l].packing = choice.alternatives.front().packing;
}

}  // namespace flash::planner
