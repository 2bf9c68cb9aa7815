#include "service/web_files.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace flash::service {

namespace {

constexpr std::array<std::pair<const char*, const char*>, 10> kTypes = {{{".html", "text/html; charset=utf-8"},
                                                                         {".js", "text/javascript; charset=utf-8"},
                                                                         {".mjs", "text/javascript; charset=utf-8"},
                                                                         {".css", "text/css; charset=utf-8"},
                                                                         {".wasm", "application/wasm"},
                                                                         {".json", "application/json"},
                                                                         {".svg", "image/svg+xml"},
                                                                         {".png", "image/png"},
                                                                         {".jpg", "image/jpeg"},
                                                                         {".ico", "image/x-icon"}}};

/// Only what this server gives out runs or is loaded; frames may go to other servers of Flash, too. No other page may
/// show this one within itself.
constexpr const char* kPolicy =
    "Content-Security-Policy: default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src "
    "'self'; img-src 'self' blob: data:; media-src blob:; connect-src 'self' wss:; base-uri 'none'; form-action "
    "'none'; "
    "frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\nCross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Embedder-Policy: require-corp\r\nPermissions-Policy: camera=(self)\r\n";

}  // namespace

WebFiles::WebFiles(const std::filesystem::path& folder) {
    namespace fs = std::filesystem;
    std::error_code code;
    std::uint64_t total = 0;
    fs::recursive_directory_iterator at(folder, code);
    if (code) throw Error(ErrorKind::kFile, "cannot read the folder " + folder.string() + ": " + code.message());
    for (; at != fs::recursive_directory_iterator(); ++at) {
        const fs::path& path = at->path();
        if (path.filename().string().starts_with('.') || at->is_symlink()) {
            at.disable_recursion_pending();
            continue;
        }
        const auto* const type =
            std::ranges::find_if(kTypes, [&](const auto& known) { return path.extension() == known.first; });
        if (!at->is_regular_file() || type == kTypes.end()) continue;
        total += at->file_size();
        if (total > kMostBytes)
            throw Error(ErrorKind::kFile, folder.string() + " holds more than 64 MiB: is it the folder of a web page?");
        const std::vector<std::uint8_t> bytes = read_file(path.string(), kMostBytes);
        files_["/" + path.lexically_relative(folder).generic_string()] = {type->second, {bytes.begin(), bytes.end()}};
    }
    if (!files_.contains("/index.html"))
        throw Error(ErrorKind::kFile,
                    "there is no index.html in " + folder.string() + " (scripts/build-web makes one)");
}

HttpAnswer WebFiles::answer(const std::string& path) const {
    const auto found = files_.find(path == "/" ? "/index.html" : path);
    if (found == files_.end()) return {404, "text/plain", "there is no such page\n", kPolicy};
    return {200, found->second.type, found->second.content, kPolicy};
}

}  // namespace flash::service
