// A folder of pictures. Labels come from labels.txt (lines of file name, label and perhaps class name, divided by
// tabs), else from the sub-folders in alphabetical order, else there are none.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "data/dataset_formats.h"
#include "data/file.h"

namespace flash::data {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxListBytes = std::uint64_t{256} << 20;
constexpr int kMaxClasses = 1 << 20;
constexpr const char* kListName = "labels.txt";

struct Contents {
    std::vector<PictureFiles::Item> items;
    std::vector<std::string> classes;
};

/// Names that stay within the folder: relative, no "..".
bool is_inside(const fs::path& name) {
    return !name.empty() && name.is_relative() && std::find(name.begin(), name.end(), "..") == name.end();
}

Contents from_list(const fs::path& directory) {
    const fs::path list = directory / kListName;
    Contents contents;
    int line_number = 0;
    for (const std::string& line : read_lines(list.string(), kMaxListBytes)) {
        ++line_number;
        const std::size_t tab = line.find('\t');
        const std::size_t second = tab == std::string::npos ? tab : line.find('\t', tab + 1);
        int label = -1;
        bool good = tab != std::string::npos && is_inside(line.substr(0, tab));
        if (good) {
            const char* end = line.data() + std::min(second, line.size());
            const auto [stop, error] = std::from_chars(line.data() + tab + 1, end, label);
            good = error == std::errc{} && stop == end && label >= 0 && label < kMaxClasses;
        }
        if (!good) {
            throw Error(ErrorKind::kFile,
                        fmt::format("images: '{}', line {}, is not a file name, a tab and a label (0 or more)",
                                    list.string(), line_number));
        }
        contents.items.push_back({directory / line.substr(0, tab), label});
        if (second != std::string::npos) {
            const auto index = static_cast<std::size_t>(label);
            if (contents.classes.size() <= index) contents.classes.resize(index + 1);
            contents.classes[index] = line.substr(second + 1, line.find('\t', second + 1) - second - 1);
        }
    }
    // Classes that no picture has still need a name.
    for (std::size_t i = 0; i < contents.classes.size(); ++i) {
        if (contents.classes[i].empty()) contents.classes[i] = fmt::format("class {}", i);
    }
    return contents;
}

Contents from_folders(const fs::path& directory) {
    std::vector<fs::path> folders;
    for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
        if (entry.is_directory() && !entry.path().filename().string().starts_with('.')) folders.push_back(entry.path());
    }
    std::sort(folders.begin(), folders.end());
    Contents contents;
    for (const fs::path& folder : folders) {
        const int label = static_cast<int>(contents.classes.size());
        contents.classes.push_back(folder.filename().string());
        for (fs::path& path : list_pictures(folder, true)) contents.items.push_back({std::move(path), label});
    }
    return contents;
}

/// DIR/train and DIR/val (or DIR/test), where a folder is divided that way.
fs::path choose_part(const fs::path& directory, Split split, bool explicit_split) {
    const fs::path train = directory / "train";
    std::error_code ignored;
    for (const char* test : {"val", "test"}) {
        if (fs::is_directory(train, ignored) && fs::is_directory(directory / test, ignored)) {
            return split == Split::kTrain ? train : directory / test;
        }
    }
    if (explicit_split) {
        throw Error(
            ErrorKind::kInvalidArgument,
            fmt::format("images: '{}' is not divided into the folders train and val (or test)", directory.string()));
    }
    return directory;
}

}  // namespace

std::unique_ptr<Dataset> open_image_folder(const fs::path& parent, Split split, bool explicit_split) {
    std::error_code ignored;
    if (!fs::is_directory(parent, ignored))
        throw Error(ErrorKind::kFile, fmt::format("images: there is no directory '{}'", parent.string()));
    const fs::path directory = choose_part(parent, split, explicit_split);

    Contents contents;
    if (fs::exists(directory / kListName, ignored)) {
        contents = from_list(directory);
    } else {
        contents = from_folders(directory);
        std::vector<fs::path> loose = list_pictures(directory, false);
        if (!loose.empty() && !contents.items.empty()) {
            throw Error(
                ErrorKind::kFile,
                fmt::format("images: '{}' has pictures both directly in it and in sub-folders, so that their labels "
                            "are unclear; move them or list them in {}",
                            directory.string(), kListName));
        }
        if (contents.items.empty()) contents.classes.clear();
        for (fs::path& path : loose) contents.items.push_back({std::move(path), std::nullopt});
    }
    if (contents.items.empty())
        throw Error(ErrorKind::kFile,
                    fmt::format("images: there are no PNG or JPEG pictures in '{}'", directory.string()));
    const bool labelled = contents.items.front().label.has_value();
    std::string description = fmt::format("{} pictures in {}, {}", contents.items.size(), directory.string(),
                                          labelled ? "labelled" : "without labels");
    return std::make_unique<PictureFiles>(std::move(description), directory, std::move(contents.items),
                                          std::move(contents.classes));
}

}  // namespace flash::data
