// Which sibling of a kernel serves an instruction set. Siblings for sets that the target does not have are not built;
// the macros leave their names out.
#pragma once

#include "base/instruction_set.h"

#if defined(__x86_64__)
#define FLASH_X86(sibling) sibling
#else
#define FLASH_X86(sibling) nullptr
#endif
#if defined(__wasm_simd128__)
#define FLASH_SIMD128(sibling) sibling
#else
#define FLASH_SIMD128(sibling) nullptr
#endif
#if defined(__aarch64__)
#define FLASH_NEON(sibling) sibling
#else
#define FLASH_NEON(sibling) nullptr
#endif

namespace flash {

/// Pointers to functions, or to tables of them; null: there is none.
template <class Kernel>
struct Siblings {
    Kernel portable, simd128 = nullptr, neon = nullptr, avx2 = nullptr, avx512 = nullptr;
};

/// The one for the highest set at or below this one.
template <class Kernel>
Kernel choose_sibling(InstructionSet set, const Siblings<Kernel>& siblings) {
    if (set >= InstructionSet::kAvx512 && siblings.avx512) return siblings.avx512;
    if (set >= InstructionSet::kAvx2 && siblings.avx2) return siblings.avx2;
    if (set >= InstructionSet::kNeon && siblings.neon) return siblings.neon;
    if (set >= InstructionSet::kSimd128 && siblings.simd128) return siblings.simd128;
    return siblings.portable;
}

}  // namespace flash
