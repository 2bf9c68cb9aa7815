#include "app/probe_pictures.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <random>

#include "data/preprocess.h"
#include "model/arithmetic.h"
#include "model/twin.h"

namespace flash::app {
namespace {

using Colour = std::array<std::uint8_t, 3>;

constexpr Colour kBlack{0, 0, 0}, kWhite{255, 255, 255}, kGrey{128, 128, 128}, kRed{255, 0, 0}, kGreen{0, 255, 0},
    kBlue{0, 0, 255};

/// Calls colour(x, y) with both coordinates from 0 to 1.
data::Image paint(int height, int width, const std::function<Colour(double, double)>& colour) {
    data::Image image(3, height, width);
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x) {
            const Colour c = colour((x + 0.5) / width, (y + 0.5) / height);
            std::copy(c.begin(), c.end(), image.row(y) + 3 * x);
        }
    return image;
}

std::function<Colour(double, double)> checkerboard(int fields) {
    return [fields](double x, double y) {
        return (static_cast<int>(x * fields) + static_cast<int>(y * fields)) % 2 == 0 ? kBlack : kWhite;
    };
}

Colour logo(double x, double y) {
    if (x > 0.4 && x < 0.63 && y > 0.4 && y < 0.63) return kBlue;
    return (x - 0.5) * (x - 0.5) + (y - 0.5) * (y - 0.5) < 0.12 ? kRed : kWhite;
}

}  // namespace

std::vector<ProbeOutcome> probe(const model::Model& model) {
    const model::Architecture& architecture = model.architecture;
    const model::Shape& input = architecture.input;
    if (!data::takes_pictures(architecture.preprocessing) || (input.channels != 1 && input.channels != 3)) return {};
    std::mt19937 random(1);
    const auto noise = [&](double, double) {
        const auto byte = [&] { return static_cast<std::uint8_t>(random() & 255); };
        return Colour{byte(), byte(), byte()};
    };
    const auto constant = [](Colour colour) { return [colour](double, double) { return colour; }; };
    const std::vector<std::pair<const char*, std::function<Colour(double, double)>>> kinds{
        {"black", constant(kBlack)},
        {"white", constant(kWhite)},
        {"grey", constant(kGrey)},
        {"green", constant(kGreen)},
        {"checkerboard of single pixels", checkerboard(std::max(input.height, input.width))},
        {"checkerboard of 8 fields", checkerboard(8)},
        {"noise", noise},
        {"gradient",
         [](double x, double y) {
             return Colour{static_cast<std::uint8_t>(255 * x), static_cast<std::uint8_t>(255 * y), 128};
         }},
        {"green square on white",
         [](double x, double y) { return x > 0.25 && x < 0.75 && y > 0.25 && y < 0.75 ? kGreen : kWhite; }},
        {"logo", logo},
    };
    // Of the input's proportions and as large as the preprocessing wants its short side, so that fine patterns survive.
    const double scale =
        std::max(1.0, static_cast<double>(architecture.preprocessing.resize) / std::min(input.height, input.width));
    const auto extent = [&](int length) { return static_cast<int>(std::ceil(length * scale - 1e-9)); };
    std::vector<std::vector<float>> values;
    values.reserve(kinds.size());
    for (const auto& [name, colour] : kinds)
        values.push_back(data::preprocess(paint(extent(input.height), extent(input.width), colour),
                                          architecture.preprocessing, input, std::string(name)));
    const model::Twin twin(model);
    std::vector<ProbeOutcome> outcomes(kinds.size());
    tbb::parallel_for(std::size_t{0}, kinds.size(), [&](std::size_t i) {
        outcomes[i] = {kinds[i].first, twin.run(model::quantise_input(architecture, values[i])).overflows};
    });
    return outcomes;
}

}  // namespace flash::app
