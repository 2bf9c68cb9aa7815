// Sets of images with or without labels, opened from a SPEC such as cifar10:DIR.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/architecture.h"

namespace flash::data {

enum class Split { kTrain, kTest };

/// Items stay on disk until they are loaded. All functions are const and may be called from several threads.
class Dataset {
public:
    virtual ~Dataset() = default;

    /// One line for reports: what it is, where, how many.
    virtual std::string description() const = 0;
    virtual std::size_t size() const = 0;
    /// Class names by label; empty if the set does not name classes or has no labels.
    virtual const std::vector<std::string>& classes() const = 0;
    /// Class of an item, if the set has labels. Throws Error(kFile) if it cannot be read or is out of range.
    virtual std::optional<int> label(std::size_t index) const = 0;
    /// Name of an item, e.g. its file name.
    virtual std::string name(std::size_t index) const = 0;
    /// CHW floats as the network takes them. Pictures are preprocessed as the metadata says, except that CIFAR pictures
    /// which have the input's size already are neither resized nor cropped; arrays are normalised already.
    /// Throws Error(kFile) if the item is damaged, Error(kInvalidArgument) if it does not fit the input shape.
    /// dropped: what of the picture's file was left out (data/image.h); nothing where the set has no such files.
    virtual std::vector<float> load(std::size_t index, const model::Preprocessing& how, const model::Shape& input,
                                    std::string& dropped) const = 0;
    std::vector<float> load(std::size_t index, const model::Preprocessing& how, const model::Shape& input) const {
        std::string dropped;
        return load(index, how, input, dropped);
    }
};

/// Opens
///   cifar10:DIR        binary version; DIR holds test_batch.bin, or the folder cifar-10-batches-bin does
///   cifar100:DIR       binary version, fine labels; DIR holds test.bin, or the folder cifar-100-binary does
///   tiny-imagenet:DIR  DIR holds wnids.txt, or the folder tiny-imagenet-200 does; labels are positions in wnids.txt
///   images:DIR         a folder of PNG and JPEG pictures; labels from labels.txt, else from sub-folders, else none
///   npy:FILE           NCHW (or one CHW) array, NHWC where only that fits the network, or [N, F];
///                      already normalised; no labels
/// "#train" or "#test" at the end of a SPEC chooses the part; the default is `split`. (The test part of tiny-imagenet
/// is its labelled validation part; an images:DIR has parts if it holds folders train and val or test.) Throws
/// Error(kInvalidArgument) for an unknown form, Error(kFile) if files are missing or damaged.
std::unique_ptr<Dataset> open_dataset(const std::string& spec, Split split = Split::kTest);

/// The forms above in one sentence, for help texts and messages.
std::string dataset_forms();

}  // namespace flash::data
