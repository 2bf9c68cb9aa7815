#include "protocol/linear_map.h"

#include <tbb/parallel_for.h>

#include <algorithm>

#include "base/error.h"
#include "packing/taps.h"
#include "scheme/parameters.h"

namespace flash::protocol {

namespace {

/// Applies the map to one band, at the tiles that are asked for; `aligned`: the streams' low bytes may be taken as zero.
void apply_band(const LinearMap& map, const packing::Plan& plan, const packing::LinearPlan& linear, int band, const StreamPolynomials& streams,
                bool aligned, const lattice::CoefficientTiles& tiles, std::span<std::uint32_t> out) {
    const auto rows = static_cast<std::size_t>(linear.polynomials_per_band);
    const auto stream_of = [&](int id) -> const packing::Stream& { return plan.streams[static_cast<std::size_t>(id)]; };
    const auto band_of = [&](int id) {
        const std::size_t size = static_cast<std::size_t>(stream_of(id).polynomials_per_band) * scheme::kDirectDegree;
        return streams(id).subspan(static_cast<std::size_t>(band) * size, size);
    };
    for (const TermMatrix& matrix : map.matrices)
        matrix.product.apply(band_of(matrix.stream), tiles, aligned ? stream_of(matrix.stream).zero_low_bytes() : 0, out);
    for (const ScaleTerm& term : map.scales) {
        const auto inputs = band_of(term.stream);
        // Channels that share a result polynomial add to the same words: one task does a whole polynomial.
        const auto per_row = static_cast<std::size_t>(linear.grid.channels_per_output);
        tbb::parallel_for(tbb::blocked_range<std::size_t>(0, rows, 8), [&](const auto& range) {
            for (std::size_t c = range.begin() * per_row; c < std::min(range.end() * per_row, term.channels.size()); ++c) {
                const ScaledShift& s = term.channels[c];
                lattice::add_scaled_shift(inputs.subspan(s.input * scheme::kDirectDegree, scheme::kDirectDegree), s.shift, s.scale, tiles,
                                          out.subspan(s.output * tiles.words(), tiles.words()));
            }
        });
    }
}

lattice::ShiftedProduct build_product(const model::Layer& layer, const model::Term& term, const model::TermWeights& weights,
                        const packing::LinearPlan& linear, const packing::Stream& stream) {
    const packing::Grid& grid = linear.grid;
    const model::Window& window = term.window;
    const int inputs = stream.shape.channels;
    const int g1 = grid.channels_per_input, g2 = grid.channels_per_output;
    // A column moves packed channel `packed` by one tap into output block `slot`. Columns are kept apart even where their shifts coincide, so
    // that every entry is one weight and stays within int8.
    struct Column {
        int channel, dy, dx, slot;
    };
    std::vector<Column> columns;
    std::vector<lattice::ShiftedInput> shifted;
    const std::vector<packing::Tap> taps = packing::taps_of(stream, window);
    for (int packed = 0; packed < stream.packed_channels(); ++packed)
        for (const packing::Tap& tap : taps) {
            if (tap.phase != packed / inputs) continue;
            for (int slot = 0; slot < g2; ++slot) {
                shifted.push_back({static_cast<std::uint32_t>(packed / g1), packing::shift_of(grid, packed % g1, slot, tap)});
                columns.push_back({packed % inputs, tap.dy, tap.dx, slot});
            }
        }
    const auto rows = static_cast<std::size_t>(linear.polynomials_per_band);
    std::vector<std::int8_t> entries(rows * columns.size());
    for (std::size_t row = 0; row < rows; ++row) {
        std::int8_t* out = entries.data() + row * columns.size();
        for (std::size_t c = 0; c < columns.size(); ++c) {
            const int output = static_cast<int>(row) * g2 + columns[c].slot;
            if (output >= layer.output.channels) continue;
            const std::size_t at =
                ((static_cast<std::size_t>(output) * static_cast<std::size_t>(inputs) + static_cast<std::size_t>(columns[c].channel)) *
                     static_cast<std::size_t>(window.kernel_h) + static_cast<std::size_t>(columns[c].dy)) *
                    static_cast<std::size_t>(window.kernel_w) + static_cast<std::size_t>(columns[c].dx);
            out[c] = weights.weights[at];
        }
    }
    return lattice::ShiftedProduct(scheme::kDirectDegree, static_cast<std::size_t>(stream.polynomials_per_band), shifted, entries, rows,
                                   static_cast<std::uint32_t>(weights.multiplier), {linear.tiles.count(), stream.zero_low_bytes(), {}});
}

ScaleTerm build_scale(const model::Layer& layer, const model::TermWeights& weights, const packing::LinearPlan& linear) {
    const int g1 = linear.grid.channels_per_input, g2 = linear.grid.channels_per_output;
    ScaleTerm term;
    for (int channel = 0; channel < layer.output.channels; ++channel) {
        term.channels.push_back({static_cast<std::uint32_t>(channel / g1), static_cast<std::uint32_t>(channel / g2),
                                 packing::shift_of(linear.grid, channel % g1, channel % g2, {}),
                                 static_cast<std::uint32_t>(weights.scale[static_cast<std::size_t>(channel)])});
    }
    return term;
}

}  // namespace

LinearMap build_linear_map(const model::Model& model, const packing::Plan& plan, int index) {
    const auto at = static_cast<std::size_t>(index);
    const model::Layer& layer = model.architecture.layers[at];
    const packing::LinearPlan& linear = plan.layers[at];
    LinearMap map;
    for (std::size_t t = 0; t < layer.terms.size(); ++t) {
        const model::Term& term = layer.terms[t];
        const model::TermWeights& weights = model.weights.layers[at].terms[t];
        const int stream_id = linear.term_streams[t];
        const packing::Stream& stream = plan.streams[static_cast<std::size_t>(stream_id)];
        if (term.kind == model::TermKind::kConvolution) {
            map.matrices.push_back({stream_id, build_product(layer, term, weights, linear, stream)});
        } else {
            // A shortcut has a 1x1 window with stride 1: one phase, so packed channel = channel.
            map.scales.push_back(build_scale(layer, weights, linear));
            map.scales.back().stream = stream_id;
        }
    }
    return map;
}

std::size_t LinearMap::memory_bytes() const {
    std::size_t bytes = 0;
    for (const TermMatrix& matrix : matrices) bytes += matrix.product.memory_bytes();
    for (const ScaleTerm& term : scales) bytes += term.channels.size() * sizeof(ScaledShift);
    return bytes;
}

void apply_whole(const LinearMap& map, const packing::Plan& plan, int index, const StreamPolynomials& streams, std::span<std::uint32_t> out) {
    const packing::LinearPlan& linear = plan.layers[static_cast<std::size_t>(index)];
    const std::size_t words = static_cast<std::size_t>(linear.polynomials_per_band) * scheme::kDirectDegree;
    require(out.size() == static_cast<std::size_t>(linear.bands) * words, ErrorKind::kInternal, "linear map: wrong size of the result");
    const lattice::CoefficientTiles whole = lattice::CoefficientTiles::whole(scheme::kDirectDegree);
    for (int band = 0; band < linear.bands; ++band)
        apply_band(map, plan, linear, band, streams, false, whole, out.subspan(static_cast<std::size_t>(band) * words, words));
}

void apply_results(const LinearMap& map, const packing::Plan& plan, int index, int band, const StreamPolynomials& streams,
                   std::span<std::uint32_t> out) {
    const packing::LinearPlan& linear = plan.layers[static_cast<std::size_t>(index)];
    const lattice::CoefficientTiles& tiles = linear.tiles_of_band(band);
    require(out.size() == static_cast<std::size_t>(linear.polynomials_per_band) * tiles.words(), ErrorKind::kInternal, "linear map: wrong size of the result");
    apply_band(map, plan, linear, band, streams, true, tiles, out);
}

}  // namespace flash::protocol
