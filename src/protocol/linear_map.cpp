#include "protocol/linear_map.h"

#include "base/error.h"
#include "packing/grid.h"
#include "scheme/parameters.h"

namespace flash::protocol {

namespace {

constexpr int kDegree = static_cast<int>(scheme::kDirectDegree);

TermMatrix build_matrix(const model::Layer& layer, const model::Term& term, const model::TermWeights& weights,
                        const packing::LinearPlan& linear, const packing::Stream& stream) {
    const packing::Grid& grid = linear.grid;
    const model::Window& window = term.window;
    const int inputs = stream.shape.channels;
    const int g1 = grid.channels_per_input, g2 = grid.channels_per_output;
    TermMatrix matrix;
    matrix.multiplier = static_cast<std::uint32_t>(weights.multiplier);

    // A column moves packed channel `packed` by one tap into output block `slot`. Columns are kept apart even where their
    // shifts coincide, so that every entry is one weight and stays within int8.
    struct Column {
        int channel, dy, dx, slot;
        bool negative;
    };
    std::vector<Column> columns;
    for (int packed = 0; packed < stream.packed_channels(); ++packed) {
        const packing::Phase phase = stream.phases[static_cast<std::size_t>(packed / inputs)];
        for (int dy = 0; dy < window.kernel_h; ++dy) {
            const int row_shift = dy - window.pad_top - phase.row;
            if (row_shift != packing::floor_div(row_shift, window.stride_h) * window.stride_h) continue;
            const int offset_row = packing::floor_div(row_shift, window.stride_h);
            for (int dx = 0; dx < window.kernel_w; ++dx) {
                const int column_shift = dx - window.pad_left - phase.column;
                if (column_shift != packing::floor_div(column_shift, window.stride_w) * window.stride_w) continue;
                const int offset_column = packing::floor_div(column_shift, window.stride_w);
                for (int slot = 0; slot < g2; ++slot) {
                    int shift = (slot * g1 - packed % g1) * grid.spacing -
                                (offset_row * grid.row_stride + offset_column);
                    shift = ((shift % (2 * kDegree)) + 2 * kDegree) % (2 * kDegree);
                    const bool negative = shift >= kDegree;  // X^n = -1
                    matrix.columns.push_back({static_cast<std::uint32_t>(packed / g1),
                                              static_cast<std::uint32_t>(negative ? shift - kDegree : shift)});
                    columns.push_back({packed % inputs, dy, dx, slot, negative});
                }
            }
        }
    }
    matrix.weights.assign(static_cast<std::size_t>(linear.polynomials_per_band) * columns.size(), 0);
    for (int row = 0; row < linear.polynomials_per_band; ++row) {
        std::int8_t* out = matrix.weights.data() + static_cast<std::size_t>(row) * columns.size();
        for (std::size_t c = 0; c < columns.size(); ++c) {
            const int output = row * g2 + columns[c].slot;
            if (output >= layer.output.channels) continue;
            const std::size_t at =
                ((static_cast<std::size_t>(output) * static_cast<std::size_t>(inputs) + static_cast<std::size_t>(columns[c].channel)) *
                     static_cast<std::size_t>(window.kernel_h) + static_cast<std::size_t>(columns[c].dy)) *
                    static_cast<std::size_t>(window.kernel_w) + static_cast<std::size_t>(columns[c].dx);
            out[c] = columns[c].negative ? static_cast<std::int8_t>(-weights.weights[at]) : weights.weights[at];
        }
    }
    return matrix;
}

ScaleTerm build_scale(const model::Layer& layer, const model::TermWeights& weights, const packing::LinearPlan& linear) {
    const int g1 = linear.grid.channels_per_input, g2 = linear.grid.channels_per_output;
    ScaleTerm term;
    for (int channel = 0; channel < layer.output.channels; ++channel) {
        int shift = ((channel % g2) * g1 - channel % g1) * linear.grid.spacing;
        shift = (shift + 2 * kDegree) % (2 * kDegree);
        term.channels.push_back({static_cast<std::uint32_t>(channel / g1), static_cast<std::uint32_t>(channel / g2),
                                 static_cast<std::uint32_t>(shift),
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
            map.matrices.push_back(build_matrix(layer, term, weights, linear, stream));
            map.matrices.back().stream = stream_id;
        } else {
            // A shortcut has a 1x1 window with stride 1: one phase, so packed channel = channel.
            map.scales.push_back(build_scale(layer, weights, linear));
            map.scales.back().stream = stream_id;
        }
    }
    return map;
}

void apply(const LinearMap& map, const packing::Plan& plan, int index, const StreamPolynomials& streams,
           std::span<std::uint32_t> out) {
    const packing::LinearPlan& linear = plan.layers[static_cast<std::size_t>(index)];
    const std::size_t rows = static_cast<std::size_t>(linear.polynomials_per_band);
    require(out.size() == static_cast<std::size_t>(linear.polynomials()) * scheme::kDirectDegree, ErrorKind::kInternal,
            "linear map: wrong size of the result");
    for (std::size_t band = 0; band < static_cast<std::size_t>(linear.bands); ++band) {
        const auto results = out.subspan(band * rows * scheme::kDirectDegree, rows * scheme::kDirectDegree);
        const auto band_of = [&](int stream) {
            const std::size_t size =
                static_cast<std::size_t>(plan.streams[static_cast<std::size_t>(stream)].polynomials_per_band) * scheme::kDirectDegree;
            return streams(stream).subspan(band * size, size);
        };
        for (const TermMatrix& matrix : map.matrices)
            if (!matrix.columns.empty())
                lattice::shifted_product(band_of(matrix.stream), scheme::kDirectDegree, matrix.columns, matrix.weights, rows,
                                         matrix.multiplier, results);
        for (const ScaleTerm& term : map.scales) {
            const auto inputs = band_of(term.stream);
            for (const ScaledShift& s : term.channels)
                lattice::add_scaled_shift(inputs.subspan(s.input * scheme::kDirectDegree, scheme::kDirectDegree), s.shift,
                                          s.scale, results.subspan(s.output * scheme::kDirectDegree, scheme::kDirectDegree));
        }
    }
}

}  // namespace flash::protocol
