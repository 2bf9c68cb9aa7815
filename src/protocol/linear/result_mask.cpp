#include "protocol/linear/result_mask.h"

#include <tbb/parallel_for.h>

#include "protocol/linear/pre_activation.h"

namespace flash::protocol {

void result_mask(const StreamKey& masks, int layer, int polynomial, std::span<std::uint32_t> rho) {
    masks.stream(static_cast<std::uint64_t>(layer), static_cast<std::uint64_t>(polynomial)).fill_u32(rho);
}

void store_server_shares(std::span<const packing::ResultRun> runs, std::span<const std::uint32_t> rho, int share_bits,
                         std::span<std::uint32_t> shares) {
    const std::uint32_t* from = rho.data();
    for (std::size_t r = 0; r < runs.size();) {
        // The rows of a channel follow each other: one piece.
        std::uint32_t* to = shares.data() + runs[r].element;
        std::uint32_t count = 0;
        for (const std::uint32_t first = runs[r].element; r < runs.size() && runs[r].element == first + count; ++r)
            count += runs[r].count;
        for (std::uint32_t i = 0; i < count; ++i) to[i] = server_pre_activation(from[i], share_bits);
        from += count;
    }
}

SecretVector<std::uint32_t> server_shares_ahead(const StreamKey& masks, const model::Architecture& architecture,
                                                const packing::Plan& plan, int layer) {
    const model::Layer& description = architecture.layers[layer];
    const packing::LinearPlan& linear = plan.layers[layer];
    SecretVector<std::uint32_t> shares(static_cast<std::size_t>(description.output.size()));
    tbb::parallel_for(tbb::blocked_range<int>(0, linear.polynomials(), 8), [&](const auto& range) {
        for (int p = range.begin(); p < range.end(); ++p) {
            SecretBuffer<std::uint32_t> rho(packing::result_count(linear, description.output, p));
            result_mask(masks, layer, p, rho);
            store_server_shares(packing::result_runs(linear, description.output, p), rho, description.share_bits,
                                shares);
        }
    });
    return shares;
}

}  // namespace flash::protocol
