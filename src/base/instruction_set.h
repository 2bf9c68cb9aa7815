// Choice of instruction-set siblings at run time. A kernel is a portable reference plus siblings compiled for one
// instruction set each; all siblings return the same bits. Every kernel with siblings takes an InstructionSet, by
// default the best one of this processor, so that tests and benchmarks can ask for each of them.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace flash {

/// In ascending order. A kernel without a sibling for a set uses the highest one below it.
enum class InstructionSet {
    kPortable,  ///< the baseline of the target
    kSimd128,   ///< WebAssembly's vectors of 128 bits
    kNeon,      ///< the vectors of 128 bits that every 64-bit ARM processor has
    kAvx2,      ///< AVX2 with BMI2, FMA and AES-NI
    kAvx512,    ///< AVX-512 F/BW/DQ/VL with IFMA, VNNI, VBMI, BITALG, VPOPCNTDQ and VAES (Ice Lake, Zen 4 and later)
    kAmx,       ///< the above with AMX-INT8 tiles, which the operating system has to grant (Sapphire Rapids and later)
};

/// Whether this processor and operating system can execute the set. Asking for AMX requests the permission for its
/// tiles.
bool supported(InstructionSet set);
/// Every supported set, portable first; what tests iterate over.
std::vector<InstructionSet> supported_instruction_sets();
/// The highest supported set, no higher than the environment variable FLASH_INSTRUCTION_SET asks for (one of the names
/// below; for comparisons and tests). Computed once. Error(kInvalidArgument) if the variable holds anything else.
InstructionSet best_instruction_set();

/// "portable", "simd128", "neon", "avx2", "avx512", "amx".
std::string_view to_string(InstructionSet set);
/// Nothing for an unknown name.
std::optional<InstructionSet> parse_instruction_set(std::string_view name);

}  // namespace flash
