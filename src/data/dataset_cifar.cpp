// CIFAR-10 and CIFAR-100, binary version: records of label bytes and 3,072 pixel bytes (32 x 32; red, green, blue
// planes).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "data/dataset_formats.h"
#include "data/file.h"
#include "data/preprocess.h"

namespace flash::data {
namespace {

namespace fs = std::filesystem;

constexpr int kSide = 32;
constexpr std::size_t kPlane = kSide * kSide;
constexpr std::size_t kPixelBytes = 3 * kPlane;

struct Layout {
    const char* set;
    const char* names_file;   ///< class names, one a line, if the folder has it
    std::size_t label_bytes;  ///< the last one is the class
    std::size_t usual_file_records;
    std::vector<std::string> classes;
};

const Layout& cifar10_layout() {
    static const Layout layout{
        "cifar10",
        "batches.meta.txt",
        1,
        10000,
        {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}};
    return layout;
}

const Layout& cifar100_layout(Split split) {
    static const std::vector<std::string> kFineClasses = {
        "apple",      "aquarium_fish", "baby",         "bear",       "beaver",      "bed",         "bee",
        "beetle",     "bicycle",       "bottle",       "bowl",       "boy",         "bridge",      "bus",
        "butterfly",  "camel",         "can",          "castle",     "caterpillar", "cattle",      "chair",
        "chimpanzee", "clock",         "cloud",        "cockroach",  "couch",       "crab",        "crocodile",
        "cup",        "dinosaur",      "dolphin",      "elephant",   "flatfish",    "forest",      "fox",
        "girl",       "hamster",       "house",        "kangaroo",   "keyboard",    "lamp",        "lawn_mower",
        "leopard",    "lion",          "lizard",       "lobster",    "man",         "maple_tree",  "motorcycle",
        "mountain",   "mouse",         "mushroom",     "oak_tree",   "orange",      "orchid",      "otter",
        "palm_tree",  "pear",          "pickup_truck", "pine_tree",  "plain",       "plate",       "poppy",
        "porcupine",  "possum",        "rabbit",       "raccoon",    "ray",         "road",        "rocket",
        "rose",       "sea",           "seal",         "shark",      "shrew",       "skunk",       "skyscraper",
        "snail",      "snake",         "spider",       "squirrel",   "streetcar",   "sunflower",   "sweet_pepper",
        "table",      "tank",          "telephone",    "television", "tiger",       "tractor",     "train",
        "trout",      "tulip",         "turtle",       "wardrobe",   "whale",       "willow_tree", "wolf",
        "woman",      "worm"};
    static const Layout test{"cifar100", "fine_label_names.txt", 2, 10000, kFineClasses};
    static const Layout train{"cifar100", "fine_label_names.txt", 2, 50000, kFineClasses};
    return split == Split::kTest ? test : train;
}

class Cifar : public Dataset {
public:
    Cifar(const Layout& layout, const fs::path& directory, const std::vector<std::string>& files, Split split)
        : record_bytes_(layout.label_bytes + kPixelBytes),
          label_offset_(layout.label_bytes - 1),
          classes_(layout.classes) {
        for (const std::string& file : files) {
            const RandomAccessFile& opened = files_.emplace_back((directory / file).string());
            if (opened.size() == 0 || opened.size() % record_bytes_ != 0) {
                throw Error(ErrorKind::kFile,
                            fmt::format("{}: '{}' has {} bytes; expected records of {} bytes each, normally {} in all",
                                        layout.set, opened.path(), opened.size(), record_bytes_,
                                        record_bytes_ * layout.usual_file_records));
            }
            ends_.push_back((ends_.empty() ? 0 : ends_.back()) + opened.size() / record_bytes_);
        }
        read_names(directory / layout.names_file);
        description_ = fmt::format("{} {} part in {}: {} images of {} classes", layout.set, to_string(split),
                                   directory.string(), size(), classes_.size());
    }

    std::string description() const override { return description_; }
    std::size_t size() const override { return ends_.back(); }
    const std::vector<std::string>& classes() const override { return classes_; }

    std::optional<int> label(std::size_t index) const override {
        const auto [file, offset] = locate(index);
        std::array<std::uint8_t, 1> byte{};
        file->read_at(offset + label_offset_, byte);
        if (byte[0] >= classes_.size()) {
            throw Error(ErrorKind::kFile,
                        fmt::format("'{}': the record at byte {} has label {}, but there are {} classes", file->path(),
                                    offset, byte[0], classes_.size()));
        }
        return byte[0];
    }

    std::string name(std::size_t index) const override {
        const auto [file, offset] = locate(index);
        return fmt::format("{}[{}]", fs::path(file->path()).filename().string(), offset / record_bytes_);
    }

    std::vector<float> load(std::size_t index, const model::Preprocessing& how, const model::Shape& input,
                            std::string&) const override {
        const auto [file, offset] = locate(index);
        std::array<std::uint8_t, kPixelBytes> planes;
        file->read_at(offset + label_offset_ + 1, planes);
        Image image(3, kSide, kSide);
        for (std::size_t i = 0; i < kPlane; ++i) {
            for (std::size_t c = 0; c < 3; ++c) image.pixels[3 * i + c] = planes[c * kPlane + i];
        }
        const bool fits = input.height == kSide && input.width == kSide;
        return fits ? normalise(image, how, input, name(index)) : preprocess(image, how, input, name(index));
    }

private:
    struct Place {
        const RandomAccessFile* file;
        std::uint64_t offset;
    };

    Place locate(std::size_t index) const {
        check_index(index, size());
        const auto file = static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), index) - ends_.begin());
        const std::size_t first = file == 0 ? 0 : ends_[file - 1];
        return {&files_[file], std::uint64_t{index - first} * record_bytes_};
    }

    /// The folder's own list replaces the built-in names if it has as many.
    void read_names(const fs::path& path) {
        std::error_code ignored;
        if (!fs::exists(path, ignored)) return;
        std::vector<std::string> names = read_lines(path.string(), 1 << 16);
        if (names.size() == classes_.size()) classes_ = std::move(names);
    }

    std::size_t record_bytes_, label_offset_;
    std::vector<std::string> classes_;
    std::vector<RandomAccessFile> files_;
    std::vector<std::size_t> ends_;  ///< number of records up to and including each file
    std::string description_;
};

}  // namespace

std::unique_ptr<Dataset> open_cifar10(const fs::path& directory, Split split) {
    const bool test = split == Split::kTest;
    const fs::path folder =
        find_layout(directory, "cifar-10-batches-bin", test ? "test_batch.bin" : "data_batch_1.bin", "cifar10");
    std::vector<std::string> files;
    if (test) {
        files = {"test_batch.bin"};
    } else {
        for (int i = 1; i <= 5; ++i) files.push_back(fmt::format("data_batch_{}.bin", i));
    }
    return std::make_unique<Cifar>(cifar10_layout(), folder, files, split);
}

std::unique_ptr<Dataset> open_cifar100(const fs::path& directory, Split split) {
    const char* file = split == Split::kTest ? "test.bin" : "train.bin";
    const fs::path folder = find_layout(directory, "cifar-100-binary", file, "cifar100");
    return std::make_unique<Cifar>(cifar100_layout(split), folder, std::vector<std::string>{file}, split);
}

}  // namespace flash::data
