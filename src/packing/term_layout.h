// How a convolution term becomes products of int8 weights with shifted polynomials: which uploaded and result
// polynomials each product joins, and what its columns are. All of it follows from the public plan, so that costs can
// be told before there are weights (planner/work.h); packing/linear_map.h arranges the weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lattice/shifted_product.h"
#include "model/model.h"
#include "packing/plan.h"
#include "packing/taps.h"

namespace flash::packing {

/// One product of a term, all indices within a band: the result polynomials [first_row, first_row + rows) are sums over
/// the uploaded polynomials [first_input, first_input + inputs), each shifted by the columns.
struct MatrixExtent {
    std::size_t first_input = 0, inputs = 0, first_row = 0, rows = 0;
    std::size_t columns = 0;
    /// What the columns read: these submaps and channels of the stream, ends excluded.
    int first_submap = 0, end_submap = 0, first_channel = 0, end_channel = 0;
};

/// The columns of a product, one for each weight of a result polynomial that is not zero by the layout.
struct MatrixColumns {
    std::vector<lattice::ShiftedInput> shifts;
    /// Where a column's weights are: block of the output, group of the channel, and index among an output's weights.
    struct Place {
        int slot, group;
        std::uint32_t weight;
    };
    std::vector<Place> places;
};

/// Lays out one convolution term. What it is made from must outlive it.
class TermLayout {
public:
    TermLayout(const model::Layer& layer, const model::Term& term, const LinearPlan& linear, const Stream& stream);

    /// One channel per group: a few scaled shifts for each output. There is nothing to share between outputs, so a
    /// matrix would only hold zeros.
    bool depthwise() const { return term_.groups > 1 && group_inputs_ == 1; }
    int outputs() const { return outputs_; }
    const std::vector<Tap>& taps() const { return taps_; }
    /// A tap of an output of a depthwise term reads this packed channel of the stream.
    int depthwise_input(int output, const Tap& tap) const { return tap.submap * inputs_ + output / group_outputs_; }
    /// Index among an output's weights.
    std::uint32_t weight_of(int group_channel, const Tap& tap) const;

    /// The products of a term that is not depthwise.
    std::vector<MatrixExtent> matrices() const;
    MatrixColumns columns(const MatrixExtent& matrix) const;
    /// The weights of one row of a product.
    void fill_row(const MatrixExtent& matrix, const MatrixColumns& columns, const model::TermWeights& weights,
                  std::size_t row, std::span<std::int8_t> out) const;

private:
    int group_of(int row, int slot) const;
    MatrixExtent extent(int first_row, int end_row, int first_submap, int end_submap) const;

    const model::Term& term_;
    const Grid& grid_;
    int submaps_, rows_, outputs_, inputs_, group_inputs_, group_outputs_;
    std::vector<Tap> taps_;
};

}  // namespace flash::packing
