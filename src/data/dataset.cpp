#include "data/dataset.h"

#include <fmt/format.h>

#include "base/error.h"
#include "data/dataset_formats.h"

namespace flash::data {

namespace fs = std::filesystem;

std::string dataset_forms() {
    return "cifar10:DIR, cifar100:DIR, tiny-imagenet:DIR, images:DIR or npy:FILE, with #train or #test behind it to "
           "choose a part";
}

fs::path find_layout(const fs::path& directory, const char* usual_name, const char* marker, const char* set) {
    std::error_code ignored;
    if (!fs::is_directory(directory, ignored)) {
        throw Error(ErrorKind::kFile, fmt::format("{}: there is no directory '{}'", set, directory.string()));
    }
    for (const fs::path& candidate : {directory, directory / usual_name}) {
        if (fs::exists(candidate / marker, ignored)) return candidate;
    }
    throw Error(ErrorKind::kFile, fmt::format("{}: '{}' holds neither {} nor {}/{}", set, directory.string(), marker,
                                              usual_name, marker));
}

void check_index(std::size_t index, std::size_t size) {
    require(index < size, ErrorKind::kInternal, "a data set was asked for an item behind its end");
}

std::unique_ptr<Dataset> open_dataset(const std::string& spec, Split split) {
    const std::size_t colon = spec.find(':');
    const std::string form = spec.substr(0, colon);
    std::string place = colon == std::string::npos ? "" : spec.substr(colon + 1);
    bool explicit_split = false;
    for (const Split named : {Split::kTrain, Split::kTest}) {
        const std::string suffix = fmt::format("#{}", to_string(named));
        if (!explicit_split && place.ends_with(suffix)) {
            place.resize(place.size() - suffix.size());
            split = named;
            explicit_split = true;
        }
    }
    const bool known =
        form == "cifar10" || form == "cifar100" || form == "tiny-imagenet" || form == "images" || form == "npy";
    if (colon == std::string::npos || place.empty() || !known) {
        throw Error(ErrorKind::kInvalidArgument,
                    fmt::format("'{}' is not a data set; it must be {}", spec, dataset_forms()));
    }
    try {
        if (form == "cifar10") return open_cifar10(place, split);
        if (form == "cifar100") return open_cifar100(place, split);
        if (form == "tiny-imagenet") return open_tiny_imagenet(place, split);
        if (form == "images") return open_image_folder(place, split, explicit_split);
        if (explicit_split)
            throw Error(ErrorKind::kInvalidArgument, fmt::format("'{}': an array has no train or test part", spec));
        return open_npy_set(place);
    } catch (const fs::filesystem_error& error) {
        throw Error(ErrorKind::kFile, fmt::format("{}: {}", form, error.what()));
    }
}

}  // namespace flash::data
