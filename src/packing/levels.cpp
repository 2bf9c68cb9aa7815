#include "packing/levels.h"

#include "base/error.h"

namespace flash::packing {

bool keys_have_levels(const model::Architecture& architecture) { return !architecture.trust_server; }

std::vector<int> key_depths(const model::Architecture& architecture) {
    std::vector<int> depths(architecture.layers.size(), scheme::kAllDepths);
    if (keys_have_levels(architecture)) {
        const std::vector<int> values = model::value_depths(architecture);
        depths.assign(values.begin() + 1, values.end());
    }
    return depths;
}

void check_levels(const model::Architecture& architecture, const Plan& plan) {
    const auto check = [](bool condition) {
        require(condition, ErrorKind::kInternal, "a plan has an upload under a key of the wrong depth");
    };
    const bool levels = keys_have_levels(architecture);
    check(plan.layers.size() == architecture.layers.size() && plan.value_depths.size() == plan.layers.size() + 1 &&
          plan.value_depths.front() == 0);
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
        const LinearPlan& linear = plan.layers[l];
        check(linear.depth == (levels ? plan.value_depths[l + 1] : scheme::kAllDepths));
        check(linear.term_streams.size() == architecture.layers[l].terms.size());
        for (std::size_t t = 0; t < linear.term_streams.size(); ++t) {
            const Stream& stream = plan.streams.at(static_cast<std::size_t>(linear.term_streams[t]));
            const int source = architecture.layers[l].terms[t].source;
            check(stream.source == source && stream.key() == linear.key());
            check(plan.value_depths.at(static_cast<std::size_t>(source)) < stream.depth);
        }
    }
}

}  // namespace flash::packing
