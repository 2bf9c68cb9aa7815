#include "protocol/audit.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/arithmetic.h"
#include "model/sine.h"
#include "protocol/linear/pre_activation.h"

namespace flash::protocol {

namespace {
void store(std::vector<std::vector<std::uint32_t>>& list, int index, std::span<const std::uint32_t> share) {
    const auto at = static_cast<std::size_t>(index);
    if (list.size() <= at) list.resize(at + 1);
    list[at].assign(share.begin(), share.end());
}
}  // namespace

double AuditReport::largest_error() const {
    double largest = 0;
    for (const AuditLayer& layer : layers) largest = std::max(largest, layer.largest_error);
    return largest;
}

std::int64_t AuditReport::out_of_range() const {
    std::int64_t sum = 0;
    for (const AuditLayer& layer : layers) sum += layer.out_of_range;
    return sum;
}

std::int64_t AuditReport::wrong_activations() const {
    std::int64_t sum = 0;
    for (const AuditLayer& layer : layers) sum += layer.wrong_activations;
    return sum;
}

double AuditReport::largest_sine_use() const {
    double largest = 0;
    for (const AuditLayer& layer : layers) largest = std::max(largest, layer.sine_use);
    return largest;
}

void Audit::Recorder::pre_activation(int layer, std::span<const std::uint32_t> share) {
    store(pre_activations, layer, share);
}
void Audit::Recorder::value(int value, std::span<const std::uint32_t> share) { store(values, value, share); }

Audit::Audit(const model::Model& model, const model::Twin& twin) : model_(model), twin_(twin) {}

std::vector<std::int32_t> Audit::pre_activations(int layer) const {
    const auto at = static_cast<std::size_t>(layer);
    const int bits = model_.architecture.layers[at].share_bits;
    const auto& client = client_.pre_activations.at(at);
    const auto& server = server_.pre_activations.at(at);
    require(client.size() == server.size(), ErrorKind::kInternal, "audit: the parties' shares differ in size");
    std::vector<std::int32_t> x(client.size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = reconstruct(client[i], server[i], bits);
    return x;
}

std::vector<std::int64_t> Audit::value(int value) const {
    const auto at = static_cast<std::size_t>(value);
    const auto& client = client_.values.at(at);
    std::vector<std::int64_t> sum(client.begin(), client.end());
    if (value > 0)  // the server's share of the input is zero
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += server_.values.at(at).at(i);
    const std::vector<std::uint32_t> moduli = model_.architecture.channel_moduli(value);
    const std::size_t map = sum.size() / moduli.size();
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = model::centre(sum[i], moduli[i / map]);
    return sum;
}

AuditReport Audit::check() const {
    AuditReport report;
    std::vector<std::vector<std::int64_t>> values{value(0)};
    for (std::size_t l = 0; l < model_.architecture.layers.size(); ++l) {
        const model::Layer& layer = model_.architecture.layers[l];
        const model::LayerWeights& weights = model_.weights.layers[l];
        AuditLayer result;
        const model::Accumulators acc = twin_.accumulate(static_cast<int>(l), values);
        const std::vector<std::int32_t> x = pre_activations(static_cast<int>(l));
        require(acc.size() == x.size(), ErrorKind::kInternal, "audit: a layer has the wrong number of outputs");
        const double scale = std::ldexp(0.25, layer.share_bits);
        const bool periodic = model_.architecture.periodic(l);
        double sum = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const double use = acc.use(i);
            double error = x[i] - use * scale;
            if (periodic) error = std::remainder(error, 4 * scale);
            sum += error;
            result.largest_error = std::max(result.largest_error, std::abs(error));
            if (periodic) continue;
            result.use = std::max(result.use, std::abs(use));
            result.out_of_range +=
                std::abs(static_cast<std::int64_t>(x[i])) > model::share_limit(layer.share_bits) || std::abs(use) >= 1;
        }
        result.mean_error = x.empty() ? 0 : sum / static_cast<double>(x.size());
        if (layer.activation) {
            std::vector<std::int64_t> y = value(static_cast<int>(l) + 1);
            const std::vector<std::uint32_t> moduli = model_.architecture.channel_moduli(static_cast<int>(l) + 1);
            const std::size_t map =
                static_cast<std::size_t>(layer.output.height) * static_cast<std::size_t>(layer.output.width);
            for (std::size_t i = 0; i < y.size(); ++i) {
                const std::int64_t offset = weights.offset[i / map];
                std::int64_t exact;
                if (periodic) {
                    exact = offset + model::sine_of_shares(client_.pre_activations.at(l)[i],
                                                           server_.pre_activations.at(l)[i], layer.share_bits,
                                                           layer.amplitude);
                    const std::int64_t curve = offset + model::sine_curve(x[i], layer.share_bits, layer.amplitude);
                    result.sine_use = std::max(result.sine_use, std::abs(static_cast<double>(y[i] - curve)) /
                                                                    model::sine_bound(layer.amplitude));
                } else {
                    exact = model::activate(x[i], weights.kappa[i / map], offset);
                }
                result.wrong_activations += model::centre(exact, moduli[i / map]) != y[i];
            }
            values.push_back(std::move(y));
        }
        report.layers.push_back(result);
    }
    return report;
}

}  // namespace flash::protocol
