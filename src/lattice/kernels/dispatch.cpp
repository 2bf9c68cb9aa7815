#include "lattice/kernels/dispatch.h"

namespace flash::lattice {

bool supported(InstructionSet set) {
#if defined(__x86_64__)
    switch (set) {
        case InstructionSet::kPortable: return true;
        case InstructionSet::kAvx2:
            return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma");
        case InstructionSet::kAvx512Ifma:
            return supported(InstructionSet::kAvx2) && __builtin_cpu_supports("avx512f") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512vnni");
    }
    return false;
#else
    return set == InstructionSet::kPortable;
#endif
}

std::vector<InstructionSet> supported_instruction_sets() {
    std::vector<InstructionSet> sets;
    for (InstructionSet set : {InstructionSet::kPortable, InstructionSet::kAvx2, InstructionSet::kAvx512Ifma})
        if (supported(set)) sets.push_back(set);
    return sets;
}

InstructionSet best_instruction_set() {
    static const InstructionSet best = supported_instruction_sets().back();
    return best;
}

std::string_view to_string(InstructionSet set) {
    switch (set) {
        case InstructionSet::kPortable: return "portable";
        case InstructionSet::kAvx2: return "avx2";
        case InstructionSet::kAvx512Ifma: return "avx512ifma";
    }
    return "unknown";
}

}  // namespace flash::lattice
