// Picture files with labels: what tiny-imagenet and images have in common.
#include <fmt/format.h>

#include <algorithm>

#include "data/dataset_formats.h"
#include "data/preprocess.h"

namespace flash::data {

namespace fs = std::filesystem;

PictureFiles::PictureFiles(std::string description, fs::path root, std::vector<Item> items,
                           std::vector<std::string> classes)
    : description_(std::move(description)),
      root_(std::move(root)),
      items_(std::move(items)),
      classes_(std::move(classes)) {}

std::optional<int> PictureFiles::label(std::size_t index) const {
    check_index(index, size());
    return items_[index].label;
}

std::string PictureFiles::name(std::size_t index) const {
    check_index(index, size());
    return items_[index].path.lexically_relative(root_).string();
}

std::vector<float> PictureFiles::load(std::size_t index, const model::Preprocessing& how, const model::Shape& input,
                                      std::string& dropped) const {
    check_index(index, size());
    const std::string path = items_[index].path.string();
    const Image image = read_image(path);
    dropped = image.dropped;
    return preprocess(image, how, input, path);
}

std::vector<fs::path> list_pictures(const fs::path& directory, bool recursive) {
    std::vector<fs::path> pictures;
    for (auto entry = fs::recursive_directory_iterator(directory); entry != fs::recursive_directory_iterator();
         ++entry) {
        const bool hidden = entry->path().filename().string().starts_with('.');
        if (entry->is_directory()) {
            if (hidden || !recursive) entry.disable_recursion_pending();
        } else if (!hidden && has_image_suffix(entry->path().string())) {
            pictures.push_back(entry->path());
        }
    }
    std::sort(pictures.begin(), pictures.end());
    return pictures;
}

}  // namespace flash::data
