#include "api/info.h"
#include "api/model_data.h"
#include "model/arithmetic.h"
#include "model/file.h"
#include "packing/plan.h"

namespace flash {

Model::Data::Data(model::Model the_model) : model(std::move(the_model)), twin(model) {
    const packing::Plan plan = packing::make_plan(model.architecture);
    info = api::info_of(model.architecture, model::fingerprint(model), protocol::cost_of(model.architecture, plan));
}

Model::Model(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

Model Model::load(const std::filesystem::path& path) { return Model(std::make_shared<const Data>(model::load(path))); }

void Model::save(const std::filesystem::path& path) const { model::save(data_->model, path); }

const ModelInfo& Model::info() const { return data_->info; }

TwinAnswer Model::evaluate(std::span<const float> input) const {
    api::check_input(data_->info, input);
    model::TwinResult result = data_->twin.run(model::quantise_input(data_->model.architecture, input));
    return {std::move(result.logits), result.overflows};
}

}  // namespace flash
