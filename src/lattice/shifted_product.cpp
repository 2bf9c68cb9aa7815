// Arrangement, blocking and threads of the shifted product; the inner loops are in kernels/shifted_words.h and shifted_bytes.h.
#include "lattice/shifted_product.h"

#include <tbb/blocked_range2d.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "lattice/kernels/multiply_add.h"
#include "lattice/kernels/shifted_bytes.h"
#include "lattice/kernels/shifted_words.h"

namespace flash::lattice {

namespace {

using Starts = std::span<const std::uint32_t>;

constexpr std::size_t kTile = CoefficientTiles::kTile;

std::size_t blocks_of(std::size_t count, std::size_t size) { return (count + size - 1) / size; }

/// The coefficients of the inputs that an evaluation reads, numbered as if a polynomial went on past both its ends.
struct Reach {
    std::int64_t first = 0, end = 0;
    std::size_t size() const { return static_cast<std::size_t>(end - first); }
};

Reach reach_of(Starts starts, std::int32_t least_shift, std::int32_t most_shift) {
    const auto [least, most] = std::ranges::minmax(starts);
    return {static_cast<std::int64_t>(least) - most_shift, static_cast<std::int64_t>(most) + static_cast<std::int64_t>(kTile) - least_shift};
}

/// Calls piece(offset in the reach, coefficient, count, negate) for the pieces of a reach: X^n = -1 turns every other copy's sign.
template <class Piece>
void for_pieces(const Reach& reach, std::size_t n, const Piece& piece) {
    for (std::int64_t at = reach.first; at < reach.end;) {
        const std::int64_t size = static_cast<std::int64_t>(n);
        const std::int64_t copy = at >= 0 ? at / size : -((-at + size - 1) / size);
        const std::int64_t end = std::min(reach.end, (copy + 1) * size);
        piece(static_cast<std::size_t>(at - reach.first), static_cast<std::size_t>(at - copy * size), static_cast<std::size_t>(end - at),
              copy % 2 != 0);
        at = end;
    }
}

}  // namespace

class ShiftedProduct::Arranged {
public:
    virtual ~Arranged() = default;
    virtual void apply(std::span<const std::uint32_t> in, std::size_t n, Starts starts, int bytes, std::span<std::uint32_t> out) const = 0;
    virtual std::size_t memory_bytes() const = 0;
};

namespace {

// ------------------------------------------------------------------------------------------------- whole words

/// Columns per pass: their records (24 bytes) stay in the L1 cache.
constexpr std::size_t kColumnPass = 512;

class WordArrangement : public ShiftedProduct::Arranged {
public:
    WordArrangement(std::span<const ShiftedInput> columns, std::span<const std::int8_t> weights, std::size_t rows,
                    std::uint32_t multiplier, kernels::WordBlock kernel)
        : columns_(columns.begin(), columns.end()), weights_(weights.begin(), weights.end()), rows_(rows), multiplier_(multiplier), kernel_(kernel) {}

    void apply(std::span<const std::uint32_t> in, std::size_t n, Starts starts, int, std::span<std::uint32_t> out) const override {
        const auto [least, most] = std::ranges::minmax(columns_, {}, &ShiftedInput::shift);
        const Reach reach = reach_of(starts, least.shift, most.shift);
        const std::size_t stride = reach.size(), words = kTile * starts.size();
        // The copies are wiped: an input may hold a share of its owner.
        SecretBuffer<std::uint32_t> extended(in.size() / n * stride);
        tbb::parallel_for(std::size_t{0}, in.size() / n, [&](std::size_t i) {
            for_pieces(reach, n, [&](std::size_t offset, std::size_t from, std::size_t count, bool negate) {
                const std::uint32_t* x = in.data() + i * n + from;
                std::uint32_t* to = extended.data() + i * stride + offset;
                for (std::size_t j = 0; j < count; ++j) to[j] = negate ? 0 - x[j] : x[j];
            });
        });
        // Tiles per task: 512 coefficients of 64 inputs are 128 KiB, which stay in a core's L2 cache while rows pass over them.
        constexpr std::size_t kTilesPerTask = 32;
        const std::size_t row_blocks = blocks_of(rows_, kernels::kWordRows);
        tbb::parallel_for(tbb::blocked_range2d<std::size_t>(0, blocks_of(starts.size(), kTilesPerTask), 1, 0, row_blocks, 4), [&](const auto& range) {
            std::array<kernels::WordColumn, kColumnPass> pass;
            for (std::size_t part = range.rows().begin(); part < range.rows().end(); ++part)
                for (std::size_t block = range.cols().begin(); block < range.cols().end(); ++block) {
                    const std::size_t row = block * kernels::kWordRows, count = std::min(kernels::kWordRows, rows_ - row);
                    const std::size_t tile = part * kTilesPerTask;
                    std::uint32_t* to[kernels::kWordRows] = {};
                    for (std::size_t r = 0; r < count; ++r) to[r] = out.data() + (row + r) * words + kTile * tile;
                    for (std::size_t c = 0; c < columns_.size(); c += kColumnPass) {
                        const std::size_t width = std::min(kColumnPass, columns_.size() - c);
                        // Columns of zeros are not skipped: the weights are secret, and the time of a layer must not tell how many are zero.
                        for (std::size_t i = 0; i < width; ++i) {
                            const ShiftedInput& column = columns_[c + i];
                            pass[i].coefficients = extended.data() + column.input * stride + static_cast<std::size_t>(-reach.first - column.shift);
                            for (std::size_t r = 0; r < kernels::kWordRows; ++r)
                                pass[i].weights[r] = r < count ? multiplier_ * static_cast<std::uint32_t>(int{weights_[(row + r) * columns_.size() + c + i]}) : 0;
                        }
                        kernel_(std::span(pass).first(width), count, starts.subspan(tile, std::min(kTilesPerTask, starts.size() - tile)), to);
                    }
                }
        });
    }
    std::size_t memory_bytes() const override { return weights_.size() + columns_.size() * sizeof(ShiftedInput); }

private:
    std::vector<ShiftedInput> columns_;
    std::vector<std::int8_t> weights_;
    std::size_t rows_;
    std::uint32_t multiplier_;
    kernels::WordBlock kernel_;
};

// ------------------------------------------------------------------------------------------------- bytes

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

class ByteArrangement : public ShiftedProduct::Arranged {
public:
    ByteArrangement(std::size_t inputs, std::span<const ShiftedInput> columns, std::span<const std::int8_t> weights, std::size_t rows,
                    std::uint32_t multiplier, bool tiles)
        : inputs_(inputs), rows_(rows), multiplier_(multiplier), amx_(tiles) {
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

    void apply(std::span<const std::uint32_t> in, std::size_t n, Starts starts, int bytes, std::span<std::uint32_t> out) const override {
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

    std::size_t inputs_, rows_, groups_ = 0;
    std::uint32_t multiplier_;
    bool amx_;
    std::vector<ShiftedInput> steps_;  // input: the first group of the step
    std::vector<std::int8_t> weights_;
};

}  // namespace

ShiftedProduct::ShiftedProduct(std::size_t n, std::size_t inputs, std::span<const ShiftedInput> columns, std::span<const std::int8_t> weights,
                               std::size_t rows, std::uint32_t multiplier, InstructionSet set)
    : n_(n), inputs_(inputs), rows_(rows), columns_(columns.size()) {
    require(std::has_single_bit(n) && n >= 64 && n <= 65536 && weights.size() == rows * columns.size(), ErrorKind::kInternal,
            "shifted product: inconsistent sizes");
    const auto limit = static_cast<std::int32_t>(n);
    for (const ShiftedInput& column : columns)
        require(column.input < inputs && column.shift >= -limit && column.shift < limit, ErrorKind::kInternal,
                "shifted product: column out of range");
    if (rows == 0 || columns.empty()) return;
    if (set >= InstructionSet::kAvx512)
        arranged_ = std::make_unique<ByteArrangement>(inputs, columns, weights, rows, multiplier, set == InstructionSet::kAmx);
    else
        arranged_ = std::make_unique<WordArrangement>(columns, weights, rows, multiplier,
                                                      set == InstructionSet::kAvx2 ? kernels::shifted_words_avx2 : kernels::shifted_words_portable);
}

ShiftedProduct::~ShiftedProduct() = default;
ShiftedProduct::ShiftedProduct(ShiftedProduct&&) noexcept = default;
ShiftedProduct& ShiftedProduct::operator=(ShiftedProduct&&) noexcept = default;

void ShiftedProduct::apply(std::span<const std::uint32_t> in, const CoefficientTiles& tiles, int zero_low_bytes, std::span<std::uint32_t> out) const {
    require(in.size() == inputs_ * n_ && out.size() == rows_ * tiles.words() && zero_low_bytes >= 0 && zero_low_bytes <= 3, ErrorKind::kInternal,
            "shifted product: inconsistent sizes");
    if (!arranged_ || tiles.count() == 0) return;
    require(tiles.starts().back() < n_, ErrorKind::kInternal, "shifted product: a coefficient past the end");
    arranged_->apply(in, n_, tiles.starts(), 4 - zero_low_bytes, out);
}

std::size_t ShiftedProduct::rows() const { return rows_; }
std::size_t ShiftedProduct::inputs() const { return inputs_; }
std::size_t ShiftedProduct::memory_bytes() const { return arranged_ ? arranged_->memory_bytes() : 0; }
double ShiftedProduct::multiply_adds(const CoefficientTiles& tiles) const {
    return static_cast<double>(rows_) * static_cast<double>(columns_) * static_cast<double>(tiles.words());
}

void add_scaled_shift(std::span<const std::uint32_t> in, std::int32_t shift, std::uint32_t scale, const CoefficientTiles& tiles,
                      std::span<std::uint32_t> out, InstructionSet set) {
    const auto n = static_cast<std::int32_t>(in.size());
    require(out.size() == tiles.words() && shift >= -n && shift < n, ErrorKind::kInternal, "scaled shift: inconsistent sizes");
    const kernels::MultiplyAdd kernel = set >= InstructionSet::kAvx512  ? kernels::multiply_add_avx512
                                        : set == InstructionSet::kAvx2 ? kernels::multiply_add_avx2
                                                                       : kernels::multiply_add_portable;
    const Starts starts = tiles.starts();
    for (std::size_t tile = 0; tile < starts.size();) {
        // Tiles that follow each other are one piece.
        std::size_t end = tile + 1;
        while (end < starts.size() && starts[end] == starts[end - 1] + kTile) ++end;
        const std::int64_t first = static_cast<std::int64_t>(starts[tile]) - shift;
        for_pieces({first, first + static_cast<std::int64_t>(kTile * (end - tile))}, in.size(), [&](std::size_t offset, std::size_t from, std::size_t count, bool negate) {
            kernel(out.data() + kTile * tile + offset, in.data() + from, count, negate ? 0 - scale : scale);
        });
        tile = end;
    }
}

}  // namespace flash::lattice
