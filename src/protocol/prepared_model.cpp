#include "protocol/prepared_model.h"

#include <tbb/parallel_for.h>

#include <map>

namespace flash::protocol {

PreparedModel::PreparedModel(model::Model model, const std::function<void(double)>& progress)
    : model_(std::move(model)),
      plan_(packing::make_plan(model_.architecture)),
      cost_(cost_of(model_.architecture, plan_)),
      fingerprint_(model::fingerprint(model_)),
      publics_(fingerprint_) {
    const int count = static_cast<int>(model_.architecture.layers.size());
    std::map<int, std::vector<std::uint32_t>> streams;  // the expanded `a` halves that some later layer still reads
    for (int l = 0; l < count; ++l) {
        if (progress) progress(static_cast<double>(l) / count);
        const packing::LinearPlan& linear = plan_.layers[static_cast<std::size_t>(l)];
        for (int id : linear.uploads) {
            const std::size_t polynomials = static_cast<std::size_t>(plan_.streams[static_cast<std::size_t>(id)].polynomials());
            std::vector<std::uint32_t>& a = streams[id];
            a.resize(polynomials * scheme::kDirectDegree);
            tbb::parallel_for(std::size_t{0}, polynomials, [&](std::size_t p) {
                publics_.upload({static_cast<std::uint32_t>(id), static_cast<std::uint32_t>(p)},
                                std::span(a).subspan(p * scheme::kDirectDegree, scheme::kDirectDegree));
            });
        }
        PreparedLayer layer;
        layer.map = build_linear_map(model_, plan_, l);
        layer.a.assign(static_cast<std::size_t>(linear.polynomials()) * scheme::kDirectDegree, 0);
        apply_whole(layer.map, plan_, l, [&](int id) { return std::span<const std::uint32_t>(streams.at(id)); }, layer.a);
        const std::uint32_t modulus = model_.architecture.plain_modulus;
        for (std::int32_t bias : model_.weights.layers[static_cast<std::size_t>(l)].bias)
            layer.scaled_bias.push_back(scheme::scale_up(static_cast<std::uint32_t>(bias) + (bias < 0 ? modulus : 0), modulus));
        layers_.push_back(std::move(layer));
        std::erase_if(streams, [&](const auto& s) { return plan_.streams[static_cast<std::size_t>(s.first)].last_layer <= l; });
    }
    if (progress) progress(1);
}

std::size_t PreparedModel::memory_bytes() const {
    std::size_t bytes = 0;
    for (const PreparedLayer& layer : layers_) {
        bytes += layer.a.size() * sizeof(std::uint32_t);
        bytes += layer.map.memory_bytes();
    }
    return bytes;
}

}  // namespace flash::protocol
