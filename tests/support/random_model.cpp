#include "support/random_model.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "model/arithmetic.h"
#include "model/sine.h"
#include "packing/choose_packing.h"
#include "packing/levels.h"
#include "packing/plan.h"
#include "packing/upload_bits.h"

namespace flash::testing {

namespace {

using model::Layer;
using model::LayerWeights;
using model::Model;
using model::Shape;
using model::Term;
using model::TermKind;
using model::TermWeights;
using model::Window;

class Builder {
public:
    Builder(std::uint64_t seed, Shape input, int plain_bits, int share_bits, model::SlotChoice slots = {8192, 2},
            bool trust_server = false)
        : rng_(seed),
          share_bits_(share_bits) {
        model_.architecture.slots = slots;
        model_.architecture.trust_server = trust_server;
        model_.architecture.name = "random";
        model_.architecture.plain_bits = plain_bits;
        model_.architecture.input = input;
        model_.architecture.input_scale = 0.01;
        model_.architecture.input_limit = 500;
        model_.architecture.output_scale = 0.5;
        model_.architecture.preprocessing.crop_height = input.height;
        model_.architecture.preprocessing.crop_width = input.width;
        model_.architecture.preprocessing.mean.assign(static_cast<std::size_t>(input.channels), 0.f);
        model_.architecture.preprocessing.std.assign(static_cast<std::size_t>(input.channels), 1.f);
        model_.weights.salt.assign(32, 7);
        bounds_.push_back(500);
    }

    void use(Curves curves) { curves_ = curves; }

    int pick(int low, int high) { return std::uniform_int_distribution<int>(low, high)(rng_); }

    Shape shape(int value) const { return model_.architecture.value_shape(value); }

    /// Adds a layer with these terms; weights are drawn so that |acc| < T/4 in the worst case, and of sines so that it
    /// goes round T and the bias is anywhere.
    void layer(std::vector<Term> terms, Shape output, bool activation, int share_bits) {
        Layer layer;
        layer.name = "layer" + std::to_string(model_.architecture.layers.size());
        layer.terms = terms;
        layer.output = output;
        layer.share_bits = share_bits;
        layer.activation = activation;
        LayerWeights weights;
        const bool sine = activation && (curves_ == Curves::kSines || (curves_ == Curves::kBoth && pick(0, 1) == 0));
        const double budget = (sine ? 4 : 1) * modulus() / 4.0 * 0.9 / (static_cast<double>(terms.size()) + 1);
        for (const Term& term : terms) weights.terms.push_back(draw(term, output, budget));
        const int bias = static_cast<int>(sine ? 0.49 * modulus() : std::min(budget, 1e6));
        for (int c = 0; c < output.channels; ++c) weights.bias.push_back(pick(-bias, bias));
        if (sine) {
            layer.curve = model::Curve::kSine;
            do layer.amplitude = model::kAmplitudes[static_cast<std::size_t>(pick(0, model::kAmplitudes.size() - 1))];
            while (layer.amplitude * (layer.amplitude + 2) > modulus() / 4);
            for (int c = 0; c < output.channels; ++c) weights.offset.push_back(pick(-3000, 3000));
            bounds_.push_back(layer.amplitude * (layer.amplitude + 2.0) + 3000);
        } else if (activation) {
            const std::int64_t limit = model::share_limit(share_bits);
            std::int64_t bound = 0;
            for (int c = 0; c < output.channels; ++c) {
                weights.kappa.push_back(pick(-40, 80));
                weights.offset.push_back(pick(-30, 30));
                bound = std::max(bound, limit * limit + std::abs(weights.kappa.back()) * limit + 30);
            }
            bounds_.push_back(static_cast<double>(bound));
        }
        weights.x_scale.assign(static_cast<std::size_t>(output.channels), 1.0);
        if (activation) weights.y_scale.assign(static_cast<std::size_t>(output.channels), 1.0);
        model_.architecture.layers.push_back(layer);
        model_.weights.layers.push_back(weights);
    }

    Term convolution(int source, Window window, std::optional<Window> pool = {}) const {
        Term term;
        term.source = source;
        term.pool = pool;
        term.window = window;
        return term;
    }
    Shape output_of(const Term& term, int channels) const {
        const Shape in = model_.architecture.pooled_shape(term);
        return {channels, term.window.out_height(in.height), term.window.out_width(in.width)};
    }

    Model take() {
        packing::choose_upload_bits(model_.architecture, model_.weights);
        return std::move(model_);
    }
    double modulus() const {
        // The least of the moduli.
        return model::plain_moduli(model_.architecture.slots, model_.architecture.plain_bits).back();
    }

private:
    TermWeights draw(const Term& term, const Shape& output, double budget) {
        const Shape in = model_.architecture.pooled_shape(term);
        double value = bounds_[static_cast<std::size_t>(term.source)];
        if (term.pool)
            value *= std::max<double>(term.pool->kernel_h * term.pool->kernel_w,
                                      static_cast<double>(model::pool_levels(shape(term.source), *term.pool).unit));
        TermWeights weights;
        if (term.kind == TermKind::kScale) {
            const int limit = std::max(1, static_cast<int>(std::min(budget / value, 4000.0)));
            for (int c = 0; c < output.channels; ++c) weights.scale.push_back(pick(-limit, limit));
            return weights;
        }
        const int fan = in.channels / term.groups * term.window.kernel_h * term.window.kernel_w;
        const double each = budget / (value * fan);  // average weight allowed
        const int amplitude = static_cast<int>(std::clamp(each, 1.0, 127.0));
        const double density = std::min(1.0, each / amplitude);
        weights.multiplier = std::max(1, static_cast<int>(std::min(each / 127.0, 50.0)));
        std::bernoulli_distribution keep(density);
        weights.weights.resize(static_cast<std::size_t>(output.channels) * static_cast<std::size_t>(fan));
        for (int o = 0; o < output.channels; ++o) {
            double used = 0;
            const bool zero_filter = pick(0, 9) == 0;
            for (int i = 0; i < fan; ++i) {
                int w = zero_filter || !keep(rng_)
                            ? 0
                            : (pick(0, 3) == 0 ? (pick(0, 1) ? amplitude : -amplitude) : pick(-amplitude, amplitude));
                if (used + std::abs(w) > budget / (value * weights.multiplier)) w = 0;
                used += std::abs(w);
                weights.weights[static_cast<std::size_t>(o * fan + i)] = static_cast<std::int8_t>(w);
            }
        }
        return weights;
    }

    std::mt19937_64 rng_;
    int share_bits_;
    Curves curves_ = Curves::kSquares;
    Model model_;
    std::vector<double> bounds_;  ///< largest |Y| per value
};

/// Whether a layer of the group does.
bool reads_picture(const model::Architecture& architecture, const std::vector<std::size_t>& group) {
    return std::ranges::any_of(group, [&](std::size_t layer) {
        return std::ranges::any_of(architecture.layers[layer].terms, [](const Term& term) { return term.source == 0; });
    });
}

}  // namespace

model::Model random_model(std::uint64_t seed, const RandomModelOptions& options) {
    std::mt19937_64 shape_rng(seed * 977 + 5);
    const auto pick = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(shape_rng); };
    const Shape input{pick(1, 4), pick(3, options.max_extent), pick(3, options.max_extent)};
    Builder builder(seed, input, options.plain_bits, options.share_bits, options.slots, options.trust_server);
    builder.use(options.curves);
    int current = 0;
    for (int l = 0; l < options.layers; ++l) {
        const Shape in = builder.shape(current);
        const int channels = pick(1, options.max_channels);
        std::optional<Window> pool;
        Shape pooled = in;
        if (current > 0 && pick(0, 3) == 0 && in.height >= 2 && in.width >= 2) {
            pool = Window{2, 2, pick(1, 2), pick(1, 2), 0, 0, 0, 0};
            if (pick(0, 1)) pool->pad_top = 1, pool->pad_right = pick(0, 1), pool->level = pick(0, 1);
            pooled = {in.channels, pool->out_height(in.height), pool->out_width(in.width)};
        }
        Window window;
        do {
            window = {pick(1, 5), pick(1, 5), pick(1, 3), pick(1, 3), pick(0, 2), pick(0, 2), pick(0, 2), pick(0, 2)};
            if (pick(0, 3) == 0) window.dilation_h = pick(1, 3), window.dilation_w = pick(1, 3);
        } while (window.out_height(pooled.height) < 1 || window.out_width(pooled.width) < 1);
        const int kind = pick(0, 3);
        if (kind == 0 && current > 0) {  // residual block with identity: y' = act(conv(act(conv y)) + y)
            const Window same{3, 3, 1, 1, 1, 1, 1, 1};
            builder.layer({builder.convolution(current, same)}, {channels, in.height, in.width}, true,
                          options.share_bits);
            Term identity;
            identity.source = current;
            identity.kind = TermKind::kScale;
            builder.layer({builder.convolution(current + 1, same), identity}, in, true, options.share_bits);
            current += 2;
        } else if (kind == 1 && current > 0) {  // projection shortcut with stride 2
            const Window down{3, 3, 2, 2, 1, 1, 1, 1}, project{1, 1, 2, 2, 0, 0, 0, 0}, same{3, 3, 1, 1, 1, 1, 1, 1};
            const Shape half{channels, down.out_height(in.height), down.out_width(in.width)};
            builder.layer({builder.convolution(current, down)}, half, true, options.share_bits);
            builder.layer({builder.convolution(current + 1, same), builder.convolution(current, project)}, half, true,
                          options.share_bits);
            current += 2;
        } else {
            Term term = builder.convolution(current, window, pool);
            int outputs = channels;
            if (pick(0, 2) == 0) {  // in groups, down to one channel each
                do term.groups = pick(1, in.channels);
                while (in.channels % term.groups != 0);
                outputs = term.groups * pick(1, std::max(1, options.max_channels / term.groups));
            }
            builder.layer({term}, builder.output_of(term, outputs), true, options.share_bits);
            current += 1;
        }
    }
    const Shape last = builder.shape(current);
    Window full;
    full.kernel_h = last.height;
    full.kernel_w = last.width;
    builder.layer({builder.convolution(current, full)}, {pick(1, 15), 1, 1}, false, 16);
    Model model = builder.take();
    if (options.mixed_rings) {
        const packing::Energies energies = packing::weight_energies(model.architecture, model.weights);
        for (const std::vector<std::size_t>& group : packing::layer_groups(model.architecture)) {
            if (packing::keys_have_levels(model.architecture) && reads_picture(model.architecture, group)) continue;
            if (!packing::noise_fits(model.architecture, energies, group, {0, 1024}) || pick(0, 1) == 0) continue;
            for (std::size_t layer : group) model.architecture.layers[layer].packing.degree = 1024;
        }
        packing::choose_upload_bits(model.architecture, model.weights);
    }
    return model;
}

model::Model single_convolution(model::Shape input, int outputs, model::Window window, std::uint64_t seed,
                                int share_bits, int groups) {
    Builder builder(seed, input, 26, share_bits);
    Term term = builder.convolution(0, window);
    term.groups = groups;
    const Shape output = builder.output_of(term, outputs);
    builder.layer({term}, output, true, share_bits);
    builder.layer({builder.convolution(1, Window{})}, {2, output.height, output.width}, false, 16);
    return builder.take();
}

void use_ring(model::Model& model, int degree) {
    for (model::Layer& layer : model.architecture.layers) layer.packing.degree = degree;
    packing::choose_upload_bits(model.architecture, model.weights);
}

std::vector<std::int32_t> random_input(const model::Architecture& architecture, std::uint64_t seed) {
    std::mt19937_64 rng(seed);
    std::uniform_int_distribution<int> pixel(-architecture.input_limit, architecture.input_limit);
    std::vector<std::int32_t> input(static_cast<std::size_t>(architecture.input.size()));
    for (auto& v : input) v = pixel(rng);
    return input;
}

}  // namespace flash::testing
