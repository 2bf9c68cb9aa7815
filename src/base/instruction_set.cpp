#include "base/instruction_set.h"

#include <array>
#include <cstdlib>
#include <string>

#include "base/error.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace flash {

namespace {

constexpr std::array kSets = {InstructionSet::kPortable, InstructionSet::kSimd128, InstructionSet::kNeon,
                              InstructionSet::kAvx2,     InstructionSet::kAvx512,  InstructionSet::kAmx};

#if defined(__x86_64__)
// The tiles are large, so Linux gives their state only to processes that ask (arch_prctl, since Linux 5.16).
bool amx_granted() {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return false;
    constexpr unsigned kAmxTile = 1u << 24, kAmxInt8 = 1u << 25;
    if ((edx & kAmxTile) == 0 || (edx & kAmxInt8) == 0) return false;
    constexpr long kRequestPermission = 0x1023, kTileData = 18;
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

/// Asked of the processor itself: Clang 14's __builtin_cpu_supports does not know the name.
bool has_vaes() {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    constexpr unsigned kVaes = 1u << 9;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ecx & kVaes) != 0;
}
#endif

}  // namespace

bool supported(InstructionSet set) {
#if defined(__x86_64__)
    switch (set) {
        case InstructionSet::kPortable: return true;
        case InstructionSet::kSimd128:
        case InstructionSet::kNeon: return false;
        case InstructionSet::kAvx2:
            return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma") &&
                   __builtin_cpu_supports("aes");
        case InstructionSet::kAvx512:
            return supported(InstructionSet::kAvx2) && __builtin_cpu_supports("avx512f") &&
                   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512ifma") &&
                   __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi") &&
                   __builtin_cpu_supports("avx512bitalg") && __builtin_cpu_supports("avx512vpopcntdq") && has_vaes();
        case InstructionSet::kAmx: {
            static const bool granted = amx_granted();
            return granted && supported(InstructionSet::kAvx512);
        }
    }
    return false;
#elif defined(__aarch64__)
    return set == InstructionSet::kPortable || set == InstructionSet::kNeon;
#elif defined(__wasm_simd128__)
    // A module with such instructions is loaded only where there are such vectors.
    return set <= InstructionSet::kSimd128;
#else
    return set == InstructionSet::kPortable;
#endif
}

std::vector<InstructionSet> supported_instruction_sets() {
    std::vector<InstructionSet> sets;
    for (InstructionSet set : kSets)
        if (supported(set)) sets.push_back(set);
    return sets;
}

InstructionSet best_instruction_set() {
    static const InstructionSet best = [] {
        InstructionSet limit = kSets.back();
        if (const char* name = std::getenv("FLASH_INSTRUCTION_SET")) {
            const auto parsed = parse_instruction_set(name);
            if (!parsed)
                throw Error(ErrorKind::kInvalidArgument,
                            std::string("FLASH_INSTRUCTION_SET is '") + name +
                                "'; it can be portable, simd128, neon, avx2, avx512 or amx");
            limit = *parsed;
        }
        InstructionSet result = InstructionSet::kPortable;
        for (InstructionSet set : kSets)
            if (set <= limit && supported(set)) result = set;
        return result;
    }();
    return best;
}

std::string_view to_string(InstructionSet set) {
    switch (set) {
        case InstructionSet::kPortable: return "portable";
        case InstructionSet::kSimd128: return "simd128";
        case InstructionSet::kNeon: return "neon";
        case InstructionSet::kAvx2: return "avx2";
        case InstructionSet::kAvx512: return "avx512";
        case InstructionSet::kAmx: return "amx";
    }
    return "unknown";
}

std::optional<InstructionSet> parse_instruction_set(std::string_view name) {
    for (InstructionSet set : kSets)
        if (name == to_string(set)) return set;
    return std::nullopt;
}

}  // namespace flash
