#include "compiler/onnx/external_data.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <utility>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/hash.h"

namespace flash::compiler {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& why) {
    throw Error(ErrorKind::kFile, what + ": " + why);
}

std::uint64_t number(const std::string& text, const std::string& what) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size())
        fail(what, "the offset or length of its external data is not a number");
    return value;
}

/// Opens folder/location one component after the other, none of which may be a symbolic link or lead upwards.
std::unique_ptr<Descriptor> open_inside(const std::filesystem::path& folder, const std::filesystem::path& location,
                                        const std::string& what) {
    const auto refuse = [&](const std::string& why) {
        fail(what, fmt::format("its external data \"{}\" {}. Only files inside the model's folder are read",
                               location.string(), why));
    };
    if (location.empty() || location.is_absolute()) refuse("is not named relative to the model");
    auto at =
        std::make_unique<Descriptor>(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (at->get() < 0) fail(what, fmt::format("cannot open the model's folder: {}", std::strerror(errno)));
    for (auto part = location.begin(); part != location.end(); ++part) {
        if (*part == "..") refuse("leads out of the model's folder");
        if (part->empty() || *part == ".") continue;
        const bool last = std::next(part) == location.end();
        auto next = std::make_unique<Descriptor>(
            ::openat(at->get(), part->c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (last ? O_NONBLOCK : O_DIRECTORY)));
        if (next->get() < 0 && (errno == ELOOP || errno == ENOTDIR)) refuse("is, or is behind, a symbolic link");
        if (next->get() < 0)
            fail(what, fmt::format("cannot read its external data \"{}\": {}. Keep the file beside the model",
                                   location.string(), std::strerror(errno)));
        at = std::move(next);
    }
    struct stat status {};
    if (::fstat(at->get(), &status) != 0 || !S_ISREG(status.st_mode)) refuse("is not a regular file");
    return at;
}

}  // namespace

/// ONNX's checksum: SHA-1 of the whole file, in hexadecimal digits. Computed once for all tensors of a file.
void ExternalData::check_digest(int file, const std::filesystem::path& location, const std::string& wanted,
                                const std::string& what) const {
    auto found = digests_.find(location.string());
    if (found == digests_.end()) found = digests_.emplace(location.string(), sha1_of_file(file)).first;
    Sha1 digest{};
    if (!from_hex(wanted, digest) || digest != found->second)
        fail(what, fmt::format("its external data \"{}\" does not have the checksum that the model says: the file is "
                               "damaged, or not the model's",
                               location.string()));
}

std::string ExternalData::read(const onnx::TensorProto& tensor, std::size_t bytes, const std::string& what) const {
    std::filesystem::path location;
    std::string checksum;
    std::uint64_t offset = 0, length = bytes;
    for (const auto& entry : tensor.external_data()) {
        if (entry.key() == "location")
            location = entry.value();
        else if (entry.key() == "offset")
            offset = number(entry.value(), what);
        else if (entry.key() == "length")
            length = number(entry.value(), what);
        else if (entry.key() == "checksum")
            checksum = entry.value();
        else
            fail(what, "its external data has the unknown entry \"" + entry.key() + "\"");
    }
    // Behind the NUL the system would not look.
    if (location.native().find('\0') != std::string::npos)
        fail(what, "the name of its external data has a NUL character");
    if (length != bytes) fail(what, "its external data has a size that does not match its shape");
    const std::unique_ptr<Descriptor> file = open_inside(folder_, location, what);
    struct stat status {};
    if (::fstat(file->get(), &status) != 0 || static_cast<std::uint64_t>(status.st_size) < bytes ||
        offset > static_cast<std::uint64_t>(status.st_size) - bytes)
        fail(what, fmt::format("its external data \"{}\" is shorter than the model says", location.string()));
    if (!checksum.empty()) check_digest(file->get(), location, checksum, what);
    std::string data(bytes, '\0');
    for (std::size_t done = 0; done < bytes;) {
        const ssize_t count = ::pread(file->get(), data.data() + done, bytes - done, static_cast<off_t>(offset + done));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) fail(what, fmt::format("cannot read its external data \"{}\"", location.string()));
        done += static_cast<std::size_t>(count);
    }
    return data;
}

}  // namespace flash::compiler
