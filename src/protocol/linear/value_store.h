// One party's additive shares of the network's values, each channel mod its T, kept while some later layer still reads
// them.
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
    /// What of a stream's source is uploaded: its share after the stream's pooling (local on shares: a sum mod T), in
    /// units of 2^32, each channel divided by its own T; with the depth of the source. `words` gets it.
    scheme::LevelledShare stream_input(const packing::Stream& stream, const model::Architecture& architecture,
                                       SecretVector<std::uint32_t>& words) const;
    /// Wipes the values that no layer after this one uploads.
    void release_after(int layer);

private:
    std::vector<SecretVector<std::uint32_t>> shares_;
    std::vector<int> depths_;
    std::vector<int> last_upload_;  ///< last layer before which a stream of this value is uploaded
};

}  // namespace flash::protocol
