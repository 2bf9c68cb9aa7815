// The machine and the program that a measurement was taken with.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>

namespace flash::comparison {

/// {"cpu", "cores", "instruction_sets": [...], "instruction_set" (the one in use), "compiler", "build", "system",
/// "date" (UTC), "load" (average over the last minute: other work disturbs timings), "plain_library" (null without
/// one)}
nlohmann::json machine_json();

/// Memory of this process in bytes: now, and the largest so far; 0 where the system does not tell.
struct Memory {
    std::size_t resident = 0;
    std::size_t peak = 0;
};
Memory process_memory();
/// Starts the peak anew at what is resident now. False where the system does not allow that.
bool reset_peak_memory();

}  // namespace flash::comparison
