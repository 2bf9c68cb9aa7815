#include "data/input.h"

#include <fmt/format.h>

#include "base/error.h"
#include "data/dataset_formats.h"
#include "data/image.h"
#include "data/preprocess.h"

namespace flash::data {

std::vector<Input> load_inputs(const std::string& path, const model::Preprocessing& how, const model::Shape& shape) {
    // More inputs than this are not typed in but evaluated from a data set.
    constexpr std::size_t kMaxInputs = 10000;
    if (!path.ends_with(".npy")) return {{path, preprocess(read_image(path), how, shape, path)}};
    const std::unique_ptr<Dataset> set = open_npy_set(path);
    if (set->size() > kMaxInputs) {
        throw Error(
            ErrorKind::kInvalidArgument,
            fmt::format("'{}' holds {} inputs; at most {} can be given in one file", path, set->size(), kMaxInputs));
    }
    std::vector<Input> inputs;
    for (std::size_t i = 0; i < set->size(); ++i) {
        inputs.push_back({set->size() == 1 ? path : fmt::format("{}[{}]", path, i), set->load(i, how, shape)});
    }
    return inputs;
}

}  // namespace flash::data
