#include "protocol/linear/value_store.h"

#include <algorithm>

#include "base/error.h"
#include "model/arithmetic.h"

namespace flash::protocol {

ValueStore::ValueStore(const packing::Plan& plan) : shares_(plan.layers.size()), last_upload_(plan.layers.size(), -1) {
    for (const packing::Stream& stream : plan.streams) {
        int& last = last_upload_[static_cast<std::size_t>(stream.source)];
        last = std::max(last, stream.first_layer);
    }
}

void ValueStore::put(int value, SecretVector<std::uint32_t> share) {
    shares_[static_cast<std::size_t>(value)] = std::move(share);
}

std::span<const std::uint32_t> ValueStore::stream_input(const packing::Stream& stream,
                                                        const model::Architecture& architecture,
                                                        SecretVector<std::uint32_t>& pooled) const {
    const SecretVector<std::uint32_t>& share = shares_[static_cast<std::size_t>(stream.source)];
    const model::Shape& shape = architecture.value_shape(stream.source);
    require(share.size() == static_cast<std::size_t>(shape.size()), ErrorKind::kInternal,
            "a value is needed after it was released");
    if (!stream.pool) return share;
    pooled = SecretVector<std::uint32_t>(static_cast<std::size_t>(stream.shape.size()));
    model::sum_pool(share, shape, *stream.pool, architecture.channel_moduli(stream.source), pooled);
    return pooled;
}

void ValueStore::release_after(int layer) {
    for (std::size_t v = 0; v < shares_.size(); ++v)
        if (last_upload_[v] <= layer) shares_[v].wipe();
}

}  // namespace flash::protocol
