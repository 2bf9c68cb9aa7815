// Choice of instruction-set siblings at run time. A kernel is a portable reference plus siblings compiled for one
// instruction set each; all siblings return the same bits. Every kernel with siblings takes an InstructionSet, by default the best
// one of this processor, so that tests and benchmarks can ask for each of them.
#pragma once

#include <string_view>
#include <vector>

namespace flash::lattice {

/// In ascending order: a processor that has one usually has those before it, but `supported` asks for each separately.
enum class InstructionSet {
    kPortable,    ///< baseline x86-64
    kAvx2,        ///< AVX2 with BMI2 and FMA
    kAvx512Ifma,  ///< AVX-512 F/DQ/VL with IFMA52 and VNNI; no kernel uses it yet
};

/// Whether this processor and operating system can execute the set.
bool supported(InstructionSet set);
/// The highest supported set; computed once.
InstructionSet best_instruction_set();
/// Every supported set, portable first; what tests iterate over.
std::vector<InstructionSet> supported_instruction_sets();
/// "portable", "avx2", "avx512ifma".
std::string_view to_string(InstructionSet set);

}  // namespace flash::lattice
