#include "packing/plan.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "packing/levels.h"
#include "packing/plan_builder.h"
#include "scheme/parameters.h"

namespace flash::packing {

std::size_t Stream::sent_coefficients() const {
    std::size_t count = 0;
    for (const lattice::CoefficientRange& range : sent) count += range.size();
    return count;
}

std::vector<std::size_t> Plan::degrees() const {
    std::vector<std::size_t> used;
    for (const scheme::DirectRing& ring : scheme::kDirectRings)
        if (std::ranges::any_of(streams, [&](const Stream& stream) { return stream.degree() == ring.degree; }))
            used.push_back(ring.degree);
    return used;
}

std::vector<KeyName> Plan::keys() const {
    std::set<KeyName> used;
    for (const Stream& stream : streams) used.insert(stream.key());
    return {used.begin(), used.end()};
}

Plan make_plan(const model::Architecture& architecture) {
    PlanBuilder builder(architecture);
    for (const std::vector<std::size_t>& group : builder.groups())
        builder.plan_group(group, choice_of(architecture, group));
    Plan plan = builder.take();
    check_levels(architecture, plan);
    return plan;
}

std::vector<std::vector<std::size_t>> layer_groups(const model::Architecture& architecture) {
    return PlanBuilder(architecture).groups();
}

model::PackingChoice choice_of(const model::Architecture& architecture, const std::vector<std::size_t>& group) {
    model::PackingChoice choice;
    for (std::size_t l : group) {
        const model::PackingChoice& packing = architecture.layers[l].packing;
        if (choice.channels_per_input == 0) choice.channels_per_input = packing.channels_per_input;
        if (choice.degree == 0) choice.degree = packing.degree;
        if (packing.degree != 0 && packing.degree != choice.degree)
            throw Error(ErrorKind::kProtocol, "layer " + architecture.layers[l].name +
                                                  ": it shares an upload with layer " +
                                                  architecture.layers[group.front()].name + ", but names another ring");
    }
    if (choice.degree == 0) choice.degree = model::kDefaultDegree;
    return choice;
}

Grid grid_of(const model::Architecture& architecture, const std::vector<std::size_t>& group,
             const model::PackingChoice& choice) {
    return PlanBuilder(architecture).fix_grid(group, choice);
}

std::vector<Grid> layer_grids(const model::Architecture& architecture) {
    PlanBuilder builder(architecture);
    std::vector<Grid> grids(architecture.layers.size());
    for (const std::vector<std::size_t>& group : builder.groups()) {
        const Grid grid = builder.fix_grid(group, choice_of(architecture, group));
        for (std::size_t layer : group) grids[layer] = grid;
    }
    return grids;
}

void pack(const Stream& stream, int polynomial, std::span<const std::uint32_t> values, std::span<std::uint32_t> out) {
    require(out.size() == stream.degree() && values.size() == static_cast<std::size_t>(stream.shape.size()),
            ErrorKind::kInternal, "packing: wrong size of a map or polynomial");
    std::fill(out.begin(), out.end(), 0u);
    const int band = polynomial / stream.polynomials_per_band;
    const int first = polynomial % stream.polynomials_per_band * stream.grid.channels_per_input;
    const int last = std::min(first + stream.grid.channels_per_input, stream.packed_channels());
    const Grid& grid = stream.grid;
    for (int packed = first; packed < last; ++packed) {
        const Submap& submap = stream.submaps[packed / stream.shape.channels];
        const int channel = packed % stream.shape.channels;
        const std::uint32_t* map =
            values.data() +
            static_cast<std::size_t>(channel) * static_cast<std::size_t>(stream.shape.height * stream.shape.width);
        const int row_begin = std::max(0, band * grid.band_rows - grid.row_base);
        const int row_end =
            grid.banded ? band * grid.band_rows - grid.row_base + stream.rows_per_band : stream.rows_per_band;
        for (int row = row_begin; row < row_end; ++row) {
            const int y = row * stream.stride_h + submap.row;
            if (y >= stream.shape.height) break;
            std::size_t at = static_cast<std::size_t>(grid.position(packed - first, band, row, 0));
            for (int x = submap.column; x < stream.shape.width; x += stream.stride_w)
                out[at++] = map[static_cast<std::size_t>(y) * static_cast<std::size_t>(stream.shape.width) +
                                static_cast<std::size_t>(x)];
        }
    }
}

scheme::LevelledShare pack(const Stream& stream, int polynomial, const scheme::LevelledShare& share,
                           std::span<std::uint32_t> out) {
    pack(stream, polynomial, share.words, out);
    return {share.depth, out};
}

namespace {

/// Channels and rows of the results in one polynomial.
struct ResultBlock {
    int band, first, last, row_begin, row_end;
};
ResultBlock result_block(const LinearPlan& plan, const model::Shape& output, int polynomial) {
    const Grid& grid = plan.grid;
    const int band = polynomial / plan.polynomials_per_band;
    const int first = polynomial % plan.polynomials_per_band * grid.channels_per_output;
    const int row_begin = band * grid.band_rows;
    return {band, first, std::min(first + grid.channels_per_output, output.channels), row_begin,
            std::min(row_begin + grid.band_rows, output.height)};
}

}  // namespace

std::vector<ResultRun> result_runs(const LinearPlan& plan, const model::Shape& output, int polynomial) {
    const ResultBlock block = result_block(plan, output, polynomial);
    std::vector<ResultRun> runs;
    runs.reserve(static_cast<std::size_t>(block.last - block.first) *
                 static_cast<std::size_t>(block.row_end - block.row_begin));
    for (int channel = block.first; channel < block.last; ++channel)
        for (int row = block.row_begin; row < block.row_end; ++row)
            runs.push_back({static_cast<std::uint32_t>((channel * output.height + row) * output.width),
                            static_cast<std::uint32_t>(plan.grid.position(
                                (channel - block.first) * plan.grid.channels_per_input, block.band, row, 0)),
                            static_cast<std::uint32_t>(output.width)});
    return runs;
}

std::span<const std::uint16_t> result_positions(const LinearPlan& plan, const model::Shape& output, int polynomial) {
    // A polynomial with fewer channels carries the first of them.
    const bool last = polynomial / plan.polynomials_per_band + 1 == plan.bands;
    return std::span(last ? plan.last_positions : plan.positions).first(result_count(plan, output, polynomial));
}

std::size_t result_count(const LinearPlan& plan, const model::Shape& output, int polynomial) {
    const ResultBlock block = result_block(plan, output, polynomial);
    return static_cast<std::size_t>(block.last - block.first) *
           static_cast<std::size_t>(block.row_end - block.row_begin) * static_cast<std::size_t>(output.width);
}

}  // namespace flash::packing
