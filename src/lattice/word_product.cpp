// The arrangement on whole words: blocking and threads around kernels/shifted_words.h.
#include <tbb/blocked_range2d.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/secret.h"
#include "base/siblings.h"
#include "lattice/arrangement.h"
#include "lattice/kernels/shifted_words.h"
#include "lattice/reach.h"

namespace flash::lattice {

namespace {

/// Columns per pass: their records (24 bytes) stay in the L1 cache.
constexpr std::size_t kColumnPass = 512;

class WordArrangement : public DirectArrangement {
public:
    WordArrangement(const ProductMatrix& matrix, kernels::WordBlock kernel)
        : n_(matrix.n),
          columns_(matrix.columns.begin(), matrix.columns.end()),
          weights_(matrix.rows * matrix.columns.size()),
          rows_(matrix.rows),
          multiplier_(matrix.multiplier),
          kernel_(kernel) {
        tbb::parallel_for(std::size_t{0}, rows_, [&](std::size_t row) {
            matrix.weights(row, std::span(weights_).subspan(row * columns_.size(), columns_.size()));
        });
    }

    void apply(std::span<const std::uint32_t> in, Starts starts, int, std::span<std::uint32_t> out) const override {
        const std::size_t n = n_;
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
        // Tiles per task: 512 coefficients of 64 inputs are 128 KiB, which stay in a core's L2 cache while rows pass
        // over them.
        constexpr std::size_t kTilesPerTask = 32;
        const std::size_t row_blocks = blocks_of(rows_, kernels::kWordRows);
        tbb::parallel_for(
            tbb::blocked_range2d<std::size_t>(0, blocks_of(starts.size(), kTilesPerTask), 1, 0, row_blocks, 4),
            [&](const auto& range) {
                std::array<kernels::WordColumn, kColumnPass> pass;
                for (std::size_t part = range.rows().begin(); part < range.rows().end(); ++part)
                    for (std::size_t block = range.cols().begin(); block < range.cols().end(); ++block) {
                        const std::size_t row = block * kernels::kWordRows,
                                          count = std::min(kernels::kWordRows, rows_ - row);
                        const std::size_t tile = part * kTilesPerTask;
                        std::uint32_t* to[kernels::kWordRows] = {};
                        for (std::size_t r = 0; r < count; ++r) to[r] = out.data() + (row + r) * words + kTile * tile;
                        for (std::size_t c = 0; c < columns_.size(); c += kColumnPass) {
                            const std::size_t width = std::min(kColumnPass, columns_.size() - c);
                            // Columns of zeros are not skipped: the weights are secret, and the time of a layer must
                            // not tell how many are zero.
                            for (std::size_t i = 0; i < width; ++i) {
                                const ShiftedInput& column = columns_[c + i];
                                pass[i].coefficients = extended.data() + column.input * stride +
                                                       static_cast<std::size_t>(-reach.first - column.shift);
                                for (std::size_t r = 0; r < kernels::kWordRows; ++r)
                                    pass[i].weights[r] =
                                        r < count ? multiplier_ * static_cast<std::uint32_t>(int{
                                                                      weights_[(row + r) * columns_.size() + c + i]})
                                                  : 0;
                            }
                            kernel_(std::span(pass).first(width), count,
                                    starts.subspan(tile, std::min(kTilesPerTask, starts.size() - tile)), to);
                        }
                    }
            });
    }
    std::size_t memory_bytes() const override { return weights_.size() + columns_.size() * sizeof(ShiftedInput); }
    double multiply_adds(std::size_t tiles, int) const override {
        return static_cast<double>(rows_) * static_cast<double>(columns_.size()) * static_cast<double>(kTile * tiles);
    }
    std::vector<ShiftedInput> columns() const override { return columns_; }
    void weights(std::size_t row, std::span<std::int8_t> out) const override {
        std::ranges::copy(std::span(weights_).subspan(row * columns_.size(), columns_.size()), out.begin());
    }

private:
    std::size_t n_;
    std::vector<ShiftedInput> columns_;
    std::vector<std::int8_t> weights_;
    std::size_t rows_;
    std::uint32_t multiplier_;
    kernels::WordBlock kernel_;
};

}  // namespace

std::unique_ptr<const DirectArrangement> arrange_words(const ProductMatrix& matrix, InstructionSet set) {
    return std::make_unique<WordArrangement>(
        matrix, choose_sibling<kernels::WordBlock>(set, {.portable = kernels::shifted_words_portable,
                                                         .neon = FLASH_NEON(kernels::shifted_words_neon),
                                                         .avx2 = FLASH_X86(kernels::shifted_words_avx2)}));
}

}  // namespace flash::lattice
