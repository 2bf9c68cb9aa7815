#include "packing/term_layout.h"

#include <algorithm>

namespace flash::packing {

TermLayout::TermLayout(const model::Layer& layer, const model::Term& term, const LinearPlan& linear,
                       const Stream& stream)
    : term_(term),
      grid_(linear.grid),
      submaps_(static_cast<int>(stream.submaps.size())),
      rows_(linear.polynomials_per_band),
      outputs_(layer.output.channels),
      inputs_(stream.shape.channels),
      group_inputs_(inputs_ / term.groups),
      group_outputs_(outputs_ / term.groups),
      taps_(taps_of(stream, term.window)) {}

std::uint32_t TermLayout::weight_of(int group_channel, const Tap& tap) const {
    return static_cast<std::uint32_t>((group_channel * term_.window.kernel_h + tap.dy) * term_.window.kernel_w +
                                      tap.dx);
}

/// Group of the output in a slot of a result polynomial; of the last output where there is none.
int TermLayout::group_of(int row, int slot) const {
    return std::min(row * grid_.channels_per_output + slot, outputs_ - 1) / group_outputs_;
}

std::vector<MatrixExtent> TermLayout::matrices() const {
    if (term_.groups == 1) return {extent(0, rows_, 0, submaps_)};
    // As many result polynomials at a time as hold the outputs of one group (where one does not hold several), and one
    // submap at a time, so that the inputs of a matrix lie close together.
    std::vector<MatrixExtent> matrices;
    const int chunk = std::max(1, group_outputs_ / grid_.channels_per_output);
    for (int row = 0; row < rows_; row += chunk)
        for (int submap = 0; submap < submaps_; ++submap)
            if (std::ranges::any_of(taps_, [&](const Tap& tap) { return tap.submap == submap; }))
                matrices.push_back(extent(row, std::min(row + chunk, rows_), submap, submap + 1));
    return matrices;
}

/// The result polynomials [first_row, end_row) of what the submaps [first_submap, end_submap) bring.
MatrixExtent TermLayout::extent(int first_row, int end_row, int first_submap, int end_submap) const {
    const int g1 = grid_.channels_per_input, g2 = grid_.channels_per_output;
    const int first_channel = group_of(first_row, 0) * group_inputs_,
              end_channel = (group_of(end_row - 1, g2 - 1) + 1) * group_inputs_;
    const int first_input = (first_submap * inputs_ + first_channel) / g1,
              last_input = ((end_submap - 1) * inputs_ + end_channel - 1) / g1;
    const auto taps = std::ranges::count_if(
        taps_, [&](const Tap& tap) { return first_submap <= tap.submap && tap.submap < end_submap; });
    // A slot reads the channels of the groups that its outputs are in.
    std::size_t groups = 0;
    for (int slot = 0; slot < g2; ++slot) groups += group_of(end_row - 1, slot) - group_of(first_row, slot) + 1;
    MatrixExtent matrix;
    matrix.first_input = first_input;
    matrix.inputs = last_input - first_input + 1;
    matrix.first_row = first_row;
    matrix.rows = end_row - first_row;
    matrix.columns = taps * groups * group_inputs_;
    matrix.first_submap = first_submap;
    matrix.end_submap = end_submap;
    matrix.first_channel = first_channel;
    matrix.end_channel = end_channel;
    return matrix;
}

/// A column moves packed channel `packed` by one tap into output block `slot`. Columns are kept apart even where their
/// shifts coincide, so that every entry is one weight and stays within int8.
MatrixColumns TermLayout::columns(const MatrixExtent& matrix) const {
    const int g1 = grid_.channels_per_input, g2 = grid_.channels_per_output;
    const int first_row = static_cast<int>(matrix.first_row), last_row = first_row + static_cast<int>(matrix.rows) - 1,
              first_input = static_cast<int>(matrix.first_input);
    MatrixColumns columns;
    columns.shifts.reserve(matrix.columns);
    columns.places.reserve(matrix.columns);
    for (int submap = matrix.first_submap; submap < matrix.end_submap; ++submap)
        for (int channel = matrix.first_channel; channel < matrix.end_channel; ++channel)
            for (const Tap& tap : taps_) {
                if (tap.submap != submap) continue;
                const int packed = submap * inputs_ + channel, group = channel / group_inputs_;
                for (int slot = 0; slot < g2; ++slot) {
                    if (group < group_of(first_row, slot) || group > group_of(last_row, slot)) continue;
                    columns.shifts.push_back({static_cast<std::uint32_t>(packed / g1 - first_input),
                                              shift_of(grid_, packed % g1, slot, tap)});
                    columns.places.push_back({slot, group, weight_of(channel % group_inputs_, tap)});
                }
            }
    return columns;
}

void TermLayout::fill_row(const MatrixExtent& matrix, const MatrixColumns& columns, const model::TermWeights& weights,
                          std::size_t row, std::span<std::int8_t> out) const {
    const int first = static_cast<int>(matrix.first_row + row) * grid_.channels_per_output;
    const std::size_t per_output = weights.weights.size() / outputs_;
    for (std::size_t c = 0; c < out.size(); ++c) {
        const MatrixColumns::Place& place = columns.places[c];
        const int output = first + place.slot;
        const bool there = output < outputs_ && (term_.groups == 1 || output / group_outputs_ == place.group);
        out[c] = there ? weights.weights[output * per_output + place.weight] : std::int8_t{0};
    }
}

}  // namespace flash::packing
