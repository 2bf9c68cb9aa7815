// The arrangement on bytes: interleaving, blocking and threads around kernels/shifted_bytes.h.
#include <tbb/blocked_range2d.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "lattice/arrangement.h"
#include "lattice/kernels/shifted_bytes.h"
#include "lattice/reach.h"

namespace flash::lattice {

namespace {

/// The steps of a product: `count` consecutive groups of inputs from a group on, at one shift, and the column of each
/// of a step's lanes.
struct Steps {
    static constexpr std::uint32_t kNoColumn = UINT32_MAX;
    std::vector<ShiftedInput> steps;     // input: the first group
    std::vector<std::uint32_t> columns;  // lanes of them for each step; kNoColumn: weight 0
};

struct StepLayout {
    bool amx;
    std::size_t groups() const { return amx ? kernels::kAmxGroups : 1; }
    std::size_t lanes() const { return groups() * kernels::kGroup; }
    std::size_t rows() const { return amx ? kernels::kAmxRows : kernels::kVnniRows; }
};

/// Columns ordered by group, then shift, so that neighbouring steps read neighbouring memory, then lane.
std::vector<std::uint32_t> sorted_columns(std::span<const ShiftedInput> columns, std::size_t lanes) {
    std::vector<std::uint32_t> order(columns.size());
    std::iota(order.begin(), order.end(), 0u);
    const auto key = [&](std::uint32_t c) {
        return std::make_tuple(columns[c].input / lanes, columns[c].shift, columns[c].input % lanes, c);
    };
    std::ranges::sort(order, {}, key);
    return order;
}

/// Calls column(number of its step, lane, column) for all columns: two of the same input and shift go into different
/// steps. Returns the number of steps.
template <class Visit>
std::size_t for_steps(std::span<const ShiftedInput> columns, std::size_t lanes, const Visit& column) {
    const std::vector<std::uint32_t> order = sorted_columns(columns, lanes);
    std::size_t steps = 0;
    for (std::size_t i = 0; i < order.size();) {
        const ShiftedInput& first = columns[order[i]];
        std::size_t most = 0;
        while (i < order.size() && columns[order[i]].input / lanes == first.input / lanes &&
               columns[order[i]].shift == first.shift) {
            std::size_t same = 0;
            for (const std::uint32_t input = columns[order[i]].input;
                 i < order.size() && columns[order[i]].input == input && columns[order[i]].shift == first.shift; ++i)
                column(steps + same++, input % lanes, order[i]);
            most = std::max(most, same);
        }
        steps += most;
    }
    return steps;
}

#if defined(__x86_64__)

Steps gather_steps(std::span<const ShiftedInput> columns, const StepLayout& layout) {
    Steps gathered;
    const std::size_t lanes = layout.lanes();
    for_steps(columns, lanes, [&](std::size_t step, std::size_t lane, std::uint32_t column) {
        if (step >= gathered.steps.size()) {
            gathered.steps.push_back(
                {static_cast<std::uint32_t>(columns[column].input / lanes * layout.groups()), columns[column].shift});
            gathered.columns.resize(gathered.steps.size() * lanes, Steps::kNoColumn);
        }
        gathered.columns[step * lanes + lane] = column;
    });
    return gathered;
}

class ByteArrangement : public DirectArrangement {
public:
    ByteArrangement(const ProductMatrix& matrix, bool tiles)
        : n_(matrix.n),
          inputs_(matrix.inputs),
          rows_(matrix.rows),
          multiplier_(matrix.multiplier),
          amx_(tiles) {
        const StepLayout layout{amx_};
        const std::size_t lanes = layout.lanes(), block_rows = layout.rows(), columns = matrix.columns.size();
        groups_ = blocks_of(inputs_, lanes) * layout.groups();
        Steps gathered = gather_steps(matrix.columns, layout);
        steps_ = std::move(gathered.steps);
        weights_.resize(blocks_of(rows_, block_rows) * steps_.size() * block_rows * lanes);
        // A block of rows at a time, so that no copy of the whole matrix is ever needed.
        tbb::parallel_for(std::size_t{0}, blocks_of(rows_, block_rows), [&](std::size_t block) {
            std::vector<std::int8_t> row(columns + 1);  // the last one: what stands where there is no column
            for (std::size_t r = 0; r < block_rows && block * block_rows + r < rows_; ++r) {
                matrix.weights(block * block_rows + r, std::span(row).first(columns));
                for (std::size_t step = 0; step < steps_.size(); ++step) {
                    std::int8_t* to = weights_.data() + ((block * steps_.size() + step) * block_rows + r) * lanes;
                    const std::uint32_t* from = gathered.columns.data() + step * lanes;
                    for (std::size_t lane = 0; lane < lanes; ++lane)
                        to[lane] = row[std::min<std::size_t>(from[lane], columns)];
                }
            }
        });
    }

    void apply(std::span<const std::uint32_t> in, Starts starts, int zero_low_bytes,
               std::span<std::uint32_t> out) const override {
        const std::size_t n = n_;
        const int bytes = 4 - zero_low_bytes;
        const auto [least, most] = std::ranges::minmax(steps_, {}, &ShiftedInput::shift);
        const Reach reach = reach_of(starts, least.shift, most.shift);
        // An odd number of cache lines from one byte to the next, so that they do not compete for the same sets of the
        // L1 cache.
        const std::size_t byte_stride = (blocks_of(reach.size(), kTile) | 1) * kTile,
                          group_stride = static_cast<std::size_t>(bytes) * byte_stride;
        SecretBuffer<std::uint32_t> lanes(groups_ * group_stride);  // wiped: an input may hold a share of its owner
        tbb::parallel_for(tbb::blocked_range<std::size_t>(0, groups_, 4), [&](const auto& range) {
            for (std::size_t group = range.begin(); group < range.end(); ++group)
                for_pieces(reach, n, [&](std::size_t offset, std::size_t from, std::size_t count, bool negate) {
                    const std::uint32_t* x[kernels::kGroup];
                    for (std::size_t k = 0; k < kernels::kGroup; ++k) {
                        const std::size_t input = group * kernels::kGroup + k;
                        x[k] = input < inputs_ ? in.data() + input * n + from : nullptr;
                    }
                    kernels::interleave_avx512(x, count, negate, bytes, lanes.data() + group * group_stride + offset,
                                               byte_stride);
                });
        });
        std::vector<std::int32_t> offsets;
        offsets.reserve(steps_.size());
        for (const ShiftedInput& step : steps_)
            offsets.push_back(static_cast<std::int32_t>(static_cast<std::int64_t>(step.input * group_stride) -
                                                        reach.first - step.shift));
        const kernels::ByteLanes view{lanes.data(), byte_stride, group_stride, bytes};

        // Six tiles (two by three or three by two in registers) pass over all rows of a task while their lanes stay in
        // the L1 cache.
        constexpr std::size_t kTilesPerTask = 6;
        const std::size_t block_rows = amx_ ? 2 * kernels::kAmxRows : kernels::kVnniRows;
        // A task of about 2^16 multiply-accumulate instructions, 20 us, is long enough to be worth handing to another
        // thread.
        const std::size_t grain = std::max<std::size_t>(
            1, (std::size_t{1} << 16) / (block_rows * kTilesPerTask * static_cast<std::size_t>(bytes) * steps_.size()));
        tbb::parallel_for(tbb::blocked_range2d<std::size_t>(0, blocks_of(starts.size(), kTilesPerTask), 1, 0,
                                                            blocks_of(rows_, block_rows), grain),
                          [&](const auto& range) {
                              for (std::size_t part = range.rows().begin(); part < range.rows().end(); ++part) {
                                  const std::size_t tile = part * kTilesPerTask;
                                  const Starts some =
                                      starts.subspan(tile, std::min(kTilesPerTask, starts.size() - tile));
                                  for (std::size_t block = range.cols().begin(); block < range.cols().end(); ++block)
                                      multiply(view, offsets, block * block_rows, some, out.data() + kTile * tile,
                                               kTile * starts.size());
                              }
                          });
    }
    std::size_t memory_bytes() const override { return weights_.size() + steps_.size() * sizeof(ShiftedInput); }
    double multiply_adds(std::size_t tiles, int zero_low_bytes) const override {
        return static_cast<double>(weights_.size()) * static_cast<double>(kTile * tiles) * (4 - zero_low_bytes);
    }
    std::vector<ShiftedInput> columns() const override {
        std::vector<ShiftedInput> columns;
        for_lanes([&](std::size_t, std::size_t, const ShiftedInput& column) { columns.push_back(column); });
        return columns;
    }
    void weights(std::size_t row, std::span<std::int8_t> out) const override {
        const std::size_t lanes = StepLayout{amx_}.lanes(), block_rows = StepLayout{amx_}.rows();
        const std::int8_t* block =
            weights_.data() + row / block_rows * steps_.size() * block_rows * lanes + row % block_rows * lanes;
        std::int8_t* to = out.data();
        for_lanes([&](std::size_t step, std::size_t lane, const ShiftedInput&) {
            *to++ = block[step * block_rows * lanes + lane];
        });
    }

private:
    /// Calls visit(step, lane, column) for all lanes that have an input.
    template <class Visit>
    void for_lanes(const Visit& visit) const {
        const std::size_t lanes = StepLayout{amx_}.lanes();
        for (std::size_t step = 0; step < steps_.size(); ++step)
            for (std::size_t lane = 0, first = steps_[step].input * kernels::kGroup;
                 lane < lanes && first + lane < inputs_; ++lane)
                visit(step, lane, ShiftedInput{static_cast<std::uint32_t>(first + lane), steps_[step].shift});
    }
    /// One block of rows (two tiles of rows with AMX) at some tiles; out: of row 0, rows `words` apart.
    void multiply(const kernels::ByteLanes& view, std::span<const std::int32_t> offsets, std::size_t row, Starts starts,
                  std::uint32_t* out, std::size_t words) const {
        std::array<std::uint32_t*, 2 * kernels::kAmxRows> to{};
        const std::size_t height = std::min(amx_ ? to.size() : kernels::kVnniRows, rows_ - row);
        for (std::size_t r = 0; r < height; ++r) to[r] = out + (row + r) * words;
        if (!amx_) {
            kernels::shifted_bytes_avx512(view, offsets, weights_.data() + row * offsets.size() * kernels::kGroup,
                                          height, multiplier_, starts, to.data());
            return;
        }
        const std::size_t block_weights = offsets.size() * kernels::kAmxRows * kernels::kAmxGroups * kernels::kGroup;
        const std::int8_t* weights = weights_.data() + row / kernels::kAmxRows * block_weights;
        const std::size_t first = std::min(height, kernels::kAmxRows);
        const kernels::AmxBlock blocks[2] = {{weights, first, to.data()},
                                             {weights + block_weights, height - first, to.data() + kernels::kAmxRows}};
        kernels::shifted_bytes_amx(view, offsets, blocks, multiplier_, starts);
    }

    std::size_t n_, inputs_, rows_, groups_ = 0;
    std::uint32_t multiplier_;
    bool amx_;
    std::vector<ShiftedInput> steps_;  // input: the first group of the step
    std::vector<std::int8_t> weights_;
};

#endif

}  // namespace

#if defined(__x86_64__)
std::unique_ptr<const DirectArrangement> arrange_bytes(const ProductMatrix& matrix, InstructionSet set) {
    return std::make_unique<ByteArrangement>(matrix, set == InstructionSet::kAmx);
}
#else
std::unique_ptr<const DirectArrangement> arrange_bytes(const ProductMatrix&, InstructionSet) {
    throw Error(ErrorKind::kInternal, "products of bytes are for x86 processors");
}
#endif

double byte_multiply_adds(std::span<const ShiftedInput> columns, std::size_t rows, std::size_t tiles,
                          int zero_low_bytes, InstructionSet set) {
    const StepLayout layout{set == InstructionSet::kAmx};
    const std::size_t steps = for_steps(columns, layout.lanes(), [](std::size_t, std::size_t, std::uint32_t) {});
    return static_cast<double>(blocks_of(rows, layout.rows()) * layout.rows()) *
           static_cast<double>(steps * layout.lanes()) * static_cast<double>(kTile * tiles) * (4 - zero_low_bytes);
}

}  // namespace flash::lattice
