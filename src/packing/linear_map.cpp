#include "packing/linear_map.h"

#include <tbb/parallel_for.h>

#include <algorithm>

#include "base/error.h"
#include "packing/taps.h"
#include "packing/term_layout.h"

namespace flash::packing {

namespace {

/// Calls apply(matrix, its inputs, its rows of the result) for all matrices, one after the other: they add to the same
/// words, and each is parallel in itself. Then adds the scaled shifts, at the tiles that are asked for.
template <class Apply>
void apply_band(const LinearMap& map, const Plan& plan, const LinearPlan& linear, int band,
                const StreamPolynomials& streams, const lattice::CoefficientTiles& tiles, std::span<std::uint32_t> out,
                const Apply& apply) {
    const std::size_t rows = static_cast<std::size_t>(linear.polynomials_per_band), n = linear.degree();
    const auto band_of = [&](int id) {
        const std::size_t size = static_cast<std::size_t>(plan.streams[id].polynomials_per_band) * n;
        return streams(id).subspan(static_cast<std::size_t>(band) * size, size);
    };
    for (const TermMatrix& matrix : map.matrices)
        apply(matrix, band_of(matrix.stream).subspan(matrix.first_input * n, matrix.product.inputs() * n),
              out.subspan(matrix.first_row * tiles.words(), matrix.product.rows() * tiles.words()));
    for (const ScaleTerm& term : map.scales) {
        const auto inputs = band_of(term.stream);
        // Entries of one result polynomial add to the same words: one task does a whole polynomial.
        tbb::parallel_for(tbb::blocked_range<std::size_t>(0, rows, 8), [&](const auto& range) {
            for (std::size_t e = range.begin() * term.per_output;
                 e < std::min(range.end() * term.per_output, term.entries.size()); ++e) {
                const ScaledShift& s = term.entries[e];
                lattice::add_scaled_shift(inputs.subspan(s.input * n, n), s.shift, s.scale, tiles,
                                          out.subspan(s.output * tiles.words(), tiles.words()));
            }
        });
    }
}

/// The scaled shifts of a depthwise term.
ScaleTerm build_depthwise(const TermLayout& layout, const model::TermWeights& weights, const LinearPlan& linear,
                          int stream) {
    const int g1 = linear.grid.channels_per_input, g2 = linear.grid.channels_per_output;
    ScaleTerm term{stream, g2 * layout.taps().size(), {}};
    term.entries.reserve(layout.outputs() * layout.taps().size());
    const std::size_t per_output = weights.weights.size() / layout.outputs();
    for (int output = 0; output < layout.outputs(); ++output)
        for (const Tap& tap : layout.taps()) {
            const int packed = layout.depthwise_input(output, tap);
            const std::int32_t scale =
                weights.multiplier * weights.weights[output * per_output + layout.weight_of(0, tap)];
            term.entries.push_back({static_cast<std::uint32_t>(packed / g1), static_cast<std::uint32_t>(output / g2),
                                    shift_of(linear.grid, packed % g1, output % g2, tap),
                                    static_cast<std::uint32_t>(scale)});
        }
    return term;
}

/// Calls visit(term index, stream id, layout) for the convolution terms of a layer.
template <class Visit>
void for_convolutions(const model::Architecture& architecture, const Plan& plan, int index, const Visit& visit) {
    const model::Layer& layer = architecture.layers[index];
    const LinearPlan& linear = plan.layers[index];
    for (std::size_t t = 0; t < layer.terms.size(); ++t)
        if (layer.terms[t].kind == model::TermKind::kConvolution) {
            const int stream = linear.term_streams[t];
            visit(t, stream, TermLayout(layer, layer.terms[t], linear, plan.streams[stream]));
        }
}

ScaleTerm build_scale(const model::Layer& layer, const model::TermWeights& weights, const LinearPlan& linear,
                      int stream) {
    const int g1 = linear.grid.channels_per_input, g2 = linear.grid.channels_per_output;
    ScaleTerm term{stream, static_cast<std::size_t>(g2), {}};
    for (int channel = 0; channel < layer.output.channels; ++channel) {
        term.entries.push_back({static_cast<std::uint32_t>(channel / g1), static_cast<std::uint32_t>(channel / g2),
                                shift_of(linear.grid, channel % g1, channel % g2, {}),
                                static_cast<std::uint32_t>(weights.scale[channel])});
    }
    return term;
}

}  // namespace

std::vector<lattice::ProductOffer> product_offers(const model::Architecture& architecture, const Plan& plan, int index,
                                                  const lattice::ProductRates& rates, InstructionSet set) {
    const LinearPlan& linear = plan.layers[index];
    std::vector<lattice::ProductOffer> offers;
    for_convolutions(architecture, plan, index, [&](std::size_t, int stream, const TermLayout& layout) {
        if (layout.depthwise()) return;
        const lattice::ProductUse use{linear.tiles.count(), plan.streams[stream].zero_low_bytes(), {}};
        for (const MatrixExtent& extent : layout.matrices()) {
            const MatrixColumns columns = layout.columns(extent);
            lattice::ProductOffer offer =
                lattice::offer_of({linear.degree(), extent.inputs, extent.rows, columns.shifts}, use, rates, set);
            // An inference applies it to every band.
            offer.direct_seconds *= linear.bands;
            offer.transform_seconds *= linear.bands;
            offers.push_back(offer);
        }
    });
    return offers;
}

LinearMap build_linear_map(const model::Architecture& architecture, const Plan& plan, int index,
                           const model::LayerWeights& weights, std::span<const lattice::ProductMethod> methods) {
    const model::Layer& layer = architecture.layers[index];
    const LinearPlan& linear = plan.layers[index];
    LinearMap map;
    for_convolutions(architecture, plan, index, [&](std::size_t t, int stream_id, const TermLayout& layout) {
        const model::TermWeights& values = weights.terms[t];
        if (layout.depthwise()) {
            map.scales.push_back(build_depthwise(layout, values, linear, stream_id));
            return;
        }
        for (const MatrixExtent& extent : layout.matrices()) {
            const MatrixColumns columns = layout.columns(extent);
            lattice::ProductUse use{linear.tiles.count(), plan.streams[stream_id].zero_low_bytes(), {}};
            if (!methods.empty()) use.method = methods[map.matrices.size()];
            const auto rows = [&](std::size_t row, std::span<std::int8_t> out) {
                layout.fill_row(extent, columns, values, row, out);
            };
            map.matrices.push_back(
                {stream_id, extent.first_input, extent.first_row,
                 lattice::ShiftedProduct(linear.degree(), extent.inputs, columns.shifts, rows, extent.rows,
                                         static_cast<std::uint32_t>(values.multiplier), use)});
        }
    });
    for (std::size_t t = 0; t < layer.terms.size(); ++t)
        // A shortcut has a 1x1 window with stride 1: one submap, so packed channel = channel.
        if (layer.terms[t].kind == model::TermKind::kScale)
            map.scales.push_back(build_scale(layer, weights.terms[t], linear, linear.term_streams[t]));
    return map;
}

std::size_t LinearMap::memory_bytes() const {
    std::size_t bytes = 0;
    for (const TermMatrix& matrix : matrices) bytes += matrix.product.memory_bytes();
    for (const ScaleTerm& term : scales) bytes += term.entries.size() * sizeof(ScaledShift);
    return bytes;
}

void apply_whole(const LinearMap& map, const Plan& plan, int index, const StreamPolynomials& streams,
                 std::span<std::uint32_t> out) {
    const LinearPlan& linear = plan.layers[index];
    const std::size_t words = static_cast<std::size_t>(linear.polynomials_per_band) * linear.degree();
    require(out.size() == static_cast<std::size_t>(linear.bands) * words, ErrorKind::kInternal,
            "linear map: wrong size of the result");
    const lattice::CoefficientTiles whole = lattice::CoefficientTiles::whole(linear.degree());
    for (int band = 0; band < linear.bands; ++band)
        apply_band(map, plan, linear, band, streams, whole, out.subspan(static_cast<std::size_t>(band) * words, words),
                   [](const TermMatrix& matrix, auto in, auto rows) { matrix.product.apply_once(in, rows); });
}

void apply_results(const LinearMap& map, const Plan& plan, int index, int band, const StreamPolynomials& streams,
                   std::span<std::uint32_t> out) {
    const LinearPlan& linear = plan.layers[index];
    const lattice::CoefficientTiles& tiles = linear.tiles_of_band(band);
    require(out.size() == static_cast<std::size_t>(linear.polynomials_per_band) * tiles.words(), ErrorKind::kInternal,
            "linear map: wrong size of the result");
    apply_band(map, plan, linear, band, streams, tiles, out, [&](const TermMatrix& matrix, auto in, auto rows) {
        matrix.product.apply(in, tiles, plan.streams[matrix.stream].zero_low_bytes(), rows);
    });
}

}  // namespace flash::packing
