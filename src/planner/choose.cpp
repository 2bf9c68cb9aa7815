#include "planner/choose.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "packing/alternatives.h"
#include "packing/plan.h"
#include "planner/work.h"
#include "protocol/cost.h"

namespace flash::planner {

namespace {

constexpr double kRange = 4;                 // g2 that is looked at: from a quarter of the default to four times it
constexpr std::size_t kMostCandidates = 12;  // of a group
constexpr double kSameTime = 1e-3;           // relative; times closer than that are the same

/// Packings in one ring that are worth looking at, the default's first: the largest g1 for each g2, evenly spread (by ratio) where there are many.
std::vector<model::PackingChoice> candidates(const packing::Grid& grid) {
    std::vector<model::PackingChoice> list{{grid.channels_per_input, grid.degree}};
    if (grid.banded) return list;
    const int blocks = grid.degree / grid.spacing;
    const double low = std::max(1.0, grid.channels_per_output / kRange), high = std::min<double>(blocks, grid.channels_per_output * kRange);
    std::set<int> found;
    for (std::size_t i = 0; i < kMostCandidates; ++i) {
        const double g2 = std::round(low * std::pow(high / low, static_cast<double>(i) / (kMostCandidates - 1)));
        found.insert(blocks / static_cast<int>(g2));
    }
    for (int g1 : found)
        if (g1 != grid.channels_per_input && g1 >= 1) list.push_back({g1, grid.degree});
    return list;
}

/// A ring beside its own in which the group can be; 0 if there is none.
int other_degree(const model::Architecture& architecture, const std::vector<std::size_t>& group, int own, const RingRules& rules) {
    for (int degree : model::kDegrees) {
        if (degree == own || !rules.fits(group, degree)) continue;
        try {
            packing::packed_as(architecture, group, {0, degree});
            return degree;
        } catch (const Error& error) {  // a row of its maps is too long
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
        : plan(packing::make_plan(architecture)), cost(protocol::cost_of(architecture, plan)), work(network_work(architecture, plan, cost, rates)) {}
};

}  // namespace

std::vector<GroupChoice> alternatives(const model::Architecture& architecture, const Rates& rates, const Setting& setting, const RingRules* rules) {
    const auto groups = packing::layer_groups(architecture);
    const auto settled = [&](model::Architecture changed) {
        if (rules) rules->settle(changed);
        return changed;
    };
    const auto set = [](model::Architecture& a, const std::vector<std::size_t>& group, const model::PackingChoice& packing) {
        for (std::size_t l : group) a.layers[l].packing = packing;
    };
    model::Architecture free = architecture;
    for (const auto& group : groups) set(free, group, {0, packing::choice_of(architecture, group).degree});
    const Planned standard(settled(free), rates);
    // The other rings, all groups at once.
    model::Architecture moved = free;
    std::vector<int> degrees(groups.size(), 0);
    for (std::size_t g = 0; rules && g < groups.size(); ++g) {
        degrees[g] = other_degree(architecture, groups[g], free.layers[groups[g].front()].packing.degree, *rules);
        if (degrees[g]) set(moved, groups[g], {0, degrees[g]});
    }
    const packing::Plan other = packing::make_plan(settled(moved));
    std::vector<std::vector<model::PackingChoice>> lists;
    std::size_t rounds = 0;
    for (std::size_t g = 0; g < groups.size(); ++g) {
        lists.push_back(candidates(standard.plan.layers[groups[g].front()].grid));
        if (degrees[g]) std::ranges::copy(candidates(other.layers[groups[g].front()].grid), std::back_inserter(lists.back()));
        rounds = std::max(rounds, lists.back().size());
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
            Alternative alternative;
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
        std::ranges::sort(list, {}, &Alternative::seconds);
        // Among those that take the same time, the fewest bytes.
        const double limit = list.front().seconds * (1 + kSameTime);
        const auto end = std::ranges::find_if(list, [&](const Alternative& a) { return a.seconds > limit; });
        std::sort(list.begin(), end, [](const Alternative& a, const Alternative& b) { return a.bytes < b.bytes; });
    }
    return choices;
}

void fix_packing(const std::vector<GroupChoice>& choices, model::Architecture& architecture) {
    for (const GroupChoice& choice : choices)
        for (int l : choice.layers) architecture.layers[static_cast<std::size_t>(l)].packing = choice.alternatives.front().packing;
}

}  // namespace flash::planner
