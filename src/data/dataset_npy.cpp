// Arrays of inputs that are normalised already: NCHW, NHWC where that is what fits the network, or [N, F].
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "data/array_input.h"
#include "data/dataset_formats.h"
#include "data/npy.h"

namespace flash::data {
namespace {

class NpySet : public Dataset {
public:
    explicit NpySet(const std::string& path) : file_(path) {
        const std::vector<std::size_t>& shape = file_.header().shape;
        if (shape.size() < 2 || shape.size() > 4) {
            throw Error(ErrorKind::kInvalidArgument,
                        fmt::format("'{}' has shape {}; inputs must be NCHW, CHW for a single one, or [N, F] for a "
                                    "network of vectors",
                                    path, shape));
        }
        count_ = shape.size() == 3 ? 1 : shape[0];
        if (count_ == 0 || file_.header().count == 0)
            throw Error(ErrorKind::kInvalidArgument, fmt::format("'{}' is empty (shape {})", path, shape));
        item_.assign(shape.size() == 2 ? shape.end() - 1 : shape.end() - 3, shape.end());
        item_.resize(3, 1);
    }

    std::string description() const override {
        return fmt::format("{} inputs of {} in {}, without labels", count_, fmt::join(item_, "x"), file_.path());
    }
    std::size_t size() const override { return count_; }
    const std::vector<std::string>& classes() const override { return classes_; }
    std::optional<int> label(std::size_t index) const override {
        check_index(index, count_);
        return std::nullopt;
    }
    std::string name(std::size_t index) const override {
        const std::string file = std::filesystem::path(file_.path()).filename().string();
        return count_ == 1 ? file : fmt::format("{}[{}]", file, index);
    }

    std::vector<float> load(std::size_t index, const model::Preprocessing&, const model::Shape& input,
                            std::string&) const override {
        check_index(index, count_);
        require_fit(item_, input, file_.path());
        const std::size_t size = item_[0] * item_[1] * item_[2];
        return array_input(file_.read(index * size, size), item_, input,
                           count_ == 1 ? file_.path() : fmt::format("{}[{}]", file_.path(), index));
    }

private:
    NpyFile file_;
    std::size_t count_ = 0;
    std::vector<std::size_t> item_;
    std::vector<std::string> classes_;
};

}  // namespace

std::unique_ptr<Dataset> open_npy_set(const std::filesystem::path& file) {
    return std::make_unique<NpySet>(file.string());
}

}  // namespace flash::data
