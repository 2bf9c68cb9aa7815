#include "data/input.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "data/array_input.h"
#include "data/dataset_formats.h"
#include "data/image.h"
#include "data/npy.h"
#include "data/preprocess.h"

namespace flash::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStandardInput = "-";
constexpr std::string_view kNpyMark("\x93NUMPY", 6);
// More inputs than this are not typed in but evaluated from a data set.
constexpr std::size_t kMaxInputs = 10000;

std::vector<std::uint8_t> read_standard_input() {
    std::vector<std::uint8_t> bytes;
    while (true) {
        const std::size_t before = bytes.size();
        bytes.resize(before + (std::size_t{1} << 20));
        const ssize_t got = ::read(STDIN_FILENO, bytes.data() + before, bytes.size() - before);
        bytes.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw Error(ErrorKind::kFile, fmt::format("cannot read standard input: {}", std::strerror(errno)));
        if (got == 0) return bytes;
        if (bytes.size() > kImageMaxFileBytes)
            throw Error(ErrorKind::kFile,
                        fmt::format("standard input is too large: the limit is {} bytes", kImageMaxFileBytes));
    }
}

bool is_npy(std::span<const std::uint8_t> bytes) {
    return bytes.size() >= kNpyMark.size() && std::memcmp(bytes.data(), kNpyMark.data(), kNpyMark.size()) == 0;
}

/// An array under another name than *.npy.
bool starts_as_npy(const std::string& path) {
    const RandomAccessFile file(path);
    std::array<std::uint8_t, kNpyMark.size()> first{};
    if (file.size() < first.size()) return false;
    file.read_at(0, first);
    return is_npy(first);
}

/// An array of one input or several, already in memory.
std::vector<Input> split(const NpyArray& array, const model::Shape& shape, const std::string& name) {
    std::vector<std::size_t> item = array.shape;
    std::size_t count = 1;
    if (item.size() == 4 || item.size() == 2) {
        count = item.front();
        item.erase(item.begin());
    }
    item.resize(std::max<std::size_t>(item.size(), 3), 1);  // vectors are maps of one pixel
    if (array.values.empty()) throw Error(ErrorKind::kInvalidArgument, fmt::format("'{}' is empty", name));
    const std::size_t size = array.values.size() / count;
    std::vector<Input> inputs;
    for (std::size_t i = 0; i < count; ++i) {
        const auto begin = array.values.begin() + static_cast<std::ptrdiff_t>(i * size);
        std::string its = count == 1 ? name : fmt::format("{}[{}]", name, i);
        std::vector<float> values = array_input({begin, begin + static_cast<std::ptrdiff_t>(size)}, item, shape, its);
        inputs.push_back({std::move(its), std::move(values), {}});
    }
    return inputs;
}

}  // namespace

std::vector<std::string> find_inputs(const std::string& word) {
    if (word == kStandardInput) return {word};
    std::error_code error;
    if (!fs::exists(word, error)) throw Error(ErrorKind::kFile, fmt::format("there is no file {}", word));
    if (!fs::is_directory(word, error)) return {word};
    std::vector<std::string> found;
    for (const fs::directory_entry& entry : fs::directory_iterator(word, error)) {
        const std::string name = entry.path().filename().string();
        const bool wanted = has_image_suffix(name) || name.ends_with(".npy");
        std::error_code unknown;  // of a link that leads nowhere; what is no file is said when it is read
        if (wanted && !name.starts_with('.') && !entry.is_directory(unknown)) found.push_back(entry.path().string());
    }
    if (error) throw Error(ErrorKind::kFile, fmt::format("cannot read the folder {}: {}", word, error.message()));
    if (found.empty())
        throw Error(ErrorKind::kFile, fmt::format("there is no picture (.png, .jpg) and no .npy file in {}", word));
    std::ranges::sort(found);
    return found;
}

std::vector<Input> load_inputs(const std::string& path, const model::Preprocessing& how, const model::Shape& shape) {
    const auto from_picture = [&](const Image& image, const std::string& name) -> std::vector<Input> {
        return {{name, preprocess(image, how, shape, name), image.dropped}};
    };
    if (path == kStandardInput) {
        const std::vector<std::uint8_t> bytes = read_standard_input();
        return is_npy(bytes) ? split(parse_npy(bytes, "standard input"), shape, "standard input")
                             : from_picture(decode_image(bytes, "standard input"), "standard input");
    }
    if (!path.ends_with(".npy") && !starts_as_npy(path)) return from_picture(read_image(path), path);
    const std::unique_ptr<Dataset> set = open_npy_set(path);
    if (set->size() > kMaxInputs) {
        throw Error(
            ErrorKind::kInvalidArgument,
            fmt::format("'{}' holds {} inputs; at most {} can be given in one file", path, set->size(), kMaxInputs));
    }
    std::vector<Input> inputs;
    for (std::size_t i = 0; i < set->size(); ++i) {
        inputs.push_back(
            {set->size() == 1 ? path : fmt::format("{}[{}]", path, i), set->load(i, how, shape), std::string()});
    }
    return inputs;
}

}  // namespace flash::data
