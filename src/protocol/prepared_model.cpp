#include "protocol/prepared_model.h"

#include <tbb/parallel_for.h>

#include <map>

#include "base/error.h"
#include "model/file.h"
#include "protocol/prepared_cache.h"

namespace flash::protocol {

namespace {

/// Of the progress: the share of taking the layers.
constexpr double kLayers = 0.5;

}  // namespace

PreparedModel::PreparedModel(model::Model model, const std::function<void(double)>& progress,
                             const std::optional<std::filesystem::path>& cache, std::size_t transform_bytes,
                             std::shared_ptr<const Activation> activation, const Epoch& epoch)
    : PreparedModel(model::OwnedLayers(std::move(model)), progress, cache, transform_bytes, std::move(activation),
                    epoch) {}

PreparedModel::PreparedModel(model::LayerSource& source, const std::function<void(double)>& progress,
                             const std::optional<std::filesystem::path>& cache, std::size_t transform_bytes,
                             std::shared_ptr<const Activation> activation, const Epoch& epoch)
    : architecture_(source.architecture()),
      plan_(packing::make_plan(architecture_)),
      activation_(activation ? std::move(activation) : make_activation(architecture_)),
      cost_(cost_of(architecture_, plan_, *activation_)),
      epoch_(epoch),
      layers_(architecture_.layers.size()) {
    take_layers(source, progress, transform_bytes);
    secret_digest_ = source.finish();
    fingerprint_ = model::fingerprint(model::serialize(architecture_), secret_digest_);
    publics_.emplace(polynomial_seed(fingerprint_, epoch_));
    if (cache)
        load_or_compute_halves(progress, *cache);
    else
        compute_halves(progress);
    if (progress) progress(1);
}

void PreparedModel::take_layers(model::LayerSource& source, const std::function<void(double)>& progress,
                                std::size_t transform_bytes) {
    // What the sizes alone decide comes first: which products, of all layers, are worth the memory of transforms.
    const lattice::ProductRates& rates = lattice::product_rates(best_instruction_set());
    std::vector<std::vector<lattice::ProductOffer>> by_layer(layers_.size());
    tbb::parallel_for(std::size_t{0}, layers_.size(), [&](std::size_t l) {
        by_layer[l] = packing::product_offers(architecture_, plan_, static_cast<int>(l), rates);
    });
    std::vector<lattice::ProductOffer> offers;
    for (const auto& some : by_layer) offers.insert(offers.end(), some.begin(), some.end());
    const std::vector<lattice::ProductMethod> methods = lattice::choose_methods(offers, transform_bytes);

    std::size_t next = 0;
    for (std::size_t l = 0; l < layers_.size(); ++l) {
        if (progress) progress(kLayers * static_cast<double>(l) / static_cast<double>(layers_.size()));
        model::LayerWeights weights = source.next();
        PreparedLayer& layer = layers_[l];
        layer.map = packing::build_linear_map(architecture_, plan_, static_cast<int>(l), weights,
                                              std::span(methods).subspan(next, by_layer[l].size()));
        next += by_layer[l].size();
        const std::uint32_t modulus = architecture_.bias_modulus(static_cast<int>(l));
        for (std::int32_t bias : weights.bias) {
            layer.scaled_bias.push_back(
                scheme::scale_up(static_cast<std::uint32_t>(bias) + (bias < 0 ? modulus : 0), modulus));
        }
        curves_.push_back({std::move(weights.kappa), std::move(weights.offset)});
    }
}

void PreparedModel::load_or_compute_halves(const std::function<void(double)>& progress,
                                           const std::filesystem::path& cache) {
    const CacheLayout layout = cache_layout(architecture_, plan_, polynomial_seed(fingerprint_, epoch_));
    CacheReading reading = read_cache(cache, layout);
    cache_.used = reading.used;
    cache_.not_used = std::move(reading.problem);
    if (reading.used) {
        for (std::size_t l = 0; l < layers_.size(); ++l) layers_[l].a = std::move(reading.halves[l]);
        return;
    }
    compute_halves(progress);
    if (!reading.replaceable) return;
    std::vector<std::span<const std::uint32_t>> halves;
    for (const PreparedLayer& layer : layers_) halves.emplace_back(layer.a);
    try {
        write_cache(cache, layout, halves);
        cache_.written = true;
    } catch (const Error& error) {  // a full disk, a folder that is read-only: the model is ready all the same
        if (error.kind() != ErrorKind::kFile) throw;
        cache_.not_written = error.what();
    }
}

void PreparedModel::compute_halves(const std::function<void(double)>& progress) {
    const int count = static_cast<int>(layers_.size());
    std::map<int, std::vector<std::uint32_t>> streams;  // the expanded `a` halves that some later layer still reads
    for (int l = 0; l < count; ++l) {
        if (progress) progress(kLayers + (1 - kLayers) * l / count);
        const packing::LinearPlan& linear = plan_.layers[l];
        for (int id : linear.uploads) {
            const packing::Stream& stream = plan_.streams[id];
            const std::size_t polynomials = static_cast<std::size_t>(stream.polynomials()), n = stream.degree();
            std::vector<std::uint32_t>& a = streams[id];
            a.resize(polynomials * n);
            tbb::parallel_for(std::size_t{0}, polynomials, [&](std::size_t p) {
                publics_->upload({static_cast<std::uint32_t>(id), static_cast<std::uint32_t>(p)},
                                 std::span(a).subspan(p * n, n));
            });
        }
        PreparedLayer& layer = layers_[l];
        layer.a.assign(static_cast<std::size_t>(linear.polynomials()) * linear.degree(), 0);
        apply_whole(
            layer.map, plan_, l, [&](int id) { return std::span<const std::uint32_t>(streams.at(id)); }, layer.a);
        std::erase_if(streams, [&](const auto& s) { return plan_.streams[s.first].last_layer <= l; });
    }
}

std::size_t PreparedModel::transform_bytes() const {
    std::size_t bytes = 0;
    for (const PreparedLayer& layer : layers_)
        for (const packing::TermMatrix& matrix : layer.map.matrices)
            if (matrix.product.method() == lattice::ProductMethod::kTransform) bytes += matrix.product.memory_bytes();
    return bytes;
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
