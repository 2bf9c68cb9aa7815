// The multiply-accumulate instructions of the shifted product alone, on registers: what a kernel could reach at most. Each returns the
// number of multiply-adds it did (of bytes for VNNI and AMX, of words for AVX2) and must run only where its set is supported.
#pragma once

#include <cstdint>

namespace flash::bench {

double bare_words_avx2(std::uint64_t rounds);
double bare_bytes_avx512(std::uint64_t rounds);
double bare_bytes_amx(std::uint64_t rounds);

}  // namespace flash::bench
