#include "compiler/quantise.h"
#include "model/sine.h"

namespace flash::compiler {

model::Architecture skeleton(const Network& network) {
    model::Architecture a;
    a.plain_bits = model::kMaxPlainBits;
    a.input = network.input;
    a.input_scale = a.output_scale = 1;
    a.input_limit = 1;
    for (const FloatLayer& layer : network.layers) {
        model::Layer& out = a.layers.emplace_back();
        out.name = layer.name;
        for (const FloatTerm& term : layer.terms)
            out.terms.push_back({term.source, term.pool, term.kind, term.window, term.groups});
        out.output = layer.output;
        out.share_bits = model::kMinShareBits;
        out.activation = layer.activation.has_value();
        if (layer.sine()) out.curve = model::Curve::kSine, out.amplitude = model::kAmplitudes.front();
    }
    return a;
}

}  // namespace flash::compiler
