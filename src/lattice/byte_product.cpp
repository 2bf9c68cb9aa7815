// The arrangement on bytes: interleaving, blocking and threads around kernels/shifted_bytes.h.
#include <tbb/blocked_range2d.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "lattice/arrangement.h"
#include "lattice/kernels/shifted_bytes.h"
#include "lattice/reach.h"

namespace flash::lattice {

namespace {

/// A step of the inner dimension: `count` consecutive groups of inputs from `group` on, at one shift; a column index for each of its lanes.
struct Step {
    std::uint32_t group = 0;
    std::int32_t shift = 0;
    std::vector<std::int64_t> columns;  // -1: no such column, weight 0
};

/// Columns gathered into steps of groups_per_step groups; two columns of the same input and shift go into different steps.
std::vector<Step> gather_steps(std::span<const ShiftedInput> columns, std::size_t groups_per_step) {
    const std::size_t lanes = groups_per_step * kernels::kGroup;
    // Ordered by group, then shift, so that neighbouring steps read neighbouring memory.
    std::map<std::pair<std::uint32_t, std::int32_t>, std::vector<Step>> found;
    for (std::size_t c = 0; c < columns.size(); ++c) {
        const std::uint32_t part = static_cast<std::uint32_t>(columns[c].input / lanes);
        const std::size_t lane = columns[c].input % lanes;
        std::vector<Step>& steps = found[{part, columns[c].shift}];
        auto step = std::ranges::find_if(steps, [&](const Step& s) { return s.columns[lane] < 0; });
        if (step == steps.end())
            step = steps.insert(step, {static_cast<std::uint32_t>(part * groups_per_step), columns[c].shift, std::vector<std::int64_t>(lanes, -1)});
        step->columns[lane] = static_cast<std::int64_t>(c);
    }
    std::vector<Step> all;
    for (auto& [key, steps] : found) std::ranges::move(steps, std::back_inserter(all));
    return all;
}

class ByteArrangement : public Arrangement {
public:
    ByteArrangement(const ProductMatrix& matrix, bool tiles)
        : n_(matrix.n), inputs_(matrix.inputs), rows_(matrix.rows), multiplier_(matrix.multiplier), amx_(tiles) {
        const auto& [n, inputs, rows, columns, weights, multiplier] = matrix;
        const std::size_t groups_per_step = amx_ ? kernels::kAmxGroups : 1, block_rows = amx_ ? kernels::kAmxRows : kernels::kVnniRows;
        const std::size_t lanes = groups_per_step * kernels::kGroup;
        groups_ = blocks_of(inputs, lanes) * groups_per_step;
        std::vector<Step> steps = gather_steps(columns, groups_per_step);
        weights_.resize(blocks_of(rows, block_rows) * steps.size() * block_rows * lanes);
        std::int8_t* to = weights_.data();
        for (std::size_t row = 0; row < rows; row += block_rows)
            for (const Step& step : steps)
                for (std::size_t r = row; r < row + block_rows; ++r)
                    for (std::int64_t column : step.columns)
                        *to++ = r < rows && column >= 0 ? weights[r * columns.size() + static_cast<std::size_t>(column)] : std::int8_t{0};
        for (const Step& step : steps) steps_.push_back({step.group, step.shift});
    }

    void apply(std::span<const std::uint32_t> in, Starts starts, int zero_low_bytes, std::span<std::uint32_t> out) const override {
        const std::size_t n = n_;
        const int bytes = 4 - zero_low_bytes;
        const auto [least, most] = std::ranges::minmax(steps_, {}, &ShiftedInput::shift);
        const Reach reach = reach_of(starts, least.shift, most.shift);
        // An odd number of cache lines from one byte to the next, so that they do not compete for the same sets of the L1 cache.
        const std::size_t byte_stride = (blocks_of(reach.size(), kTile) | 1) * kTile, group_stride = static_cast<std::size_t>(bytes) * byte_stride;
        SecretBuffer<std::uint32_t> lanes(groups_ * group_stride);  // wiped: an input may hold a share of its owner
        tbb::parallel_for(tbb::blocked_range<std::size_t>(0, groups_, 4), [&](const auto& range) {
            for (std::size_t group = range.begin(); group < range.end(); ++group)
                for_pieces(reach, n, [&](std::size_t offset, std::size_t from, std::size_t count, bool negate) {
                    const std::uint32_t* x[kernels::kGroup];
                    for (std::size_t k = 0; k < kernels::kGroup; ++k) {
                        const std::size_t input = group * kernels::kGroup + k;
                        x[k] = input < inputs_ ? in.data() + input * n + from : nullptr;
                    }
                    kernels::interleave_avx512(x, count, negate, bytes, lanes.data() + group * group_stride + offset, byte_stride);
                });
        });
        std::vector<std::int32_t> offsets;
        offsets.reserve(steps_.size());
        for (const ShiftedInput& step : steps_)
            offsets.push_back(static_cast<std::int32_t>(static_cast<std::int64_t>(step.input * group_stride) - reach.first - step.shift));
        const kernels::ByteLanes view{lanes.data(), byte_stride, group_stride, bytes};

        // Six tiles (two by three or three by two in registers) pass over all rows of a task while their lanes stay in the L1 cache.
        constexpr std::size_t kTilesPerTask = 6;
        const std::size_t block_rows = amx_ ? 2 * kernels::kAmxRows : kernels::kVnniRows;
        // A task of about 2^16 multiply-accumulate instructions, 20 us, is long enough to be worth handing to another thread.
        const std::size_t grain = std::max<std::size_t>(1, (std::size_t{1} << 16) / (block_rows * kTilesPerTask * static_cast<std::size_t>(bytes) * steps_.size()));
        tbb::parallel_for(tbb::blocked_range2d<std::size_t>(0, blocks_of(starts.size(), kTilesPerTask), 1, 0, blocks_of(rows_, block_rows), grain), [&](const auto& range) {
            for (std::size_t part = range.rows().begin(); part < range.rows().end(); ++part) {
                const std::size_t tile = part * kTilesPerTask;
                const Starts some = starts.subspan(tile, std::min(kTilesPerTask, starts.size() - tile));
                for (std::size_t block = range.cols().begin(); block < range.cols().end(); ++block)
                    multiply(view, offsets, block * block_rows, some, out.data() + kTile * tile, kTile * starts.size());
            }
        });
    }
    std::size_t memory_bytes() const override { return weights_.size() + steps_.size() * sizeof(ShiftedInput); }
    double multiply_adds(std::size_t tiles, int zero_low_bytes) const override {
        return static_cast<double>(weights_.size()) * static_cast<double>(kTile * tiles) * (4 - zero_low_bytes);
    }

private:
    /// One block of rows (two tiles of rows with AMX) at some tiles; out: of row 0, rows `words` apart.
    void multiply(const kernels::ByteLanes& view, std::span<const std::int32_t> offsets, std::size_t row, Starts starts,
                  std::uint32_t* out, std::size_t words) const {
        std::array<std::uint32_t*, 2 * kernels::kAmxRows> to{};
        const std::size_t height = std::min(amx_ ? to.size() : kernels::kVnniRows, rows_ - row);
        for (std::size_t r = 0; r < height; ++r) to[r] = out + (row + r) * words;
        if (!amx_) {
            kernels::shifted_bytes_avx512(view, offsets, weights_.data() + row * offsets.size() * kernels::kGroup, height, multiplier_, starts, to.data());
            return;
        }
        const std::size_t block_weights = offsets.size() * kernels::kAmxRows * kernels::kAmxGroups * kernels::kGroup;
        const std::int8_t* weights = weights_.data() + row / kernels::kAmxRows * block_weights;
        const std::size_t first = std::min(height, kernels::kAmxRows);
        const kernels::AmxBlock blocks[2] = {{weights, first, to.data()}, {weights + block_weights, height - first, to.data() + kernels::kAmxRows}};
        kernels::shifted_bytes_amx(view, offsets, blocks, multiplier_, starts);
    }

    std::size_t n_, inputs_, rows_, groups_ = 0;
    std::uint32_t multiplier_;
    bool amx_;
    std::vector<ShiftedInput> steps_;  // input: the first group of the step
    std::vector<std::int8_t> weights_;
};

}  // namespace

std::unique_ptr<const Arrangement> arrange_bytes(const ProductMatrix& matrix, InstructionSet set) {
    return std::make_unique<ByteArrangement>(matrix, set == InstructionSet::kAmx);
}

}  // namespace flash::lattice
