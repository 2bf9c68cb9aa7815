#include "comparison/pictures.h"

#include <fmt/format.h>

#include <random>

#include "app/answer.h"
#include "base/error.h"
#include "data/dataset.h"
#include "model/arithmetic.h"

namespace flash::comparison {

namespace {

/// False if the twin finds a value out of its range.
bool complete(Picture& picture, const model::Twin& twin) {
    const model::TwinResult result = twin.run(picture.input);
    picture.logits = result.logits;
    return result.overflows == 0;
}

Picture random_picture(int number, const model::Architecture& architecture, const model::Twin& twin) {
    Picture picture{fmt::format("random {}", number),
                    {},
                    std::vector<std::int32_t>(static_cast<std::size_t>(architecture.input.size())),
                    {},
                    0};
    for (std::int32_t limit = architecture.input_limit; limit > 0; limit /= 2) {
        std::mt19937_64 random(static_cast<std::uint64_t>(number));
        std::uniform_int_distribution<std::int32_t> pixel(-limit, limit);
        for (auto& value : picture.input) value = pixel(random);
        if (complete(picture, twin)) break;
    }
    for (std::int32_t value : picture.input)
        picture.pixels.push_back(static_cast<float>(value * architecture.input_scale));
    return picture;
}

}  // namespace

Pictures choose_pictures(const std::string& data, int count, const model::Architecture& architecture,
                         const model::Twin& twin) {
    Pictures pictures;
    if (data.empty()) {
        pictures.source = "random pixels";
        for (int number = 1; number <= count; ++number)
            pictures.all.push_back(random_picture(number, architecture, twin));
    } else {
        const auto set = data::open_dataset(data);
        const std::size_t step = std::max<std::size_t>(1, set->size() / static_cast<std::size_t>(count));
        for (std::size_t index = 0; index < set->size() && pictures.all.size() < static_cast<std::size_t>(count);) {
            Picture picture{
                set->name(index), set->load(index, architecture.preprocessing, architecture.input), {}, {}, 0};
            picture.input = model::quantise_input(architecture, picture.pixels);
            const bool fits = complete(picture, twin);
            index += fits ? step : 1;
            if (fits)
                pictures.all.push_back(std::move(picture));
            else
                ++pictures.skipped;
        }
        pictures.source = fmt::format("{} of {}", pictures.all.size(), set->description());
        require(!pictures.all.empty(), ErrorKind::kRange,
                "on every picture of the set some value leaves its range: compile the model with a larger margin");
    }
    for (Picture& picture : pictures.all)
        picture.logit_bound = app::logit_bound(twin, picture.input, picture.logits, architecture.output_scale);
    return pictures;
}

}  // namespace flash::comparison
