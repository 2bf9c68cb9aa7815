#include "protocol/linear_map.h"

#include <tbb/parallel_for.h>

#include <algorithm>

#include "base/error.h"
#include "packing/taps.h"

namespace flash::protocol {

namespace {

/// Applies the map to one band, at the tiles that are asked for; `aligned`: the streams' low bytes may be taken as zero.
void apply_band(const LinearMap& map, const packing::Plan& plan, const packing::LinearPlan& linear, int band, const StreamPolynomials& streams,
                bool aligned, const lattice::CoefficientTiles& tiles, std::span<std::uint32_t> out) {
    const std::size_t rows = static_cast<std::size_t>(linear.polynomials_per_band), n = linear.degree();
    const auto stream_of = [&](int id) -> const packing::Stream& { return plan.streams[static_cast<std::size_t>(id)]; };
    const auto band_of = [&](int id) {
        const std::size_t size = static_cast<std::size_t>(stream_of(id).polynomials_per_band) * n;
        return streams(id).subspan(static_cast<std::size_t>(band) * size, size);
    };
    // Matrices one after the other: they add to the same words, and each is parallel in itself.
    for (const TermMatrix& matrix : map.matrices)
        matrix.product.apply(band_of(matrix.stream).subspan(matrix.first_input * n, matrix.product.inputs() * n), tiles,
                             aligned ? stream_of(matrix.stream).zero_low_bytes() : 0,
                             out.subspan(matrix.first_row * tiles.words(), matrix.product.rows() * tiles.words()));
    for (const ScaleTerm& term : map.scales) {
        const auto inputs = band_of(term.stream);
        // Entries of one result polynomial add to the same words: one task does a whole polynomial.
        tbb::parallel_for(tbb::blocked_range<std::size_t>(0, rows, 8), [&](const auto& range) {
            for (std::size_t e = range.begin() * term.per_output; e < std::min(range.end() * term.per_output, term.entries.size()); ++e) {
                const ScaledShift& s = term.entries[e];
                lattice::add_scaled_shift(inputs.subspan(s.input * n, n), s.shift, s.scale, tiles, out.subspan(s.output * tiles.words(), tiles.words()));
            }
        });
    }
}

/// Builds the products of one convolution term.
class TermBuilder {
public:
    TermBuilder(const model::Layer& layer, const model::Term& term, const model::TermWeights& weights, const packing::LinearPlan& linear,
                const packing::Stream& stream, int stream_id)
        : term_(term), weights_(weights), grid_(linear.grid), stream_(stream), stream_id_(stream_id), rows_(linear.polynomials_per_band),
          outputs_(layer.output.channels), inputs_(stream.shape.channels), group_inputs_(inputs_ / term.groups), group_outputs_(outputs_ / term.groups),
          tiles_(linear.tiles.count()), taps_(packing::taps_of(stream, term.window)) {}

    void build(LinearMap& map) const {
        const int phases = static_cast<int>(stream_.phases.size());
        if (term_.groups == 1) {
            map.matrices.push_back(matrix(0, rows_, 0, phases));
            return;
        }
        if (group_inputs_ == 1) {
            map.scales.push_back(depthwise());
            return;
        }
        // As many result polynomials at a time as hold the outputs of one group (where one does not hold several), and one phase at a time,
        // so that the inputs of a matrix lie close together.
        const int chunk = std::max(1, group_outputs_ / grid_.channels_per_output);
        for (int row = 0; row < rows_; row += chunk)
            for (int phase = 0; phase < phases; ++phase)
                if (std::ranges::any_of(taps_, [&](const packing::Tap& tap) { return tap.phase == phase; }))
                    map.matrices.push_back(matrix(row, std::min(row + chunk, rows_), phase, phase + 1));
    }

private:
    std::size_t weight_index(int output, int group_channel, const packing::Tap& tap) const {
        const auto at = [](int value) { return static_cast<std::size_t>(value); };
        return ((at(output) * at(group_inputs_) + at(group_channel)) * at(term_.window.kernel_h) + at(tap.dy)) * at(term_.window.kernel_w) + at(tap.dx);
    }

    /// The result polynomials [begin, end) of what the phases [first, last) bring. A column moves packed channel `packed` by one tap into
    /// output block `slot`. Columns are kept apart even where their shifts coincide, so that every entry is one weight and stays within int8.
    TermMatrix matrix(int begin, int end, int first, int last) const {
        struct Column {
            int channel, slot;
            const packing::Tap* tap;
        };
        const int g1 = grid_.channels_per_input, g2 = grid_.channels_per_output;
        // Groups of the outputs of these polynomials, and of each slot of them.
        const auto group_of = [&](int row, int slot) { return std::min(row * g2 + slot, outputs_ - 1) / group_outputs_; };
        const int from = group_of(begin, 0) * group_inputs_, to = (group_of(end - 1, g2 - 1) + 1) * group_inputs_;
        const int first_input = (first * inputs_ + from) / g1, last_input = ((last - 1) * inputs_ + to - 1) / g1;
        std::vector<Column> columns;
        std::vector<lattice::ShiftedInput> shifted;
        for (int phase = first; phase < last; ++phase)
            for (int channel = from; channel < to; ++channel)
                for (const packing::Tap& tap : taps_) {
                    if (tap.phase != phase) continue;
                    const int packed = phase * inputs_ + channel, group = channel / group_inputs_;
                    for (int slot = 0; slot < g2; ++slot) {
                        if (group < group_of(begin, slot) || group > group_of(end - 1, slot)) continue;
                        shifted.push_back({static_cast<std::uint32_t>(packed / g1 - first_input), packing::shift_of(grid_, packed % g1, slot, tap)});
                        columns.push_back({channel, slot, &tap});
                    }
                }
        const auto rows = static_cast<std::size_t>(end - begin);
        std::vector<std::int8_t> entries(rows * columns.size());
        for (std::size_t row = 0; row < rows; ++row) {
            std::int8_t* out = entries.data() + row * columns.size();
            for (std::size_t c = 0; c < columns.size(); ++c) {
                const int output = (begin + static_cast<int>(row)) * g2 + columns[c].slot, channel = columns[c].channel;
                if (output >= outputs_ || output / group_outputs_ != channel / group_inputs_) continue;
                out[c] = weights_.weights[weight_index(output, channel % group_inputs_, *columns[c].tap)];
            }
        }
        return {stream_id_, static_cast<std::size_t>(first_input), static_cast<std::size_t>(begin),
                lattice::ShiftedProduct(stream_.degree(), static_cast<std::size_t>(last_input - first_input + 1), shifted, entries, rows,
                                        static_cast<std::uint32_t>(weights_.multiplier), {tiles_, stream_.zero_low_bytes(), {}})};
    }

    /// One channel per group: a few scaled shifts for each output. There is nothing to share between outputs, so a matrix would only hold zeros.
    ScaleTerm depthwise() const {
        const int g1 = grid_.channels_per_input, g2 = grid_.channels_per_output;
        ScaleTerm term{stream_id_, static_cast<std::size_t>(g2) * taps_.size(), {}};
        term.entries.reserve(static_cast<std::size_t>(outputs_) * taps_.size());
        for (int output = 0; output < outputs_; ++output)
            for (const packing::Tap& tap : taps_) {
                const int packed = tap.phase * inputs_ + output / group_outputs_;
                const std::int32_t scale = weights_.multiplier * weights_.weights[weight_index(output, 0, tap)];
                term.entries.push_back({static_cast<std::uint32_t>(packed / g1), static_cast<std::uint32_t>(output / g2),
                                        packing::shift_of(grid_, packed % g1, output % g2, tap), static_cast<std::uint32_t>(scale)});
            }
        return term;
    }

    const model::Term& term_;
    const model::TermWeights& weights_;
    const packing::Grid& grid_;
    const packing::Stream& stream_;
    int stream_id_, rows_, outputs_, inputs_, group_inputs_, group_outputs_;
    std::size_t tiles_;
    std::vector<packing::Tap> taps_;
};

ScaleTerm build_scale(const model::Layer& layer, const model::TermWeights& weights, const packing::LinearPlan& linear, int stream) {
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
            TermBuilder(layer, term, weights, linear, stream, stream_id).build(map);
        } else {
            // A shortcut has a 1x1 window with stride 1: one phase, so packed channel = channel.
            map.scales.push_back(build_scale(layer, weights, linear, stream_id));
        }
    }
    return map;
}

std::size_t LinearMap::memory_bytes() const {
    std::size_t bytes = 0;
    for (const TermMatrix& matrix : matrices) bytes += matrix.product.memory_bytes();
    for (const ScaleTerm& term : scales) bytes += term.entries.size() * sizeof(ScaledShift);
    return bytes;
}

void apply_whole(const LinearMap& map, const packing::Plan& plan, int index, const StreamPolynomials& streams, std::span<std::uint32_t> out) {
    const packing::LinearPlan& linear = plan.layers[static_cast<std::size_t>(index)];
    const std::size_t words = static_cast<std::size_t>(linear.polynomials_per_band) * linear.degree();
    require(out.size() == static_cast<std::size_t>(linear.bands) * words, ErrorKind::kInternal, "linear map: wrong size of the result");
    const lattice::CoefficientTiles whole = lattice::CoefficientTiles::whole(linear.degree());
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
