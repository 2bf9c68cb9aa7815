#include "packing/group_packings.h"

#include <algorithm>

#include "base/error.h"
#include "lattice/bitpack.h"
#include "packing/grid.h"
#include "packing/plan_builder.h"
#include "scheme/parameters.h"

namespace flash::packing {

namespace {

GroupPacking packed_as(PlanBuilder& builder, const model::Architecture& architecture,
                       const std::vector<std::size_t>& group, const model::PackingChoice& choice) {
    builder.restart_counts();
    builder.plan_group(group, choice);
    const Plan& plan = builder.plan();
    const Grid& grid = plan.layers[group.front()].grid;
    GroupPacking result{{grid.channels_per_input, grid.degree}, grid.channels_per_output};
    for (int id : builder.streams_of(group)) {
        const Stream& stream = plan.streams[id];
        result.upload_ciphertexts += stream.polynomials();
        result.upload_bytes += static_cast<std::uint64_t>(stream.polynomials()) *
                               lattice::packed_bytes(stream.sent_coefficients(), stream.upload_bits);
    }
    for (std::size_t l : group) {
        const LinearPlan& linear = plan.layers[l];
        const model::Layer& layer = architecture.layers[l];
        result.response_ciphertexts += linear.polynomials();
        for (int p = 0; p < linear.polynomials(); ++p)
            result.response_bytes +=
                lattice::packed_bytes(linear.degree(), scheme::response_a_bits(layer.share_bits)) +
                lattice::packed_bytes(result_count(linear, layer.output, p), scheme::response_b_bits(layer.share_bits));
    }
    return result;
}

}  // namespace

GroupPacking packed_as(const model::Architecture& architecture, const std::vector<std::size_t>& group,
                       const model::PackingChoice& choice) {
    PlanBuilder builder(architecture);
    return packed_as(builder, architecture, group, choice);
}

std::vector<GroupPacking> group_packings(const model::Architecture& architecture,
                                         const std::vector<std::size_t>& group) {
    PlanBuilder builder(architecture);
    const std::vector<int> streams = builder.streams_of(group);
    std::vector<GroupPacking> found;
    for (int degree : model::kDegrees) {
        int blocks = 0;
        try {
            blocks = builder.blocks(group, degree);
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::kUnsupported) throw;
            continue;
        }
        // Ciphertexts of a band: uploads fall with g1, results rise. Where neither changes, the smallest g1 stands for
        // all.
        std::int64_t uploads_before = 0, results_before = 0;
        std::vector<int> kept;
        for (int g1 = 1; g1 <= blocks; ++g1) {
            std::int64_t uploads = 0, results = 0;
            for (int id : streams) uploads += ceil_div(builder.plan().streams[id].packed_channels(), g1);
            for (std::size_t l : group) results += ceil_div(architecture.layers[l].output.channels, blocks / g1);
            if (!kept.empty() && uploads == uploads_before) continue;         // no fewer uploads, no fewer results
            if (!kept.empty() && results == results_before) kept.pop_back();  // fewer uploads for the same results
            kept.push_back(g1);
            uploads_before = uploads;
            results_before = results;
        }
        for (int g1 : kept) found.push_back(packed_as(builder, architecture, group, {g1, degree}));
    }
    return found;
}

}  // namespace flash::packing
