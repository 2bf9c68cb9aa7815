// One party's additive shares mod T of the network's values, kept while some later layer still reads them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/secret.h"
#include "model/architecture.h"
#include "packing/plan.h"

namespace flash::protocol {

class ValueStore {
public:
    explicit ValueStore(const packing::Plan& plan);

    void put(int value, SecretVector<std::uint32_t> share);
    /// The share of a stream's source after the stream's pooling (local on shares: a sum mod T). `pooled` is scratch
    /// that holds the result when there is a pooling; otherwise the stored share itself is returned.
    std::span<const std::uint32_t> stream_input(const packing::Stream& stream, const model::Architecture& architecture,
                                                SecretVector<std::uint32_t>& pooled) const;
    /// Wipes the values that no layer after this one uploads.
    void release_after(int layer);

private:
    std::vector<SecretVector<std::uint32_t>> shares_;
    std::vector<int> last_upload_;  ///< last layer before which a stream of this value is uploaded
};

}  // namespace flash::protocol
