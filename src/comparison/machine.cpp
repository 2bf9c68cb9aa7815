#include "comparison/machine.h"

#include <fmt/chrono.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "base/cores.h"
#include "base/instruction_set.h"
#include "comparison/plain.h"

namespace flash::comparison {

namespace {

/// The rest of the first line of a file that starts with this key, without colon and spaces; empty if there is none.
std::string line_of(const char* file, const std::string& key) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
        if (!line.starts_with(key)) continue;
        const std::size_t at = line.find_first_not_of(" \t:", key.size());
        return at == std::string::npos ? std::string() : line.substr(at);
    }
    return {};
}

std::size_t status_bytes(const std::string& key) {
    const std::string text = line_of("/proc/self/status", key);  // "12345 kB"
    return text.empty() ? 0 : static_cast<std::size_t>(std::stoull(text)) * 1024;
}

}  // namespace

nlohmann::json machine_json() {
    nlohmann::json sets = nlohmann::json::array();
    for (InstructionSet set : supported_instruction_sets()) sets.push_back(to_string(set));
    utsname system{};
    uname(&system);
    double load = 0;
    getloadavg(&load, 1);
    const PlainFactory* plain = plain_factory();
#ifdef NDEBUG
    const char* build = "optimised";
#else
    const char* build = "with assertions";
#endif
    return {{"cpu", line_of("/proc/cpuinfo", "model name")},
            {"cores", available_cores()},
            {"instruction_sets", sets},
            {"instruction_set", to_string(best_instruction_set())},
            {"compiler", "g++ " __VERSION__},
            {"build", build},
            {"system", fmt::format("{} {}", system.sysname, system.release)},
            {"date", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))},
            {"load", load},
            {"plain_library", plain ? nlohmann::json(plain->library()) : nlohmann::json()}};
}

Memory process_memory() { return {status_bytes("VmRSS"), status_bytes("VmHWM")}; }

bool reset_peak_memory() {
    std::ofstream out("/proc/self/clear_refs");
    out << "5" << std::flush;
    return out.good();
}

}  // namespace flash::comparison
