#include "planner/choose.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "packing/plan.h"
#include "planner/work.h"
#include "protocol/cost.h"
#include "scheme/parameters.h"

namespace flash::planner {

namespace {

constexpr double kRange = 4;                 // g2 that is looked at: from a quarter of the default to four times it
constexpr std::size_t kMostCandidates = 12;  // of a group
constexpr double kSameTime = 1e-3;           // relative; times closer than that are the same

/// Layers joined by their streams, in the order of their first layers.
std::vector<std::vector<int>> groups_of(const packing::Plan& plan) {
    std::vector<int> parent(plan.layers.size());
    std::iota(parent.begin(), parent.end(), 0);
    const auto find = [&](int l) {
        while (parent[static_cast<std::size_t>(l)] != l) l = parent[static_cast<std::size_t>(l)];
        return l;
    };
    for (std::size_t l = 0; l < plan.layers.size(); ++l)
        for (int id : plan.layers[l].term_streams) {
            const int a = find(static_cast<int>(l)), b = find(plan.streams[static_cast<std::size_t>(id)].first_layer);
            parent[static_cast<std::size_t>(std::max(a, b))] = std::min(a, b);
        }
    std::vector<std::vector<int>> groups(plan.layers.size());
    for (int l = 0; l < static_cast<int>(plan.layers.size()); ++l) groups[static_cast<std::size_t>(find(l))].push_back(l);
    std::erase_if(groups, [](const auto& group) { return group.empty(); });
    return groups;
}

/// Values of g1 worth looking at, the default's first: the largest g1 for each g2, evenly spread (by ratio) where there are many.
std::vector<int> candidates(const packing::Grid& grid) {
    std::vector<int> list{grid.channels_per_input};
    if (grid.banded) return list;
    const int blocks = static_cast<int>(scheme::kDirectDegree) / grid.spacing;
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
    for (model::Layer& layer : free.layers) layer.packing = {};
    const Planned standard(free, rates);
    const auto groups = groups_of(standard.plan);
    std::vector<std::vector<int>> lists;
    std::size_t rounds = 0;
    for (const auto& group : groups) {
        lists.push_back(candidates(standard.plan.layers[static_cast<std::size_t>(group.front())].grid));
        rounds = std::max(rounds, lists.back().size());
    }
    std::vector<GroupChoice> choices(groups.size());
    // One plan tries a candidate of every group.
    for (std::size_t round = 0; round < rounds; ++round) {
        model::Architecture tried = free;
        for (std::size_t g = 0; g < groups.size(); ++g)
            for (int l : groups[g]) tried.layers[static_cast<std::size_t>(l)].packing.channels_per_input = lists[g][std::min(round, lists[g].size() - 1)];
        const Planned planned(tried, rates);
        for (std::size_t g = 0; g < groups.size(); ++g) {
            if (round >= lists[g].size()) continue;
            std::vector<LayerWork> work = standard.work;
            Alternative alternative;
            for (int l : groups[g]) {
                const auto at = static_cast<std::size_t>(l);
                work[at] = planned.work[at];
                alternative.bytes += work[at].bytes();
                alternative.packing = tried.layers[at].packing;
                alternative.channels_per_output = planned.plan.layers[at].grid.channels_per_output;
            }
            alternative.seconds = predict(work, rates, setting).seconds();
            choices[g].layers = groups[g];
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
