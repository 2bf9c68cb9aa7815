// How pictures become inputs, and logits become classes (include/flash/model.h).

#include <fmt/format.h>

#include "api/info.h"
#include "data/image.h"
#include "data/preprocess.h"
#include "model/ranking.h"

namespace flash {

namespace {

void require_pictures(const ModelInfo& model) {
    if (!model.takes_pictures)
        throw Error(ErrorKind::kInvalidArgument,
                    fmt::format("{} does not say how pictures become its input: give arrays of {}x{}x{}", model.name,
                                model.input.channels, model.input.height, model.input.width));
}

std::vector<float> prepare(const ModelInfo& model, const data::Image& image, const std::string& name) {
    return data::preprocess(image, api::preprocessing_of(model.pictures),
                            {model.input.channels, model.input.height, model.input.width}, name);
}

}  // namespace

std::vector<float> prepare(const ModelInfo& model, const Pixels& picture) {
    require_pictures(model);
    if (picture.channels != 1 && picture.channels != 3)
        throw Error(ErrorKind::kInvalidArgument, "a picture has 1 channel or 3");
    if (picture.height < 1 || picture.width < 1 || picture.height > data::kImageMaxSide ||
        picture.width > data::kImageMaxSide)
        throw Error(ErrorKind::kInvalidArgument, fmt::format("a picture of {} x {} pixels; each side has 1 to {}",
                                                             picture.width, picture.height, data::kImageMaxSide));
    const std::size_t size = static_cast<std::size_t>(picture.height) * static_cast<std::size_t>(picture.width) *
                             static_cast<std::size_t>(picture.channels);
    if (picture.samples.size() != size)
        throw Error(ErrorKind::kInvalidArgument,
                    fmt::format("the picture has {} samples where its sides ask for {}", picture.samples.size(), size));
    data::Image image;
    image.channels = picture.channels;
    image.height = picture.height;
    image.width = picture.width;
    image.pixels.assign(picture.samples.begin(), picture.samples.end());
    return prepare(model, image, "the picture");
}

std::vector<float> prepare(const ModelInfo& model, const std::filesystem::path& picture) {
    require_pictures(model);
    return prepare(model, data::read_image(picture.string()), picture.string());
}

std::vector<ClassScore> best_classes(const ModelInfo& model, std::span<const float> logits, std::size_t count) {
    std::vector<ClassScore> best;
    for (model::RankedClass& ranked : model::rank_classes(logits, model.classes, count))
        best.push_back({ranked.index, std::move(ranked.name), ranked.logit, ranked.probability});
    return best;
}

}  // namespace flash
