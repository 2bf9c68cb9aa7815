#include "planner/choose.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "packing/plan.h"
#include "planner/work.h"
#include "protocol/cost.h"

namespace flash::planner {

namespace {

constexpr double kRange = 4;                 // g2 that is looked at: from a quarter of the default to four times it
constexpr std::size_t kMostCandidates = 12;  // of a group
constexpr double kSameTime = 1e-3;           // relative; times closer than that are the same

/// Values of g1 worth looking at, the default's first: the largest g1 for each g2, evenly spread (by ratio) where there are many.
std::vector<int> candidates(const packing::Grid& grid) {
    std::vector<int> list{grid.channels_per_input};
    if (grid.banded) return list;
    const int blocks = grid.degree / grid.spacing;
    const double low = std::max(1.0, grid.channels_per_output / kRange), high = std::min<double>(blocks, grid.channels_per_output * kRange);
    std::set<int> found;
    for (std::size_t i = 0; i < kMostCandidates; ++i) {
        const double g2 = std::round(low * std::pow(high / low, static_cast<double>(i) / (kMostCandidates - 1)));
        found.insert(blocks / static_cast<int>(g2));
    }
    for (int g1 : found)
        if (g1 != grid.channels_per_input && g1 >= 1) list.push_back(g1);
    return list;
}

struct Planned {
    packing::Plan plan;
    protocol::InferenceCost cost;
    std::vector<LayerWork> work;

    Planned(const model::Architecture& architecture, const Rates& rates)
        : plan(packing::make_plan(architecture)), cost(protocol::cost_of(architecture, plan)), work(network_work(architecture, plan, cost, rates)) {}
};

}  // namespace

std::vector<GroupChoice> alternatives(const model::Architecture& architecture, const Rates& rates, const Setting& setting) {
    model::Architecture free = architecture;
    const auto groups = packing::layer_groups(architecture);
    // Every group stays in its ring: whether the noise fits in another one, the architecture does not tell.
    for (const auto& group : groups)
        for (std::size_t l : group) free.layers[l].packing = {0, packing::choice_of(architecture, group).degree};
    const Planned standard(free, rates);
    std::vector<std::vector<int>> lists;
    std::size_t rounds = 0;
    for (const auto& group : groups) {
        lists.push_back(candidates(standard.plan.layers[group.front()].grid));
        rounds = std::max(rounds, lists.back().size());
    }
    std::vector<GroupChoice> choices(groups.size());
    // One plan tries a candidate of every group.
    for (std::size_t round = 0; round < rounds; ++round) {
        model::Architecture tried = free;
        for (std::size_t g = 0; g < groups.size(); ++g)
            for (std::size_t l : groups[g]) tried.layers[l].packing.channels_per_input = lists[g][std::min(round, lists[g].size() - 1)];
        const Planned planned(tried, rates);
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
