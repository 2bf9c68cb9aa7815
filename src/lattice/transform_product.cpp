#include "lattice/transform_product.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <map>
#include <mutex>
#include <vector>

#include "base/aligned.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/siblings.h"
#include "lattice/kernels/multiply_add.h"
#include "lattice/kernels/transform_product.h"
#include "lattice/ntt.h"
#include "lattice/pointwise.h"
#include "lattice/reach.h"

namespace flash::lattice {

namespace {

constexpr std::uint64_t kPrimeLimit = std::uint64_t{1} << 50;
constexpr std::size_t kLeastDegree = 64, kMostDegree = 8192;

/// One degree's prime and tables.
struct Ring {
    NttTables ntt;
    kernels::TransformPrime prime;

    explicit Ring(std::size_t n) : ntt(n, largest_prime_below(kPrimeLimit, 2 * n)), prime(constants(ntt.modulus())) {}

private:
    static kernels::TransformPrime constants(const Modulus& modulus) {
        const std::uint64_t p = modulus.value();
        const auto centred = [&](std::uint64_t x) {
            return x > p / 2 ? -static_cast<double>(p - x) : static_cast<double>(x);
        };
        const auto factor = [&](std::uint64_t exponent) {
            const double value = centred(modulus.power(2, exponent));
            return kernels::FloatFactor{value, value / static_cast<double>(p)};
        };
        const double offset = centred(modulus.add(modulus.power(2, 61 + 48), modulus.power(2, 61)));
        return {modulus, wide_modulus(p), factor(32), factor(48), factor(80), offset};
    }
};

/// Made once for each degree: the tables are larger than many a layer's weights.
const Ring& ring_of(std::size_t n) {
    static std::mutex mutex;
    static std::map<std::size_t, Ring> rings;
    const std::lock_guard lock(mutex);
    return rings.try_emplace(n, n).first->second;
}

const kernels::TransformKernels& kernels_of(InstructionSet set) {
    return *choose_sibling<const kernels::TransformKernels*>(set, {.portable = &kernels::kTransformPortable,
                                                                   .avx2 = FLASH_X86(&kernels::kTransformAvx2),
                                                                   .avx512 = FLASH_X86(&kernels::kTransformAvx512)});
}

/// Whether 2^bits * 128 * columns < p / 2 for integers of at most 2^bits in absolute value.
bool exact(const Ring& ring, std::size_t columns, int bits) {
    return columns < (ring.ntt.modulus().value() / 2 >> (bits + 7));
}

int parts_of(const Ring& ring, std::size_t columns, int zero_low_bytes) {
    return exact(ring, columns, 31 - 8 * zero_low_bytes) ? 1 : 2;
}

/// How a part of a word is read, and what its result counts.
struct Part {
    int shift;           ///< of the word, as a signed number, to the right
    std::uint32_t mask;  ///< of what is left
    int scale;           ///< the result is 2^scale times the word's
};

class TransformArrangement : public Arrangement {
public:
    TransformArrangement(const ProductMatrix& matrix, InstructionSet set)
        : n_(matrix.n),
          inputs_(matrix.inputs),
          rows_(matrix.rows),
          columns_(matrix.columns.size()),
          multiplier_(matrix.multiplier),
          set_(set),
          kernels_(kernels_of(set)),
          ring_(ring_of(matrix.n)),
          weights_(matrix.rows * matrix.inputs * matrix.n) {
        std::vector<std::vector<std::size_t>> columns_of(inputs_);
        for (std::size_t c = 0; c < columns_; ++c) columns_of[matrix.columns[c].input].push_back(c);
        const Modulus& modulus = ring_.ntt.modulus();
        tbb::parallel_for(std::size_t{0}, rows_, [&](std::size_t row) {
            SecretVector<std::uint64_t> polynomial(n_);
            std::vector<std::int8_t> weights(columns_);
            matrix.weights(row, weights);
            const std::size_t r = row % kernels::kTransformRows, height = height_of(row - r);
            for (std::size_t input = 0; input < inputs_; ++input) {
                std::ranges::fill(polynomial, 0u);
                for (std::size_t c : columns_of[input]) {
                    const std::int32_t shift = matrix.columns[c].shift;
                    // X^n = -1: a shift to the left ends at the other end with the other sign.
                    const int sign = shift < 0 ? -1 : 1;
                    std::uint64_t& at =
                        polynomial[static_cast<std::size_t>(shift + static_cast<std::int32_t>(n_)) % n_];
                    at = modulus.add(at, modulus.from_signed(sign * weights[c]));
                }
                ring_.ntt.forward(polynomial, set_);
                kernels_.arrange(ring_.prime, polynomial.data(),
                                 weights_.data() + (row - r) * inputs_ * n_ + (input * height + r) * kernels_.lanes,
                                 inputs_ * height * kernels_.lanes, n_);
            }
        });
    }

    void apply(std::span<const std::uint32_t> in, Starts starts, int zero_low_bytes,
               std::span<std::uint32_t> out) const override {
        std::vector<Part> parts = {{8 * zero_low_bytes, ~std::uint32_t{0}, 8 * zero_low_bytes}};
        if (parts_of(ring_, columns_, zero_low_bytes) == 2) parts = {{0, 0xffff, 0}, {16, ~std::uint32_t{0}, 16}};

        // Wiped, as everything here: an input may hold a share of its owner.
        SecretBuffer<std::uint64_t> factors(parts.size() * inputs_ * n_);
        tbb::parallel_for(std::size_t{0}, inputs_, [&](std::size_t input) {
            SecretBuffer<std::uint64_t> polynomial(n_);
            for (std::size_t part = 0; part < parts.size(); ++part) {
                kernels_.lift(ring_.prime, in.data() + input * n_, parts[part].shift, parts[part].mask,
                              polynomial.data(), n_);
                ring_.ntt.forward_lazy(polynomial, set_);
                kernels_.arrange(ring_.prime, polynomial.data(),
                                 factors.data() + (part * inputs_ + input) * kernels_.lanes,
                                 parts.size() * inputs_ * kernels_.lanes, n_);
            }
        });
        const std::size_t row_blocks = blocks_of(rows_, kernels::kTransformRows);
        tbb::parallel_for(std::size_t{0}, row_blocks, [&](std::size_t block) {
            const std::size_t row = block * kernels::kTransformRows, height = height_of(row);
            SecretBuffer<std::uint64_t> sums(parts.size() * height * n_);
            SecretBuffer<std::uint32_t> words(n_ + kTile);
            kernels_.sums(ring_.prime, factors.data(), parts.size(), weights_.data() + row * inputs_ * n_, inputs_,
                          height, sums.data(), n_);
            for (std::size_t part = 0; part < parts.size(); ++part)
                for (std::size_t r = 0; r < height; ++r) {
                    const std::span<std::uint64_t> values(sums.data() + (part * height + r) * n_, n_);
                    ring_.ntt.inverse(values, set_);
                    kernels_.words(ring_.prime, values.data(), words.data(), n_);
                    // A tile may run past the end, where X^n = -1.
                    for (std::size_t j = 0; j < kTile; ++j) words[n_ + j] = 0 - words[j];
                    add_tiles(words.data(), multiplier_ << parts[part].scale, starts,
                              out.data() + (row + r) * kTile * starts.size());
                }
        });
    }

    std::size_t memory_bytes() const override { return weights_.size() * sizeof(std::uint64_t); }
    double multiply_adds(std::size_t, int zero_low_bytes) const override {
        return static_cast<double>(weights_.size()) * parts_of(ring_, columns_, zero_low_bytes);
    }

private:
    /// Rows of the block that starts at `row`.
    std::size_t height_of(std::size_t row) const { return std::min(kernels::kTransformRows, rows_ - row); }

    void add_tiles(const std::uint32_t* words, std::uint32_t factor, Starts starts, std::uint32_t* out) const {
        const auto add =
            choose_sibling<kernels::MultiplyAdd>(set_, {.portable = kernels::multiply_add_portable,
                                                        .avx2 = FLASH_X86(kernels::multiply_add_avx2),
                                                        .avx512 = FLASH_X86(kernels::multiply_add_avx512)});
        for (std::size_t tile = 0; tile < starts.size();) {
            std::size_t end = tile + 1;  // tiles that follow each other are one piece
            while (end < starts.size() && starts[end] == starts[end - 1] + kTile) ++end;
            add(out + kTile * tile, words + starts[tile], kTile * (end - tile), factor);
            tile = end;
        }
    }

    std::size_t n_, inputs_, rows_, columns_;
    std::uint32_t multiplier_;
    InstructionSet set_;
    const kernels::TransformKernels& kernels_;
    const Ring& ring_;
    /// Blocks of kTransformRows rows (the last one may have fewer), each [block of lanes][input][row][lane].
    AlignedVector<std::uint64_t> weights_;
};

/// Seconds of the fastest of some runs.
template <class Run>
double fastest(const Run& run) {
    double best = 1e9;
    for (int i = 0; i < 5; ++i) {
        const auto start = std::chrono::steady_clock::now();
        run();
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return best;
}

}  // namespace

bool transforms_fit(std::size_t n, std::size_t columns) {
    return n >= kLeastDegree && n <= kMostDegree && exact(ring_of(n), columns, 16);
}

int transform_parts(std::size_t n, std::size_t columns, int zero_low_bytes) {
    return parts_of(ring_of(n), columns, zero_low_bytes);
}

std::size_t transform_memory_bytes(std::size_t n, std::size_t inputs, std::size_t rows) {
    return sizeof(std::uint64_t) * rows * inputs * n;
}

std::unique_ptr<const Arrangement> arrange_transforms(const ProductMatrix& matrix, InstructionSet set) {
    require(transforms_fit(matrix.n, matrix.columns.size()), ErrorKind::kInternal,
            "shifted product: no exact transforms for these sizes");
    return std::make_unique<TransformArrangement>(matrix, set);
}

TransformRates measure_transforms(InstructionSet set) {
    // 4 MiB of weights: more than an L2 cache.
    constexpr std::size_t kDegree = 2048, kInputs = 64, kRows = kernels::kTransformRows;
    const Ring& ring = ring_of(kDegree);
    const kernels::TransformKernels& with = kernels_of(set);
    std::vector<std::uint32_t> words(kDegree);
    AlignedVector<std::uint64_t> x(kInputs * kDegree), w(kInputs * kRows * kDegree), values(kRows * kDegree);
    const std::span<std::uint64_t> polynomial = std::span(values).first(kDegree);
    const double both_ways = fastest([&] {
        with.lift(ring.prime, words.data(), 0, ~std::uint32_t{0}, polynomial.data(), kDegree);
        ring.ntt.forward_lazy(polynomial, set);
        with.arrange(ring.prime, polynomial.data(), x.data(), kInputs * with.lanes, kDegree);
        std::ranges::fill(polynomial, 0u);
        ring.ntt.inverse(polynomial, set);
        with.words(ring.prime, polynomial.data(), words.data(), kDegree);
    });
    const double sums =
        fastest([&] { with.sums(ring.prime, x.data(), 1, w.data(), kInputs, kRows, values.data(), kDegree); });
    return {both_ways / 2, sums / static_cast<double>(w.size())};
}

}  // namespace flash::lattice
