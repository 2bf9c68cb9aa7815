#include "service/epoch_file.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"

namespace flash::service {

std::filesystem::path epoch_file(const std::filesystem::path& model) { return model.string() + ".epoch"; }

protocol::Epoch epoch_of(const std::filesystem::path& model, bool rotate) {
    const std::filesystem::path path = epoch_file(model);
    if (rotate) {
        const protocol::Epoch fresh = generate_public_seed();
        write_file(path, fmt::format("{}\n", to_hex(fresh)), Access::kEveryone);
        return fresh;
    }
    if (!std::filesystem::exists(path)) return {};
    const std::vector<std::uint8_t> bytes = read_file(path.string(), 1024);
    const std::string text(bytes.begin(), bytes.end());
    protocol::Epoch epoch{};
    const bool good = text.ends_with('\n') && from_hex(std::string_view(text).substr(0, text.size() - 1), epoch);
    if (!good)
        throw Error(ErrorKind::kFile,
                    fmt::format("'{}' is not what flash serve --rotate writes; remove it, or begin a new epoch",
                                path.string()));
    return epoch;
}

}  // namespace flash::service
