#include "sample_model.h"

#include <random>

namespace flash::testing {

using namespace flash::model;

Model sample_model(std::uint64_t seed, const SlotChoice& slots) {
    std::mt19937_64 random(seed);
    const auto draw = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
    Model model;
    Architecture& a = model.architecture;
    a.name = "sample";
    a.slots = slots;
    a.plain_bits = 25;
    a.input = {2, 6, 5};
    a.input_scale = 0.01;
    a.input_limit = 100;
    a.preprocessing = {8, 6, 5, {0.5f, 0.25f}, {0.2f, 0.3f}};
    a.classes = {"cat", "dog", "eel"};
    a.output_scale = 0.001;
    const Window three{3, 3, 1, 1, 1, 1, 1, 1}, strided{3, 2, 2, 2, 1, 0, 0, 1}, pool{2, 2, 2, 2, 0, 0, 0, 1};
    a.layers = {
        {"first", {{0, {}, TermKind::kConvolution, three}}, {4, 6, 5}, 9, true, {}},
        {"down", {{1, {}, TermKind::kConvolution, strided}}, {4, 3, 3}, 9, true, {}},
        {"block", {{2, {}, TermKind::kConvolution, three}, {1, pool, TermKind::kScale, {}}}, {4, 3, 3}, 10, true, {}},
        {"fc",
         {{3, Window{3, 3, 1, 1}, TermKind::kConvolution, {}}, {2, {}, TermKind::kConvolution, {3, 3}}},
         {3, 1, 1},
         16,
         false,
         {}},
    };
    for (std::size_t i = 0; i < a.layers.size(); ++i) {
        const Layer& layer = a.layers[i];
        LayerWeights& w = model.weights.layers.emplace_back();
        const auto channels = static_cast<std::size_t>(layer.output.channels);
        for (const Term& term : layer.terms) {
            TermWeights& t = w.terms.emplace_back();
            if (term.kind == TermKind::kScale) {
                for (std::size_t o = 0; o < channels; ++o) t.scale.push_back(draw(-20, 20));
                continue;
            }
            const auto count = channels * static_cast<std::size_t>(a.pooled_shape(term).channels *
                                                                   term.window.kernel_h * term.window.kernel_w);
            for (std::size_t k = 0; k < count; ++k) t.weights.push_back(static_cast<std::int8_t>(draw(-9, 9)));
            t.multiplier = i == 0 ? 100 : draw(1, 3);
        }
        for (std::size_t o = 0; o < channels; ++o) {
            w.bias.push_back(draw(-100000, 100000));
            w.x_scale.push_back(0.01);
            if (!layer.activation) continue;
            w.kappa.push_back(draw(-60, 60));
            w.offset.push_back(draw(-100, 100));
            w.y_scale.push_back(0.0001);
        }
    }
    for (int i = 0; i < 32; ++i) model.weights.salt.push_back(static_cast<std::uint8_t>(draw(0, 255)));
    return model;
}

std::vector<std::int32_t> sample_input(const Model& model, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::uniform_int_distribution<std::int32_t> pixel(-model.architecture.input_limit, model.architecture.input_limit);
    std::vector<std::int32_t> input(static_cast<std::size_t>(model.architecture.input.size()));
    for (std::int32_t& value : input) value = pixel(random);
    return input;
}

}  // namespace flash::testing
