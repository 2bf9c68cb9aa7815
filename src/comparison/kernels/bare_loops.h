// The multiply-accumulate instructions of the shifted product alone, on registers: what a kernel could reach at most.
// Each returns the number of multiply-adds it did (of bytes for VNNI and AMX, of words for AVX2) and must run only
// where its set is supported.
#pragma once

#include <cstdint>

#include "base/instruction_set.h"

namespace flash::comparison {

double bare_words_avx2(std::uint64_t rounds);
double bare_bytes_avx512(std::uint64_t rounds);
double bare_bytes_amx(std::uint64_t rounds);

using BareLoop = double (*)(std::uint64_t rounds);

/// The bare loop of the set's shifted product; null for the portable one, which has no instruction to be compared with.
constexpr BareLoop bare_loop(InstructionSet set) {
    switch (set) {
        case InstructionSet::kPortable:
        case InstructionSet::kSimd128:
        case InstructionSet::kNeon: return nullptr;
        case InstructionSet::kAvx2: return bare_words_avx2;
        case InstructionSet::kAvx512: return bare_bytes_avx512;
        case InstructionSet::kAmx: return bare_bytes_amx;
    }
    return nullptr;
}

}  // namespace flash::comparison
