#include "comparison/report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json_text.h"
#include "base/standard_output.h"
#include "base/table.h"

namespace flash::comparison {

void require_destination(const std::string& destination) {
    if (!destination.empty() && destination != "-") require_writable(destination);
}

bool write_json(const nlohmann::json& json, const std::string& destination) {
    if (destination.empty()) return false;
    if (destination == "-") {
        print_result("{}\n", json_text(json, 2));
        return true;
    }
    write_file(destination, json_text(json, 2) + "\n", Access::kEveryone);
    return false;
}

std::string machine_text(const nlohmann::json& machine, int threads) {
    const std::string plain = machine["plain_library"].is_string()
                                  ? machine["plain_library"].get<std::string>()
                                  : "none; built without oneDNN, so there are no plain columns";
    const double load = machine["load"].get<double>();
    const std::string busy =
        load > 0.5 ? fmt::format("the machine is busy (load {:.1f}): expect disturbed figures\n", load) : std::string();
    return fmt::format("{}, {} cores, {} threads used; kernels: {}; {}, {}\nplain library: {}\n{}",
                       printable(machine["cpu"].get<std::string>()), machine["cores"].get<int>(), threads,
                       machine["instruction_set"].get<std::string>(), machine["compiler"].get<std::string>(),
                       machine["build"].get<std::string>(), plain, busy);
}

}  // namespace flash::comparison
