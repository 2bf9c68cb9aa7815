#include "service/epoch_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
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
    const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
    bool good = text.size() == 2 * epoch.size() + 1 && text.back() == '\n';
    for (std::size_t i = 0; good && i < epoch.size(); ++i) {
        const int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        good = high >= 0 && low >= 0;
        if (good) epoch[i] = static_cast<std::uint8_t>(16 * high + low);
    }
    if (!good)
        throw Error(ErrorKind::kFile,
                    fmt::format("'{}' is not what flash serve --rotate writes; remove it, or begin a new epoch",
                                path.string()));
    return epoch;
}

}  // namespace flash::service
