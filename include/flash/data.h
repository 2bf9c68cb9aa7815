// Sets of pictures or arrays, with or without labels: to calibrate on, and to measure accuracy with.
//
//   flash::DataSet set = flash::DataSet::open("cifar10:data/cifar-10-batches-bin");
//   for (std::size_t i = 0; i < set.size(); ++i) model.evaluate(set.input(i, model.info()));
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flash/error.h"
#include "flash/model.h"

namespace flash {

/// Items stay on disk until they are asked for. Cheap to copy; all functions may be called from several threads.
class DataSet {
public:
    /// cifar10:DIR, cifar100:DIR, tiny-imagenet:DIR, images:DIR (a folder of pictures, labels by sub-folder) or
    /// npy:FILE (arrays, normalised already); "#train" or "#test" at the end chooses the part, which is else the test
    /// part. Error: kInvalidArgument (another form), kFile.
    static DataSet open(const std::string& spec);

    std::string description() const;  ///< one line
    std::size_t size() const;
    const std::vector<std::string>& classes() const;  ///< by label; empty: the set names none
    /// None where the set has no labels. Error(kInvalidArgument): no such item.
    std::optional<int> label(std::size_t index) const;
    std::string name(std::size_t index) const;  ///< such as a file's
    /// As Client::infer and Model::evaluate take it. Error: kInvalidArgument (no such item, or it does not fit the
    /// model), kFile.
    std::vector<float> input(std::size_t index, const ModelInfo& model) const;

    class Impl;  ///< of the library

private:
    explicit DataSet(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
    std::shared_ptr<const Impl> impl_;
};

}  // namespace flash
