// Tiny ImageNet: 64 x 64 JPEG pictures of 200 classes, named by WordNet ids; labels are positions in wnids.txt.
#include <fmt/format.h>

#include <unordered_map>

#include "base/error.h"
#include "data/dataset_formats.h"
#include "data/file.h"

namespace flash::data {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxListBytes = std::uint64_t{64} << 20;
constexpr const char* kSet = "tiny-imagenet";

using Labels = std::unordered_map<std::string, int>;

/// Fields of a line that are divided by tabs.
std::vector<std::string> fields_of(const std::string& line) {
    std::vector<std::string> fields(1);
    for (const char c : line) {
        if (c == '\t') {
            fields.emplace_back();
        } else {
            fields.back() += c;
        }
    }
    return fields;
}

/// The first of the synonyms that words.txt gives for an id, or the id itself.
std::vector<std::string> class_names(const fs::path& words, const std::vector<std::string>& ids) {
    std::vector<std::string> names = ids;
    std::error_code ignored;
    if (!fs::exists(words, ignored)) return names;
    std::unordered_map<std::string, std::string> synonyms;
    for (const std::string& line : read_lines(words.string(), kMaxListBytes)) {
        const std::vector<std::string> fields = fields_of(line);
        if (fields.size() >= 2) synonyms[fields[0]] = fields[1].substr(0, fields[1].find(','));
    }
    for (std::string& name : names) {
        if (const auto found = synonyms.find(name); found != synonyms.end()) name = found->second;
    }
    return names;
}

/// Pictures in DIR/<id>/ and below (train/<id>/images/, or a validation part that was sorted into folders).
std::vector<PictureFiles::Item> from_folders(const fs::path& directory, const std::vector<std::string>& ids) {
    std::vector<PictureFiles::Item> items;
    std::error_code ignored;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (!fs::is_directory(directory / ids[i], ignored)) continue;
        for (fs::path& path : list_pictures(directory / ids[i], true))
            items.push_back({std::move(path), static_cast<int>(i)});
    }
    return items;
}

std::vector<PictureFiles::Item> from_annotations(const fs::path& file, const fs::path& images, const Labels& labels) {
    std::vector<PictureFiles::Item> items;
    for (const std::string& line : read_lines(file.string(), kMaxListBytes)) {
        const std::vector<std::string> fields = fields_of(line);
        const auto label = fields.size() >= 2 ? labels.find(fields[1]) : labels.end();
        if (label == labels.end() || fields[0].empty() || fields[0].find('/') != std::string::npos) {
            throw Error(ErrorKind::kFile,
                        fmt::format("{}: '{}', line {}, is not a picture's name, a tab and an id of wnids.txt", kSet,
                                    file.string(), items.size() + 1));
        }
        items.push_back({images / fields[0], label->second});
    }
    return items;
}

}  // namespace

std::unique_ptr<Dataset> open_tiny_imagenet(const fs::path& directory, Split split) {
    const fs::path root = find_layout(directory, "tiny-imagenet-200", "wnids.txt", kSet);
    const std::vector<std::string> ids = read_lines((root / "wnids.txt").string(), 1 << 20);
    Labels labels;
    for (std::size_t i = 0; i < ids.size(); ++i) labels.emplace(ids[i], static_cast<int>(i));

    const fs::path part = root / (split == Split::kTrain ? "train" : "val");
    std::error_code ignored;
    if (!fs::is_directory(part, ignored)) {
        throw Error(
            ErrorKind::kFile,
            fmt::format("{}: there is no {} part: '{}' is missing (#{} at the end of the SPEC chooses the other part)",
                        kSet, to_string(split), part.string(),
                        to_string(split == Split::kTrain ? Split::kTest : Split::kTrain)));
    }
    const fs::path annotations = part / "val_annotations.txt";
    const bool listed =
        split == Split::kTest && fs::is_directory(part / "images", ignored) && fs::exists(annotations, ignored);
    std::vector<PictureFiles::Item> items =
        listed ? from_annotations(annotations, part / "images", labels) : from_folders(part, ids);
    if (items.empty())
        throw Error(ErrorKind::kFile, fmt::format("{}: there are no pictures in '{}'", kSet, part.string()));
    std::string description = fmt::format("{} {} part in {}: {} images of {} classes", kSet, to_string(split),
                                          part.string(), items.size(), ids.size());
    return std::make_unique<PictureFiles>(std::move(description), part, std::move(items),
                                          class_names(root / "words.txt", ids));
}

}  // namespace flash::data
