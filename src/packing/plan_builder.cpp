#include "packing/plan_builder.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include "base/error.h"
#include "packing/grid.h"
#include "packing/levels.h"
#include "packing/taps.h"
#include "scheme/parameters.h"

namespace flash::packing {

namespace {

/// What makes an upload: source, stride, pooling, and the depth of its key.
using StreamIdentity = std::array<int, 13>;
StreamIdentity identity_of(const model::Term& term, int depth) {
    const model::Window pool = term.pool.value_or(model::Window{0, 0, 0, 0, 0, 0, 0, 0, 1, 1});
    return {term.source,   term.window.stride_h, term.window.stride_w, pool.kernel_h,
            pool.kernel_w, pool.stride_h,        pool.stride_w,        pool.pad_top,
            pool.pad_left, pool.pad_bottom,      pool.pad_right,       pool.level ? 1 : 0,
            depth};
}

}  // namespace

bool same_stream(const model::Term& a, const model::Term& b) { return identity_of(a, 0) == identity_of(b, 0); }

namespace {

/// Layers joined because they read a common stream.
class Joined {
public:
    explicit Joined(std::size_t count) : parent_(count) { std::iota(parent_.begin(), parent_.end(), std::size_t{0}); }
    std::size_t find(std::size_t i) {
        while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
        return i;
    }
    void join(std::size_t a, std::size_t b) { parent_[std::max(find(a), find(b))] = std::min(find(a), find(b)); }

private:
    std::vector<std::size_t> parent_;
};

/// First rows (columns) of the submaps that a window reads: row i * s + dy * dilation - pad belongs to the submap that
/// begins with row (dy * dilation - pad) mod s.
std::vector<bool> first_rows_read(int kernel, int stride, int pad, int dilation) {
    std::vector<bool> read(static_cast<std::size_t>(stride), false);
    for (int d = 0; d < kernel; ++d) {
        const int r = d * dilation - pad;
        read[r - floor_div(r, stride) * stride] = true;
    }
    return read;
}

void add_submaps(Stream& stream, std::vector<bool>& known, const model::Window& window) {
    const auto rows = first_rows_read(window.kernel_h, window.stride_h, window.pad_top, window.dilation_h);
    const auto columns = first_rows_read(window.kernel_w, window.stride_w, window.pad_left, window.dilation_w);
    for (int r = 0; r < window.stride_h; ++r)
        for (int c = 0; c < window.stride_w; ++c) {
            if (!rows[r] || !columns[c]) continue;
            // A submap beyond the map's edge holds no pixel at all.
            if (r >= stream.shape.height || c >= stream.shape.width) continue;
            const std::size_t at =
                static_cast<std::size_t>(r) * static_cast<std::size_t>(window.stride_w) + static_cast<std::size_t>(c);
            if (!known[at]) stream.submaps.push_back({r, c});
            known[at] = true;
        }
}

/// g1 that sends the fewest bytes: uploads are whole polynomials of upload_bits a word (near enough), results are whole
/// `a` polynomials of response_a_bits (their b coefficients do not depend on the choice).
int choose_channels_per_input(int degree, int blocks, const std::vector<const Stream*>& streams,
                              const std::vector<std::pair<const model::Layer*, int>>& layers) {
    std::int64_t best_bytes = 0;
    int best = 0;
    for (int g1 = 1; g1 <= blocks; ++g1) {
        const int g2 = blocks / g1;
        std::int64_t bytes = 0;
        for (const Stream* s : streams)
            bytes += std::int64_t{s->bands} * ceil_div(s->packed_channels(), g1) * degree * s->upload_bits / 8;
        for (const auto& [layer, bands] : layers)
            bytes += std::int64_t{bands} * ceil_div(layer->output.channels, g2) *
                     (degree * scheme::response_a_bits(layer->share_bits) / 8);
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
    std::vector<bool> marked(static_cast<std::size_t>(grid.degree), false);
    for (int slot = 0; slot < grid.channels_per_output; ++slot) {
        const int first = grid.position(slot * grid.channels_per_input, 0, 0, 0),
                  last = grid.position(slot * grid.channels_per_input, 0, rows - 1, output.width - 1);
        for (int i = first; i <= last; ++i) marked[i] = true;
    }
    return ranges_of(marked);
}

}  // namespace

PlanBuilder::PlanBuilder(const model::Architecture& architecture)
    : architecture_(architecture),
      depths_(key_depths(architecture)) {
    const std::size_t layer_count = architecture.layers.size();
    plan_.layers.resize(layer_count);
    plan_.value_depths = model::value_depths(architecture);
    Joined joined(layer_count);
    std::map<StreamIdentity, int> known;
    std::vector<std::vector<bool>> known_submaps;
    for (std::size_t l = 0; l < layer_count; ++l) {
        plan_.layers[l].depth = depths_[l];
        for (const model::Term& term : architecture.layers[l].terms) {
            const auto [found, is_new] =
                known.emplace(identity_of(term, depths_[l]), static_cast<int>(plan_.streams.size()));
            if (is_new) {
                const std::string& name = architecture.layers[l].name;
                const std::int64_t submaps = std::int64_t{term.window.stride_h} * term.window.stride_w;
                if (submaps > kMaxSubmaps)
                    throw Error(ErrorKind::kUnsupported, "layer " + name + ": a stride of " +
                                                             std::to_string(term.window.stride_h) + " x " +
                                                             std::to_string(term.window.stride_w) + " is too large");
                Stream stream;
                stream.source = term.source;
                stream.depth = depths_[l];
                stream.pool = term.pool;
                stream.stride_h = term.window.stride_h;
                stream.stride_w = term.window.stride_w;
                stream.shape = architecture.pooled_shape(term);
                stream.first_layer = static_cast<int>(l);
                if (term.pool && stream.shape.size() * term.pool->kernel_h * term.pool->kernel_w > kMaxPoolAdditions)
                    throw Error(ErrorKind::kUnsupported, "layer " + name + ": the pooling is too large");
                plan_.streams.push_back(stream);
                plan_.layers[l].uploads.push_back(found->second);
                known_submaps.emplace_back(static_cast<std::size_t>(submaps), false);
            }
            const int id = found->second;
            Stream& stream = plan_.streams[id];
            stream.last_layer = static_cast<int>(l);
            add_submaps(stream, known_submaps[id], term.window);
            plan_.layers[l].term_streams.push_back(id);
            joined.join(static_cast<std::size_t>(stream.first_layer), l);
        }
    }
    std::map<std::size_t, std::vector<std::size_t>> by_root;  // the root of a group is its first layer
    for (std::size_t l = 0; l < layer_count; ++l) by_root[joined.find(l)].push_back(l);
    for (auto& [root, members] : by_root) groups_.push_back(std::move(members));
}

GridBlocks PlanBuilder::fit(const std::vector<std::size_t>& group, int degree) const {
    // Whoever breaks the small ring once must not get pictures by it.
    if (degree != model::kDefaultDegree && depths_[group.front()] != scheme::kAllDepths)
        for (int id : streams_of(group))
            if (plan_.streams[id].source == 0)
                throw Error(ErrorKind::kUnsupported, "layer " + architecture_.layers[group.front()].name +
                                                         ": the picture is uploaded in the ring of degree " +
                                                         std::to_string(model::kDefaultDegree) + " only");
    std::vector<Demand> demands;
    for (std::size_t l : group)
        for (const model::Term& term : architecture_.layers[l].terms)
            demands.push_back(demand_of(architecture_.pooled_shape(term), term.window, architecture_.layers[l].output));
    return fit_grid(demands, degree, "layer " + architecture_.layers[group.front()].name);
}

int PlanBuilder::blocks(const std::vector<std::size_t>& group, int degree) const { return fit(group, degree).blocks; }

std::vector<int> PlanBuilder::streams_of(const std::vector<std::size_t>& group) const {
    std::vector<int> ids;
    for (std::size_t l : group)
        for (int id : plan_.layers[l].uploads) ids.push_back(id);
    return ids;
}

Grid PlanBuilder::fix_grid(const std::vector<std::size_t>& group, const model::PackingChoice& choice) {
    const int degree = choice.degree ? choice.degree : model::kDefaultDegree;
    const GridBlocks fitted = fit(group, degree);
    Grid grid = fitted.grid;
    const std::vector<int> ids = streams_of(group);
    const auto stream_of = [&](int id) -> Stream& { return plan_.streams[id]; };

    std::vector<const Stream*> streams;
    for (int id : ids) {
        Stream& stream = stream_of(id);
        stream.bands = 1;
        stream.rows_per_band = fitted.rows_per_band;
        stream.upload_bits = std::min(architecture_.upload_bits(stream.source),
                                      scheme::direct_ring(static_cast<std::size_t>(degree)).modulus_bits);
        streams.push_back(&stream);
    }
    std::vector<std::pair<const model::Layer*, int>> layers;
    for (std::size_t l : group) {
        const int bands = ceil_div(architecture_.layers[l].output.height, grid.band_rows);
        plan_.layers[l].bands = bands;
        layers.emplace_back(&architecture_.layers[l], bands);
        // Only the bands that some reader has: readers of one stream may differ in height.
        for (int id : plan_.layers[l].term_streams) stream_of(id).bands = std::max(stream_of(id).bands, bands);
    }
    const int fixed = choice.channels_per_input;
    const std::string& name = architecture_.layers[group.front()].name;
    if (fixed < 0 || fixed > fitted.blocks)
        throw Error(ErrorKind::kProtocol, "layer " + name + ": packing asks for " + std::to_string(fixed) +
                                              " channels per polynomial, at most " + std::to_string(fitted.blocks) +
                                              " fit");
    grid.channels_per_input = fixed ? fixed : choose_channels_per_input(degree, fitted.blocks, streams, layers);
    grid.channels_per_output = fitted.blocks / grid.channels_per_input;
    return grid;
}

void PlanBuilder::plan_group(const std::vector<std::size_t>& group, const model::PackingChoice& choice) {
    const Grid grid = fix_grid(group, choice);
    const std::vector<int> ids = streams_of(group);
    const std::string& name = architecture_.layers[group.front()].name;
    for (int id : ids) {
        Stream& stream = plan_.streams[id];
        stream.grid = grid;
        stream.polynomials_per_band = ceil_div(stream.packed_channels(), grid.channels_per_input);
        add_polynomials(std::int64_t{stream.bands} * stream.polynomials_per_band, name);
    }
    for (std::size_t l : group) plan_results(l, grid);
    mark_sent(group, ids);
}

void PlanBuilder::plan_results(std::size_t layer, const Grid& grid) {
    const model::Shape& output = architecture_.layers[layer].output;
    LinearPlan& linear = plan_.layers[layer];
    linear.grid = grid;
    linear.polynomials_per_band = ceil_div(output.channels, grid.channels_per_output);
    add_polynomials(std::int64_t{linear.bands} * linear.polynomials_per_band, architecture_.layers[layer].name);
    const int rows = std::min(grid.band_rows, output.height),
              last_rows = output.height - (linear.bands - 1) * grid.band_rows;
    linear.tiles = lattice::CoefficientTiles(result_ranges(grid, output, rows));
    linear.last_tiles = lattice::CoefficientTiles(result_ranges(grid, output, last_rows));
    const auto positions_of = [&](int count) {
        std::vector<std::uint16_t> positions;
        for (int slot = 0; slot < std::min(grid.channels_per_output, output.channels); ++slot)
            for (int row = 0; row < count; ++row)
                for (int column = 0; column < output.width; ++column)
                    positions.push_back(
                        static_cast<std::uint16_t>(grid.position(slot * grid.channels_per_input, 0, row, column)));
        return positions;
    };
    linear.positions = positions_of(rows);
    linear.last_positions = positions_of(last_rows);
}

/// On which coefficients of a group's streams the results of its layers depend.
void PlanBuilder::mark_sent(const std::vector<std::size_t>& group, const std::vector<int>& streams) {
    std::map<int, std::vector<bool>> marked;
    for (int id : streams) marked[id].resize(plan_.streams[id].degree(), false);
    for (std::size_t l : group) {
        const model::Layer& layer = architecture_.layers[l];
        const LinearPlan& linear = plan_.layers[l];
        const Grid& grid = linear.grid;
        const std::size_t n = linear.degree(), circle = 2 * n;  // shifts are counted mod 2n
        const auto results = result_ranges(grid, layer.output, std::min(grid.band_rows, layer.output.height));
        for (std::size_t t = 0; t < layer.terms.size(); ++t) {
            const int id = linear.term_streams[t];
            const Stream& stream = plan_.streams[id];
            std::vector<bool> shifts(circle, false);
            // Before the taps are enumerated, which takes so many steps even where few are found.
            const model::Window& window = layer.terms[t].window;
            spend(stream.submaps.size() * static_cast<std::size_t>(window.kernel_h) *
                      static_cast<std::size_t>(window.kernel_w),
                  layer.name);
            const std::vector<Tap> taps = taps_of(stream, window);
            spend(taps.size() * static_cast<std::size_t>(grid.channels_per_input * grid.channels_per_output),
                  layer.name);
            for (const Tap& tap : taps)
                for (int packed = 0; packed < grid.channels_per_input; ++packed)
                    for (int slot = 0; slot < grid.channels_per_output; ++slot)
                        shifts[shift_of(grid, packed, slot, tap) + grid.degree] = true;
            // How often each coefficient is read, as differences between neighbours on the circle of length n.
            std::vector<int> change(n + 1, 0);
            for (std::size_t s = 0; s < circle; ++s) {
                if (!shifts[s]) continue;
                spend(results.size(), layer.name);
                for (const lattice::CoefficientRange& range : results) {
                    const std::size_t begin = (range.begin + circle + n - s) % n, end = begin + range.size();
                    ++change[begin];
                    --change[std::min(end, n)];
                    if (end > n) {
                        ++change[0];
                        --change[end - n];
                    }
                }
            }
            int readers = 0;
            for (std::size_t i = 0; i < n; ++i) {
                readers += change[i];
                if (readers > 0) marked[id][i] = true;
            }
        }
    }
    for (const auto& [id, coefficients] : marked) plan_.streams[id].sent = ranges_of(coefficients);
}

/// Refuses what no real network needs.
void PlanBuilder::add_polynomials(std::int64_t count, const std::string& layer) {
    polynomials_ += count;
    if (count > kMaxPolynomials || polynomials_ > kMaxPolynomials)
        throw Error(ErrorKind::kUnsupported, "layer " + layer + ": the network needs more than " +
                                                 std::to_string(kMaxPolynomials) + " ciphertexts");
}

void PlanBuilder::spend(std::size_t steps, const std::string& layer) {
    steps_ += static_cast<std::int64_t>(steps);
    if (steps_ > kMaxPlanSteps)
        throw Error(ErrorKind::kUnsupported, "layer " + layer + ": the windows are too large to plan");
}

}  // namespace flash::packing
