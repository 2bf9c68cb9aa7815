// vpmulld on eight coefficients: one instruction per row and vector with the full 32-bit weight, so the multiplier
// costs nothing. vpmaddubsw would saturate at 16 bits. Splitting the words into 16-bit halves for vpmaddwd (low) and
// vpmullw (high) takes as many multiplications per multiply-add on Zen, where vpmulld is a single operation, and needs
// interleaved inputs.
#include <immintrin.h>

#include "lattice/kernels/shifted_words.h"

namespace flash::lattice::kernels {

namespace {

inline __m256i load(const std::uint32_t* x) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)); }
inline void store(std::uint32_t* x, __m256i v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(x), v); }

template <std::size_t kRows>
void block(const WordColumn* columns, std::size_t column_count, const std::uint32_t* starts, std::size_t tiles,
           std::uint32_t* const* out) {
    for (std::size_t t = 0; t < tiles; ++t) {
        const std::size_t from = starts[t], to = 16 * t;
        __m256i low[kRows], high[kRows];
        for (std::size_t r = 0; r < kRows; ++r) {
            low[r] = load(out[r] + to);
            high[r] = load(out[r] + to + 8);
        }
        for (std::size_t c = 0; c < column_count; ++c) {
            const __m256i x = load(columns[c].coefficients + from), y = load(columns[c].coefficients + from + 8);
            for (std::size_t r = 0; r < kRows; ++r) {
                const __m256i weight = _mm256_set1_epi32(static_cast<int>(columns[c].weights[r]));
                low[r] = _mm256_add_epi32(low[r], _mm256_mullo_epi32(x, weight));
                high[r] = _mm256_add_epi32(high[r], _mm256_mullo_epi32(y, weight));
            }
        }
        for (std::size_t r = 0; r < kRows; ++r) {
            store(out[r] + to, low[r]);
            store(out[r] + to + 8, high[r]);
        }
    }
}

}  // namespace

void shifted_words_avx2(std::span<const WordColumn> columns, std::size_t rows, std::span<const std::uint32_t> starts,
                        std::uint32_t* const* out) {
    switch (rows) {
        case 1: return block<1>(columns.data(), columns.size(), starts.data(), starts.size(), out);
        case 2: return block<2>(columns.data(), columns.size(), starts.data(), starts.size(), out);
        case 3: return block<3>(columns.data(), columns.size(), starts.data(), starts.size(), out);
        case 4: return block<4>(columns.data(), columns.size(), starts.data(), starts.size(), out);
    }
}

}  // namespace flash::lattice::kernels
