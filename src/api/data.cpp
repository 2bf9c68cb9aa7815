#include "flash/data.h"

#include <fmt/format.h>

#include "api/info.h"
#include "data/dataset.h"
#include "data/preprocess.h"

namespace flash {

class DataSet::Impl {
public:
    explicit Impl(std::unique_ptr<data::Dataset> set) : set_(std::move(set)) {}

    const data::Dataset& set() const { return *set_; }
    const data::Dataset& with(std::size_t index) const {
        if (index >= set_->size())
            throw Error(ErrorKind::kInvalidArgument,
                        fmt::format("there is no item {} in {}", index, set_->description()));
        return *set_;
    }

private:
    std::unique_ptr<data::Dataset> set_;
};

DataSet DataSet::open(const std::string& spec) {
    return DataSet(std::make_shared<const Impl>(data::open_dataset(spec)));
}

std::string DataSet::description() const { return impl_->set().description(); }
std::size_t DataSet::size() const { return impl_->set().size(); }
const std::vector<std::string>& DataSet::classes() const { return impl_->set().classes(); }
std::optional<int> DataSet::label(std::size_t index) const { return impl_->with(index).label(index); }
std::string DataSet::name(std::size_t index) const { return impl_->with(index).name(index); }

std::vector<float> DataSet::input(std::size_t index, const ModelInfo& model) const {
    return impl_->with(index).load(index, api::preprocessing_of(model.pictures),
                                   {model.input.channels, model.input.height, model.input.width});
}

}  // namespace flash
