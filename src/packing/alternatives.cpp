#include "packing/alternatives.h"

#include <algorithm>

#include "base/error.h"
#include "lattice/bitpack.h"
#include "packing/planner.h"
#include "scheme/parameters.h"

namespace flash::packing {

namespace {

Alternative packed_as(Planner& planner, const model::Architecture& architecture, const std::vector<std::size_t>& group,
                      const model::PackingChoice& choice) {
    planner.forget_caps();
    planner.plan_group(group, choice);
    const Plan& plan = planner.plan();
    const Grid& grid = plan.layers[group.front()].grid;
    Alternative result{{grid.channels_per_input, grid.degree}, grid.channels_per_output};
    for (int id : planner.streams_of(group)) {
        const Stream& stream = plan.streams[static_cast<std::size_t>(id)];
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

int ceil_div(int a, int b) { return (a + b - 1) / b; }

}  // namespace

Alternative packed_as(const model::Architecture& architecture, const std::vector<std::size_t>& group,
                      const model::PackingChoice& choice) {
    Planner planner(architecture);
    return packed_as(planner, architecture, group, choice);
}

std::vector<Alternative> alternatives(const model::Architecture& architecture, const std::vector<std::size_t>& group) {
    Planner planner(architecture);
    const std::vector<int> streams = planner.streams_of(group);
    std::vector<Alternative> found;
    for (int degree : model::kDegrees) {
        int blocks = 0;
        try {
            blocks = planner.blocks(group, degree);
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
            for (int id : streams)
                uploads += ceil_div(planner.plan().streams[static_cast<std::size_t>(id)].packed_channels(), g1);
            for (std::size_t l : group) results += ceil_div(architecture.layers[l].output.channels, blocks / g1);
            if (!kept.empty() && uploads == uploads_before) continue;         // no fewer uploads, no fewer results
            if (!kept.empty() && results == results_before) kept.pop_back();  // fewer uploads for the same results
            kept.push_back(g1);
            uploads_before = uploads;
            results_before = results;
        }
        for (int g1 : kept) found.push_back(packed_as(planner, architecture, group, {g1, degree}));
    }
    return found;
}

}  // namespace flash::packing
