// The files of a web page that a server offers beside what it says of itself: read once, at the start, so that no
// request reaches the file system.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "service/http_session.h"

namespace flash::service {

class WebFiles {
public:
    /// All files of known types in the folder and below; links are left out, and so is what begins with a dot.
    /// Error(kFile) if there is no index.html, or more than kMostBytes.
    explicit WebFiles(const std::filesystem::path& folder);

    /// Of a request's path; "/" is index.html. 404 for anything that is not there.
    HttpAnswer answer(const std::string& path) const;

    static constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20;

private:
    struct File {
        std::string type, content;
    };
    std::map<std::string, File> files_;  // by path, with the slash at its front
};

}  // namespace flash::service
