// Blocking, threads and dispatch of the shifted product; the inner loops are the siblings of conv_block.h.
#include "lattice/kernels/conv.h"

#include <tbb/blocked_range2d.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <bit>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "lattice/kernels/conv_block.h"

namespace flash::lattice {

namespace {

// A block of 512 coefficients of 64 polynomials is 128 KiB: it stays in a core's L2 cache while all rows pass over it.
constexpr std::size_t kCoefficientBlock = 512;
// Columns per pass: their records (24 bytes) stay in the L1 cache.
constexpr std::size_t kColumnBlock = 512;

// Every input as (-x, x), 2n words: X^s x starts n - s words into it, so that a shift is a pointer offset. The copies are wiped: an
// input may hold a share of its owner.
SecretVector<std::uint32_t> extend(std::span<const std::uint32_t> in, std::size_t n) {
    SecretVector<std::uint32_t> extended(2 * in.size());
    tbb::parallel_for(std::size_t{0}, in.size() / n, [&](std::size_t i) {
        const std::uint32_t* x = in.data() + i * n;
        std::uint32_t* to = extended.data() + 2 * i * n;
        for (std::size_t j = 0; j < n; ++j) {
            to[j] = 0 - x[j];
            to[n + j] = x[j];
        }
    });
    return extended;
}

kernels::ConvBlock block_kernel(InstructionSet set) {
    return set == InstructionSet::kPortable ? kernels::conv_block_portable : kernels::conv_block_avx2;
}

}  // namespace

void shifted_product(std::span<const std::uint32_t> in, std::size_t n, std::span<const ShiftedInput> columns,
                     std::span<const std::int8_t> weights, std::size_t rows, std::uint32_t multiplier,
                     std::span<std::uint32_t> out, InstructionSet set) {
    require(std::has_single_bit(n) && n >= 64 && n <= 65536 && in.size() % n == 0 && out.size() == rows * n &&
                weights.size() == rows * columns.size(),
            ErrorKind::kInternal, "shifted product: inconsistent sizes");
    for (const ShiftedInput& column : columns)
        require(column.input < in.size() / n && column.shift < n, ErrorKind::kInternal, "shifted product: column out of range");
    if (rows == 0 || columns.empty()) return;

    const SecretVector<std::uint32_t> extended = extend(in, n);
    const std::size_t row_blocks = (rows + kernels::kConvRows - 1) / kernels::kConvRows;
    std::vector<std::vector<kernels::ConvColumn>> blocks(row_blocks);
    tbb::parallel_for(std::size_t{0}, row_blocks, [&](std::size_t block) {
        const std::size_t first = block * kernels::kConvRows, count = std::min(kernels::kConvRows, rows - first);
        blocks[block].reserve(columns.size());
        for (std::size_t c = 0; c < columns.size(); ++c) {
            kernels::ConvColumn column{extended.data() + 2 * n * columns[c].input + n - columns[c].shift, {}};
            for (std::size_t r = 0; r < count; ++r) {
                const int weight = weights[(first + r) * columns.size() + c];
                column.weights[r] = static_cast<std::uint32_t>(weight) * multiplier;
            }
            // Columns of zeros are not skipped: the weights are secret, and the time of a layer must not tell how many are zero.
            blocks[block].push_back(column);
        }
    });

    const kernels::ConvBlock kernel = block_kernel(set);
    const std::size_t step = std::min(n, kCoefficientBlock);
    tbb::parallel_for(tbb::blocked_range2d<std::size_t>(0, n / step, 1, 0, row_blocks, 4), [&](const auto& range) {
        for (std::size_t part = range.rows().begin(); part < range.rows().end(); ++part) {
            for (std::size_t block = range.cols().begin(); block < range.cols().end(); ++block) {
                const std::size_t first = block * kernels::kConvRows, count = std::min(kernels::kConvRows, rows - first);
                std::uint32_t* to[kernels::kConvRows] = {};
                for (std::size_t r = 0; r < count; ++r) to[r] = out.data() + (first + r) * n;
                const std::vector<kernels::ConvColumn>& active = blocks[block];
                for (std::size_t c = 0; c < active.size(); c += kColumnBlock)
                    kernel(active.data() + c, std::min(kColumnBlock, active.size() - c), count, part * step,
                           (part + 1) * step, to);
            }
        }
    });
}

void add_scaled_shift(std::span<const std::uint32_t> in, std::uint32_t shift, std::uint32_t scale, std::span<std::uint32_t> out) {
    const std::size_t n = in.size();
    require(out.size() == n && shift < 2 * n, ErrorKind::kInternal, "scaled shift: inconsistent sizes");
    // X^n = -1: a shift of n or more is a sign.
    if (shift >= n) {
        shift -= static_cast<std::uint32_t>(n);
        scale = 0 - scale;
    }
    for (std::size_t j = 0; j < n - shift; ++j) out[j + shift] += scale * in[j];
    for (std::size_t j = n - shift; j < n; ++j) out[j + shift - n] -= scale * in[j];
}

}  // namespace flash::lattice
