#include "packing/plan.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include "base/error.h"
#include "packing/grid.h"
#include "packing/taps.h"
#include "scheme/parameters.h"

namespace flash::packing {

namespace {

constexpr int kDegree = static_cast<int>(scheme::kDirectDegree);

constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }

/// Streams are the same if source, pooling and stride are.
using StreamKey = std::array<int, 12>;
StreamKey key_of(const model::Term& term) {
    const model::Window pool = term.pool.value_or(model::Window{0, 0, 0, 0, 0, 0, 0, 0, 1, 1});
    return {term.source, term.window.stride_h, term.window.stride_w, pool.kernel_h, pool.kernel_w, pool.stride_h, pool.stride_w,
            pool.pad_top, pool.pad_left, pool.pad_bottom, pool.pad_right, pool.level ? 1 : 0};
}

/// Adds to a count of polynomials and refuses what no real network needs.
void add_capped(std::int64_t& total, std::int64_t count, const std::string& layer) {
    total += count;
    if (count > kMaxPolynomials || total > kMaxPolynomials)
        throw Error(ErrorKind::kUnsupported, "layer " + layer + ": the network needs more than " + std::to_string(kMaxPolynomials) +
                                                 " ciphertexts");
}

/// Layers joined because they read a common stream.
class Groups {
public:
    explicit Groups(std::size_t count) : parent_(count) { std::iota(parent_.begin(), parent_.end(), std::size_t{0}); }
    std::size_t find(std::size_t i) {
        while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
        return i;
    }
    void join(std::size_t a, std::size_t b) { parent_[std::max(find(a), find(b))] = std::min(find(a), find(b)); }

private:
    std::vector<std::size_t> parent_;
};

/// Phases that a window reads: row r = i * s + dy * dilation - pad has phase (dy * dilation - pad) mod s.
std::vector<bool> phases_read(int kernel, int stride, int pad, int dilation) {
    std::vector<bool> read(static_cast<std::size_t>(stride), false);
    for (int d = 0; d < kernel; ++d) {
        const int r = d * dilation - pad;
        read[static_cast<std::size_t>(r - floor_div(r, stride) * stride)] = true;
    }
    return read;
}

void add_phases(Stream& stream, std::vector<bool>& known, const model::Window& window) {
    const auto rows = phases_read(window.kernel_h, window.stride_h, window.pad_top, window.dilation_h);
    const auto columns = phases_read(window.kernel_w, window.stride_w, window.pad_left, window.dilation_w);
    for (int r = 0; r < window.stride_h; ++r)
        for (int c = 0; c < window.stride_w; ++c) {
            if (!rows[static_cast<std::size_t>(r)] || !columns[static_cast<std::size_t>(c)]) continue;
            // A phase beyond the map's edge holds no pixel at all.
            if (r >= stream.shape.height || c >= stream.shape.width) continue;
            const std::size_t at = static_cast<std::size_t>(r) * static_cast<std::size_t>(window.stride_w) + static_cast<std::size_t>(c);
            if (!known[at]) stream.phases.push_back({r, c});
            known[at] = true;
        }
}

/// g1 that sends the fewest bytes: uploads are whole polynomials of upload_bits a word (near enough), results are whole `a` polynomials of
/// response_a_bits (their b coefficients do not depend on the choice).
int choose_channels_per_input(int blocks, const std::vector<const Stream*>& streams,
                              const std::vector<std::pair<const model::Layer*, int>>& layers) {
    std::int64_t best_bytes = 0;
    int best = 0;
    for (int g1 = 1; g1 <= blocks; ++g1) {
        const int g2 = blocks / g1;
        std::int64_t bytes = 0;
        for (const Stream* s : streams) bytes += std::int64_t{s->bands} * ceil_div(s->packed_channels(), g1) * kDegree * s->upload_bits / 8;
        for (const auto& [layer, bands] : layers)
            bytes += std::int64_t{bands} * ceil_div(layer->output.channels, g2) * (kDegree * scheme::response_a_bits(layer->share_bits) / 8);
        if (best == 0 || bytes < best_bytes) {
            best = g1;
            best_bytes = bytes;
        }
    }
    return best;
}

/// Ranges of coefficients [0, n) that are marked; unmarked gaps of less than a tile are not worth a range of their own.
std::vector<lattice::CoefficientRange> ranges_of(const std::vector<bool>& marked) {
    std::vector<lattice::CoefficientRange> ranges;
    for (std::uint32_t i = 0; i < marked.size(); ++i) {
        if (!marked[i]) continue;
        if (!ranges.empty() && i - ranges.back().end < lattice::CoefficientTiles::kTile)
            ranges.back().end = i + 1;
        else
            ranges.push_back({i, i + 1});
    }
    return ranges;
}

/// The coefficients that carry results of a band with `rows` output rows.
std::vector<lattice::CoefficientRange> result_ranges(const Grid& grid, const model::Shape& output, int rows) {
    std::vector<bool> marked(scheme::kDirectDegree, false);
    for (int slot = 0; slot < grid.channels_per_output; ++slot) {
        const int first = grid.position(slot * grid.channels_per_input, 0, 0, 0), last = grid.position(slot * grid.channels_per_input, 0, rows - 1, output.width - 1);
        for (int i = first; i <= last; ++i) marked[static_cast<std::size_t>(i)] = true;
    }
    return ranges_of(marked);
}

/// On which coefficients of a stream the results of its readers depend.
void mark_sent(const model::Architecture& architecture, Plan& plan) {
    constexpr std::size_t kCircle = 2 * scheme::kDirectDegree;  // shifts are counted mod 2n
    std::vector<std::vector<bool>> marked(plan.streams.size(), std::vector<bool>(scheme::kDirectDegree, false));
    std::int64_t steps = 0;
    const auto spend = [&](std::size_t count, const model::Layer& layer) {
        steps += static_cast<std::int64_t>(count);
        if (steps > kMaxPlanSteps) throw Error(ErrorKind::kUnsupported, "layer " + layer.name + ": the windows are too large to plan");
    };
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
        const model::Layer& layer = architecture.layers[l];
        const LinearPlan& linear = plan.layers[l];
        const Grid& grid = linear.grid;
        const auto results = result_ranges(grid, layer.output, std::min(grid.band_rows, layer.output.height));
        for (std::size_t t = 0; t < layer.terms.size(); ++t) {
            const auto id = static_cast<std::size_t>(linear.term_streams[t]);
            std::vector<bool> shifts(kCircle, false);
            // Before the taps are enumerated, which takes so many steps even where few are found.
            const model::Window& window = layer.terms[t].window;
            spend(plan.streams[id].phases.size() * static_cast<std::size_t>(window.kernel_h) * static_cast<std::size_t>(window.kernel_w), layer);
            const std::vector<Tap> taps = taps_of(plan.streams[id], window);
            spend(taps.size() * static_cast<std::size_t>(grid.channels_per_input * grid.channels_per_output), layer);
            for (const Tap& tap : taps)
                for (int packed = 0; packed < grid.channels_per_input; ++packed)
                    for (int slot = 0; slot < grid.channels_per_output; ++slot)
                        shifts[static_cast<std::size_t>(shift_of(grid, packed, slot, tap) + static_cast<std::int32_t>(scheme::kDirectDegree))] = true;
            // How often each coefficient is read, as differences between neighbours on the circle of length n.
            std::vector<int> change(scheme::kDirectDegree + 1, 0);
            for (std::size_t s = 0; s < kCircle; ++s) {
                if (!shifts[s]) continue;
                spend(results.size(), layer);
                for (const lattice::CoefficientRange& range : results) {
                    const std::size_t begin = (range.begin + kCircle + scheme::kDirectDegree - s) % scheme::kDirectDegree, end = begin + range.size();
                    ++change[begin];
                    --change[std::min(end, scheme::kDirectDegree)];
                    if (end > scheme::kDirectDegree) {
                        ++change[0];
                        --change[end - scheme::kDirectDegree];
                    }
                }
            }
            int readers = 0;
            for (std::size_t i = 0; i < scheme::kDirectDegree; ++i) {
                readers += change[i];
                if (readers > 0) marked[id][i] = true;
            }
        }
    }
    for (std::size_t id = 0; id < plan.streams.size(); ++id) plan.streams[id].sent = ranges_of(marked[id]);
}

}  // namespace

std::size_t Stream::sent_coefficients() const {
    std::size_t count = 0;
    for (const lattice::CoefficientRange& range : sent) count += range.size();
    return count;
}

Plan make_plan(const model::Architecture& architecture) {
    Plan plan;
    const std::size_t layer_count = architecture.layers.size();
    plan.layers.resize(layer_count);

    Groups groups(layer_count);
    std::map<StreamKey, int> known;
    std::vector<std::vector<bool>> known_phases;
    for (std::size_t l = 0; l < layer_count; ++l) {
        for (const model::Term& term : architecture.layers[l].terms) {
            const auto [found, is_new] = known.emplace(key_of(term), static_cast<int>(plan.streams.size()));
            if (is_new) {
                const std::string& name = architecture.layers[l].name;
                const std::int64_t phases = std::int64_t{term.window.stride_h} * term.window.stride_w;
                if (phases > kMaxPhases)
                    throw Error(ErrorKind::kUnsupported, "layer " + name + ": a stride of " + std::to_string(term.window.stride_h) +
                                                             " x " + std::to_string(term.window.stride_w) + " is too large");
                Stream stream;
                stream.source = term.source;
                stream.pool = term.pool;
                stream.stride_h = term.window.stride_h;
                stream.stride_w = term.window.stride_w;
                stream.shape = architecture.pooled_shape(term);
                stream.first_layer = static_cast<int>(l);
                stream.upload_bits = architecture.upload_bits(term.source);
                if (term.pool && stream.shape.size() * term.pool->kernel_h * term.pool->kernel_w > kMaxPoolAdditions)
                    throw Error(ErrorKind::kUnsupported, "layer " + name + ": the pooling is too large");
                plan.streams.push_back(stream);
                plan.layers[l].uploads.push_back(found->second);
                known_phases.emplace_back(static_cast<std::size_t>(phases), false);
            }
            const int id = found->second;
            Stream& stream = plan.streams[static_cast<std::size_t>(id)];
            stream.last_layer = static_cast<int>(l);
            add_phases(stream, known_phases[static_cast<std::size_t>(id)], term.window);
            plan.layers[l].term_streams.push_back(id);
            groups.join(static_cast<std::size_t>(stream.first_layer), l);
        }
    }

    std::int64_t polynomials = 0;
    for (std::size_t root = 0; root < layer_count; ++root) {
        if (groups.find(root) != root) continue;
        std::vector<Demand> demands;
        std::vector<std::size_t> members;
        std::vector<int> stream_ids;
        int fixed = 0;
        for (std::size_t l = 0; l < layer_count; ++l) {
            if (groups.find(l) != root) continue;
            const model::Layer& layer = architecture.layers[l];
            members.push_back(l);
            for (const model::Term& term : layer.terms)
                demands.push_back(demand_of(architecture.pooled_shape(term), term.window, layer.output));
            for (int id : plan.layers[l].uploads) stream_ids.push_back(id);
            if (fixed == 0) fixed = layer.packing.channels_per_input;
        }
        GridBlocks fitted = fit_grid(demands, "layer " + architecture.layers[root].name);
        Grid grid = fitted.grid;

        std::vector<const Stream*> streams;
        std::vector<std::pair<const model::Layer*, int>> layers;
        for (std::size_t l : members) {
            const int bands = ceil_div(architecture.layers[l].output.height, grid.band_rows);
            plan.layers[l].bands = bands;
            layers.emplace_back(&architecture.layers[l], bands);
            // Only the bands that some reader has: readers of one stream may differ in height.
            for (int id : plan.layers[l].term_streams) {
                Stream& stream = plan.streams[static_cast<std::size_t>(id)];
                stream.bands = std::max(stream.bands, bands);
            }
        }
        for (int id : stream_ids) {
            plan.streams[static_cast<std::size_t>(id)].rows_per_band = fitted.rows_per_band;
            streams.push_back(&plan.streams[static_cast<std::size_t>(id)]);
        }
        if (fixed < 0 || fixed > fitted.blocks)
            throw Error(ErrorKind::kProtocol, "layer " + architecture.layers[root].name + ": packing asks for " +
                                                  std::to_string(fixed) + " channels per polynomial, at most " +
                                                  std::to_string(fitted.blocks) + " fit");
        grid.channels_per_input = fixed ? fixed : choose_channels_per_input(fitted.blocks, streams, layers);
        grid.channels_per_output = fitted.blocks / grid.channels_per_input;

        for (int id : stream_ids) {
            Stream& stream = plan.streams[static_cast<std::size_t>(id)];
            stream.grid = grid;
            stream.polynomials_per_band = ceil_div(stream.packed_channels(), grid.channels_per_input);
            add_capped(polynomials, std::int64_t{stream.bands} * stream.polynomials_per_band, architecture.layers[root].name);
        }
        for (std::size_t l : members) {
            plan.layers[l].grid = grid;
            plan.layers[l].polynomials_per_band =
                ceil_div(architecture.layers[l].output.channels, grid.channels_per_output);
            add_capped(polynomials, std::int64_t{plan.layers[l].bands} * plan.layers[l].polynomials_per_band, architecture.layers[l].name);
            const model::Shape& output = architecture.layers[l].output;
            const int last_rows = output.height - (plan.layers[l].bands - 1) * grid.band_rows;
            plan.layers[l].tiles = lattice::CoefficientTiles(result_ranges(grid, output, std::min(grid.band_rows, output.height)));
            plan.layers[l].last_tiles = lattice::CoefficientTiles(result_ranges(grid, output, last_rows));
            const auto positions_of = [&](int rows) {
                std::vector<std::uint16_t> positions;
                for (int slot = 0; slot < std::min(grid.channels_per_output, output.channels); ++slot)
                    for (int row = 0; row < rows; ++row)
                        for (int column = 0; column < output.width; ++column)
                            positions.push_back(static_cast<std::uint16_t>(grid.position(slot * grid.channels_per_input, 0, row, column)));
                return positions;
            };
            plan.layers[l].positions = positions_of(std::min(grid.band_rows, output.height));
            plan.layers[l].last_positions = positions_of(last_rows);
        }
    }
    mark_sent(architecture, plan);
    return plan;
}

void pack(const Stream& stream, int polynomial, std::span<const std::uint32_t> values, std::span<std::uint32_t> out) {
    require(out.size() == scheme::kDirectDegree && values.size() == static_cast<std::size_t>(stream.shape.size()),
            ErrorKind::kInternal, "packing: wrong size of a map or polynomial");
    std::fill(out.begin(), out.end(), 0u);
    const int band = polynomial / stream.polynomials_per_band;
    const int first = polynomial % stream.polynomials_per_band * stream.grid.channels_per_input;
    const int last = std::min(first + stream.grid.channels_per_input, stream.packed_channels());
    const Grid& grid = stream.grid;
    for (int packed = first; packed < last; ++packed) {
        const Phase& phase = stream.phases[static_cast<std::size_t>(packed / stream.shape.channels)];
        const int channel = packed % stream.shape.channels;
        const std::uint32_t* map =
            values.data() + static_cast<std::size_t>(channel) * static_cast<std::size_t>(stream.shape.height * stream.shape.width);
        const int row_begin = std::max(0, band * grid.band_rows - grid.row_base);
        const int row_end = grid.banded ? band * grid.band_rows - grid.row_base + stream.rows_per_band : stream.rows_per_band;
        for (int row = row_begin; row < row_end; ++row) {
            const int y = row * stream.stride_h + phase.row;
            if (y >= stream.shape.height) break;
            std::size_t at = static_cast<std::size_t>(grid.position(packed - first, band, row, 0));
            for (int x = phase.column; x < stream.shape.width; x += stream.stride_w)
                out[at++] = map[static_cast<std::size_t>(y) * static_cast<std::size_t>(stream.shape.width) + static_cast<std::size_t>(x)];
        }
    }
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
    return {band, first, std::min(first + grid.channels_per_output, output.channels), row_begin, std::min(row_begin + grid.band_rows, output.height)};
}

}  // namespace

std::vector<ResultRun> result_runs(const LinearPlan& plan, const model::Shape& output, int polynomial) {
    const ResultBlock block = result_block(plan, output, polynomial);
    std::vector<ResultRun> runs;
    runs.reserve(static_cast<std::size_t>((block.last - block.first) * (block.row_end - block.row_begin)));
    for (int channel = block.first; channel < block.last; ++channel)
        for (int row = block.row_begin; row < block.row_end; ++row)
            runs.push_back({static_cast<std::uint32_t>((channel * output.height + row) * output.width),
                            static_cast<std::uint32_t>(plan.grid.position((channel - block.first) * plan.grid.channels_per_input, block.band, row, 0)),
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
    return static_cast<std::size_t>(block.last - block.first) * static_cast<std::size_t>(block.row_end - block.row_begin) * static_cast<std::size_t>(output.width);
}

}  // namespace flash::packing
