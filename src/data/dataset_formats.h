// The formats behind open_dataset(), one file per format.
#pragma once

#include <filesystem>
#include <string_view>

#include "data/dataset.h"

namespace flash::data {

std::unique_ptr<Dataset> open_cifar10(const std::filesystem::path& directory, Split split);
std::unique_ptr<Dataset> open_cifar100(const std::filesystem::path& directory, Split split);
std::unique_ptr<Dataset> open_tiny_imagenet(const std::filesystem::path& directory, Split split);
/// `explicit_split`: the part was asked for by name, so that a folder without parts is an error.
std::unique_ptr<Dataset> open_image_folder(const std::filesystem::path& directory, Split split, bool explicit_split);
std::unique_ptr<Dataset> open_npy_set(const std::filesystem::path& file);

/// The folder itself or its sub-folder `usual_name`, whichever holds `marker`. Throws Error(kFile) with what was looked
/// for.
std::filesystem::path find_layout(const std::filesystem::path& directory, const char* usual_name, const char* marker,
                                  const char* set);

/// Throws Error(kInternal) if there is no such item.
void check_index(std::size_t index, std::size_t size);

inline const char* to_string(Split split) { return split == Split::kTrain ? "train" : "test"; }

/// Pictures as files with labels, the common part of tiny-imagenet and images.
class PictureFiles : public Dataset {
public:
    struct Item {
        std::filesystem::path path;
        std::optional<int> label;
    };
    /// `root` is taken off the item names.
    PictureFiles(std::string description, std::filesystem::path root, std::vector<Item> items,
                 std::vector<std::string> classes);

    std::string description() const override { return description_; }
    std::size_t size() const override { return items_.size(); }
    const std::vector<std::string>& classes() const override { return classes_; }
    std::optional<int> label(std::size_t index) const override;
    std::string name(std::size_t index) const override;
    std::vector<float> load(std::size_t index, const model::Preprocessing& how, const model::Shape& input,
                            std::string& dropped) const override;

private:
    std::string description_;
    std::filesystem::path root_;
    std::vector<Item> items_;
    std::vector<std::string> classes_;
};

/// Picture files directly in a folder, or anywhere below it, sorted by path; hidden entries are left out.
std::vector<std::filesystem::path> list_pictures(const std::filesystem::path& directory, bool recursive);

}  // namespace flash::data
