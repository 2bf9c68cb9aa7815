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
#include <utility>

#include "base/error.h"

namespace flash::compiler {
namespace {

class Descriptor {
public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }

private:
    int fd_;
};

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
Descriptor open_inside(const std::filesystem::path& folder, const std::filesystem::path& location,
                       const std::string& what) {
    const auto refuse = [&](const std::string& why) {
        fail(what, fmt::format("its external data \"{}\" {}. Only files inside the model's folder are read",
                               location.string(), why));
    };
    if (location.empty() || location.is_absolute()) refuse("is not named relative to the model");
    Descriptor at(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (at.get() < 0) fail(what, fmt::format("cannot open the model's folder: {}", std::strerror(errno)));
    for (auto part = location.begin(); part != location.end(); ++part) {
        if (*part == "..") refuse("leads out of the model's folder");
        if (part->empty() || *part == ".") continue;
        const bool last = std::next(part) == location.end();
        Descriptor next(
            ::openat(at.get(), part->c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (last ? O_NONBLOCK : O_DIRECTORY)));
        if (next.get() < 0 && (errno == ELOOP || errno == ENOTDIR)) refuse("is, or is behind, a symbolic link");
        if (next.get() < 0)
            fail(what, fmt::format("cannot read its external data \"{}\": {}. Keep the file beside the model",
                                   location.string(), std::strerror(errno)));
        at = std::move(next);
    }
    struct stat status {};
    if (::fstat(at.get(), &status) != 0 || !S_ISREG(status.st_mode)) refuse("is not a regular file");
    return at;
}

}  // namespace

std::string ExternalData::read(const onnx::TensorProto& tensor, std::size_t bytes, const std::string& what) const {
    std::filesystem::path location;
    std::uint64_t offset = 0, length = bytes;
    for (const auto& entry : tensor.external_data()) {
        if (entry.key() == "location")
            location = entry.value();
        else if (entry.key() == "offset")
            offset = number(entry.value(), what);
        else if (entry.key() == "length")
            length = number(entry.value(), what);
        else if (entry.key() != "checksum")
            fail(what, "its external data has the unknown entry \"" + entry.key() + "\"");
    }
    if (length != bytes) fail(what, "its external data has a size that does not match its shape");
    const Descriptor file = open_inside(folder_, location, what);
    struct stat status {};
    if (::fstat(file.get(), &status) != 0 || static_cast<std::uint64_t>(status.st_size) < bytes ||
        offset > static_cast<std::uint64_t>(status.st_size) - bytes)
        fail(what, fmt::format("its external data \"{}\" is shorter than the model says", location.string()));
    std::string data(bytes, '\0');
    for (std::size_t done = 0; done < bytes;) {
        const ssize_t count = ::pread(file.get(), data.data() + done, bytes - done, static_cast<off_t>(offset + done));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) fail(what, fmt::format("cannot read its external data \"{}\"", location.string()));
        done += static_cast<std::size_t>(count);
    }
    return data;
}

}  // namespace flash::compiler
