#include "protocol/linear_map.h"

#include <tbb/parallel_for.h>

#include <algorithm>

#include "base/error.h"
#include "packing/taps.h"

namespace flash::protocol {

namespace {

/// Calls apply(matrix, its inputs, its rows of the result) for all matrices, one after the other: they add to the same
/// words, and each is parallel in itself. Then adds the scaled shifts, at the tiles that are asked for.
template <class Apply>
void apply_band(const LinearMap& map, const packing::Plan& plan, const packing::LinearPlan& linear, int band,
                const StreamPolynomials& streams, const lattice::CoefficientTiles& tiles, std::span<std::uint32_t> out,
                const Apply& apply) {
    const std::size_t rows = static_cast<std::size_t>(linear.polynomials_per_band), n = linear.degree();
    const auto band_of = [&](int id) {
        const std::size_t size =
            static_cast<std::size_t>(plan.streams[static_cast<std::size_t>(id)].polynomials_per_band) * n;
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

/// One matrix of a term before it has weights.
struct MatrixShape {
    std::size_t first_input = 0, inputs = 0, first_row = 0, rows = 0;
    std::vector<lattice::ShiftedInput> shifts;
    /// Where a column's weights are: output block, group of the channel, and index among an output's weights.
    struct Column {
        int slot, group;
        std::uint32_t weight;
    };
    std::vector<Column> columns;
};

/// Lays out one convolution term.
class TermLayout {
public:
    TermLayout(const model::Layer& layer, const model::Term& term, const packing::LinearPlan& linear,
               const packing::Stream& stream)
        : term_(term),
          grid_(linear.grid),
          stream_(stream),
          rows_(linear.polynomials_per_band),
          outputs_(layer.output.channels),
          inputs_(stream.shape.channels),
          group_inputs_(inputs_ / term.groups),
          group_outputs_(outputs_ / term.groups),
          taps_(packing::taps_of(stream, term.window)) {}

    /// One channel per group: a few scaled shifts for each output. There is nothing to share between outputs, so a
    /// matrix would only hold zeros.
    bool depthwise() const { return term_.groups > 1 && group_inputs_ == 1; }

    /// Calls visit(MatrixShape) for the products of a term that is not depthwise.
    template <class Visit>
    void for_matrices(const Visit& visit) const {
        const int phases = static_cast<int>(stream_.phases.size());
        if (term_.groups == 1) {
            visit(matrix(0, rows_, 0, phases));
            return;
        }
        // As many result polynomials at a time as hold the outputs of one group (where one does not hold several), and
        // one phase at a time, so that the inputs of a matrix lie close together.
        const int chunk = std::max(1, group_outputs_ / grid_.channels_per_output);
        for (int row = 0; row < rows_; row += chunk)
            for (int phase = 0; phase < phases; ++phase)
                if (std::ranges::any_of(taps_, [&](const packing::Tap& tap) { return tap.phase == phase; }))
                    visit(matrix(row, std::min(row + chunk, rows_), phase, phase + 1));
    }

    /// The weights of one row of a matrix.
    void fill_row(const MatrixShape& matrix, const model::TermWeights& weights, std::size_t row,
                  std::span<std::int8_t> out) const {
        const int first = static_cast<int>(matrix.first_row + row) * grid_.channels_per_output;
        const std::size_t per_output = weights.weights.size() / static_cast<std::size_t>(outputs_);
        for (std::size_t c = 0; c < out.size(); ++c) {
            const MatrixShape::Column& column = matrix.columns[c];
            const int output = first + column.slot;
            const bool there = output < outputs_ && (term_.groups == 1 || output / group_outputs_ == column.group);
            out[c] =
                there ? weights.weights[static_cast<std::size_t>(output) * per_output + column.weight] : std::int8_t{0};
        }
    }

    ScaleTerm depthwise_term(int stream, const model::TermWeights& weights) const {
        const int g1 = grid_.channels_per_input, g2 = grid_.channels_per_output;
        ScaleTerm term{stream, static_cast<std::size_t>(g2) * taps_.size(), {}};
        term.entries.reserve(static_cast<std::size_t>(outputs_) * taps_.size());
        const std::size_t per_output = weights.weights.size() / static_cast<std::size_t>(outputs_);
        for (int output = 0; output < outputs_; ++output)
            for (const packing::Tap& tap : taps_) {
                const int packed = tap.phase * inputs_ + output / group_outputs_;
                const std::int32_t scale =
                    weights.multiplier *
                    weights.weights[static_cast<std::size_t>(output) * per_output + weight_of(0, tap)];
                term.entries.push_back(
                    {static_cast<std::uint32_t>(packed / g1), static_cast<std::uint32_t>(output / g2),
                     packing::shift_of(grid_, packed % g1, output % g2, tap), static_cast<std::uint32_t>(scale)});
            }
        return term;
    }

private:
    /// Index among an output's weights.
    std::uint32_t weight_of(int group_channel, const packing::Tap& tap) const {
        return static_cast<std::uint32_t>((group_channel * term_.window.kernel_h + tap.dy) * term_.window.kernel_w +
                                          tap.dx);
    }

    /// The result polynomials [begin, end) of what the phases [first, last) bring. A column moves packed channel
    /// `packed` by one tap into output block `slot`. Columns are kept apart even where their shifts coincide, so that
    /// every entry is one weight and stays within int8.
    MatrixShape matrix(int begin, int end, int first, int last) const {
        const int g1 = grid_.channels_per_input, g2 = grid_.channels_per_output;
        // Groups of the outputs of these polynomials, and of each slot of them.
        const auto group_of = [&](int row, int slot) {
            return std::min(row * g2 + slot, outputs_ - 1) / group_outputs_;
        };
        const int from = group_of(begin, 0) * group_inputs_, to = (group_of(end - 1, g2 - 1) + 1) * group_inputs_;
        const int first_input = (first * inputs_ + from) / g1, last_input = ((last - 1) * inputs_ + to - 1) / g1;
        MatrixShape shape{static_cast<std::size_t>(first_input),
                          static_cast<std::size_t>(last_input - first_input + 1),
                          static_cast<std::size_t>(begin),
                          static_cast<std::size_t>(end - begin),
                          {},
                          {}};
        for (int phase = first; phase < last; ++phase)
            for (int channel = from; channel < to; ++channel)
                for (const packing::Tap& tap : taps_) {
                    if (tap.phase != phase) continue;
                    const int packed = phase * inputs_ + channel, group = channel / group_inputs_;
                    for (int slot = 0; slot < g2; ++slot) {
                        if (group < group_of(begin, slot) || group > group_of(end - 1, slot)) continue;
                        shape.shifts.push_back({static_cast<std::uint32_t>(packed / g1 - first_input),
                                                packing::shift_of(grid_, packed % g1, slot, tap)});
                        shape.columns.push_back({slot, group, weight_of(channel % group_inputs_, tap)});
                    }
                }
        return shape;
    }

    const model::Term& term_;
    const packing::Grid& grid_;
    const packing::Stream& stream_;
    int rows_, outputs_, inputs_, group_inputs_, group_outputs_;
    std::vector<packing::Tap> taps_;
};

/// Calls visit(term index, stream id, layout) for the convolution terms of a layer.
template <class Visit>
void for_convolutions(const model::Architecture& architecture, const packing::Plan& plan, int index,
                      const Visit& visit) {
    const model::Layer& layer = architecture.layers[static_cast<std::size_t>(index)];
    const packing::LinearPlan& linear = plan.layers[static_cast<std::size_t>(index)];
    for (std::size_t t = 0; t < layer.terms.size(); ++t)
        if (layer.terms[t].kind == model::TermKind::kConvolution) {
            const int stream = linear.term_streams[t];
            visit(t, stream, TermLayout(layer, layer.terms[t], linear, plan.streams[static_cast<std::size_t>(stream)]));
        }
}

ScaleTerm build_scale(const model::Layer& layer, const model::TermWeights& weights, const packing::LinearPlan& linear,
                      int stream) {
    const int g1 = linear.grid.channels_per_input, g2 = linear.grid.channels_per_output;
    ScaleTerm term{stream, static_cast<std::size_t>(g2), {}};
    for (int channel = 0; channel < layer.output.channels; ++channel) {
        term.entries.push_back({static_cast<std::uint32_t>(channel / g1), static_cast<std::uint32_t>(channel / g2),
                                packing::shift_of(linear.grid, channel % g1, channel % g2, {}),
                                static_cast<std::uint32_t>(weights.scale[static_cast<std::size_t>(channel)])});
    }
    return term;
}

}  // namespace

std::vector<lattice::ProductOffer> product_offers(const model::Architecture& architecture, const packing::Plan& plan,
                                                  int index, const lattice::ProductRates& rates, InstructionSet set) {
    const packing::LinearPlan& linear = plan.layers[static_cast<std::size_t>(index)];
    std::vector<lattice::ProductOffer> offers;
    for_convolutions(architecture, plan, index, [&](std::size_t, int stream, const TermLayout& layout) {
        if (layout.depthwise()) return;
        const lattice::ProductUse use{
            linear.tiles.count(), plan.streams[static_cast<std::size_t>(stream)].zero_low_bytes(), {}};
        layout.for_matrices([&](const MatrixShape& shape) {
            lattice::ProductOffer offer =
                lattice::offer_of({linear.degree(), shape.inputs, shape.rows, shape.shifts}, use, rates, set);
            // An inference applies it to every band.
            offer.direct_seconds *= linear.bands;
            offer.transform_seconds *= linear.bands;
            offers.push_back(offer);
        });
    });
    return offers;
}

LinearMap build_linear_map(const model::Architecture& architecture, const packing::Plan& plan, int index,
                           const model::LayerWeights& weights, std::span<const lattice::ProductMethod> methods) {
    const auto at = static_cast<std::size_t>(index);
    const model::Layer& layer = architecture.layers[at];
    const packing::LinearPlan& linear = plan.layers[at];
    LinearMap map;
    for_convolutions(architecture, plan, index, [&](std::size_t t, int stream_id, const TermLayout& layout) {
        const model::TermWeights& values = weights.terms[t];
        if (layout.depthwise()) {
            map.scales.push_back(layout.depthwise_term(stream_id, values));
            return;
        }
        layout.for_matrices([&](const MatrixShape& shape) {
            lattice::ProductUse use{
                linear.tiles.count(), plan.streams[static_cast<std::size_t>(stream_id)].zero_low_bytes(), {}};
            if (!methods.empty()) use.method = methods[map.matrices.size()];
            const auto rows = [&](std::size_t row, std::span<std::int8_t> out) {
                layout.fill_row(shape, values, row, out);
            };
            map.matrices.push_back(
                {stream_id, shape.first_input, shape.first_row,
                 lattice::ShiftedProduct(linear.degree(), shape.inputs, shape.shifts, rows, shape.rows,
                                         static_cast<std::uint32_t>(values.multiplier), use)});
        });
    });
    for (std::size_t t = 0; t < layer.terms.size(); ++t)
        // A shortcut has a 1x1 window with stride 1: one phase, so packed channel = channel.
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

void apply_whole(const LinearMap& map, const packing::Plan& plan, int index, const StreamPolynomials& streams,
                 std::span<std::uint32_t> out) {
    const packing::LinearPlan& linear = plan.layers[static_cast<std::size_t>(index)];
    const std::size_t words = static_cast<std::size_t>(linear.polynomials_per_band) * linear.degree();
    require(out.size() == static_cast<std::size_t>(linear.bands) * words, ErrorKind::kInternal,
            "linear map: wrong size of the result");
    const lattice::CoefficientTiles whole = lattice::CoefficientTiles::whole(linear.degree());
    for (int band = 0; band < linear.bands; ++band)
        apply_band(map, plan, linear, band, streams, whole, out.subspan(static_cast<std::size_t>(band) * words, words),
                   [](const TermMatrix& matrix, auto in, auto rows) { matrix.product.apply_once(in, rows); });
}

void apply_results(const LinearMap& map, const packing::Plan& plan, int index, int band,
                   const StreamPolynomials& streams, std::span<std::uint32_t> out) {
    const packing::LinearPlan& linear = plan.layers[static_cast<std::size_t>(index)];
    const lattice::CoefficientTiles& tiles = linear.tiles_of_band(band);
    require(out.size() == static_cast<std::size_t>(linear.polynomials_per_band) * tiles.words(), ErrorKind::kInternal,
            "linear map: wrong size of the result");
    apply_band(map, plan, linear, band, streams, tiles, out, [&](const TermMatrix& matrix, auto in, auto rows) {
        matrix.product.apply(in, tiles, plan.streams[static_cast<std::size_t>(matrix.stream)].zero_low_bytes(), rows);
    });
}

}  // namespace flash::protocol
