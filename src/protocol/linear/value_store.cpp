#include "protocol/linear/value_store.h"

#include <algorithm>

#include "base/error.h"
#include "base/tasks.h"
#include "lattice/words.h"
#include "model/arithmetic.h"

namespace flash::protocol {

namespace {

/// out = round(2^32 / T values), T that of each channel. Shares are secret: that each is below its T follows from how
/// it was made, and nothing here depends on it.
void scale_channels(std::span<const std::uint32_t> values, const std::vector<std::uint32_t>& moduli,
                    std::span<std::uint32_t> out) {
    constexpr std::size_t kTogether = std::size_t{1} << 14;  // words in one task, at least
    const std::size_t channels = moduli.size(), map = values.size() / channels;
    parallel_for(std::size_t{0}, channels, kTogether / map + 1, [&](std::size_t c, std::size_t end) {
        while (c < end) {
            const std::size_t first = c;
            while (c < end && moduli[c] == moduli[first]) ++c;
            const std::size_t at = first * map, count = (c - first) * map;
            (void)lattice::add_scaled(values.subspan(at, count), moduli[first], out.subspan(at, count));
        }
    });
}

}  // namespace

ValueStore::ValueStore(const packing::Plan& plan)
    : shares_(plan.layers.size()),
      depths_(plan.value_depths),
      last_upload_(plan.layers.size(), -1) {
    for (const packing::Stream& stream : plan.streams) {
        int& last = last_upload_[stream.source];
        last = std::max(last, stream.first_layer);
    }
}

void ValueStore::put(int value, SecretVector<std::uint32_t> share) { shares_[value] = std::move(share); }

scheme::LevelledShare ValueStore::stream_input(const packing::Stream& stream, const model::Architecture& architecture,
                                               SecretVector<std::uint32_t>& words) const {
    const auto source = static_cast<std::size_t>(stream.source);
    const SecretVector<std::uint32_t>& share = shares_[source];
    const model::Shape& shape = architecture.value_shape(stream.source);
    require(share.size() == static_cast<std::size_t>(shape.size()), ErrorKind::kInternal,
            "a value is needed after it was released");
    const std::vector<std::uint32_t> moduli = architecture.channel_moduli(stream.source);
    words = SecretVector<std::uint32_t>(static_cast<std::size_t>(stream.shape.size()));
    if (stream.pool) {
        SecretVector<std::uint32_t> pooled(words.size());
        model::sum_pool(share, shape, *stream.pool, moduli, pooled);
        scale_channels(pooled, moduli, words);
    } else {
        scale_channels(share, moduli, words);
    }
    return {depths_[source], words};
}

void ValueStore::release_after(int layer) {
    for (std::size_t v = 0; v < shares_.size(); ++v)
        if (last_upload_[v] <= layer) shares_[v].wipe();
}

}  // namespace flash::protocol
