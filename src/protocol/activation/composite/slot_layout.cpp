#include "protocol/activation/composite/slot_layout.h"

namespace flash::protocol {

SlotLayout::SlotLayout(const model::Architecture& architecture, bool shared_chunks)
    : groups_(architecture.slots.moduli),
      degree_(static_cast<std::size_t>(architecture.slots.degree)) {
    std::array<std::size_t, model::kMaxSlotModuli> next{};  // free slot of each stream
    std::size_t chunks = 0;                                 // of the layers so far
    for (const model::Layer& layer : architecture.layers) {
        Layer l;
        l.value = static_cast<int>(layers_.size()) + 1;
        l.channels = layer.output.channels;
        l.map = static_cast<std::size_t>(layer.output.height) * static_cast<std::size_t>(layer.output.width);
        l.values = static_cast<std::size_t>(layer.output.size());
        l.share_bits = layer.share_bits;
        l.curve = layer.curve;
        l.amplitude = layer.amplitude;
        l.first_chunk = chunks;
        if (layer.activation) {
            const std::size_t open = chunks == 0 || !shared_chunks ? chunks * degree_ : (chunks - 1) * degree_;
            std::size_t first_slot = chunks * degree_;
            for (int group = 0; group < groups_; ++group) {
                const auto g = static_cast<std::size_t>(group);
                const std::size_t count = values_of(l, group);
                if (count == 0) continue;
                l.start[g] = std::max(next[g], open);
                next[g] = l.start[g] + count;
                first_slot = std::min(first_slot, l.start[g]);
                chunks = std::max(chunks, (next[g] + degree_ - 1) / degree_);
            }
            l.first_chunk = first_slot / degree_;
            l.chunks = chunks - l.first_chunk;
        }
        layers_.push_back(l);
    }
}

std::size_t SlotLayout::answers() const {
    std::size_t count = 0;
    for (const Layer& layer : layers_) count += layer.chunks;
    return count;
}

std::vector<SlotLayout::Piece> SlotLayout::pieces(int index, std::size_t chunk) const {
    const Layer& l = layer(index);
    const std::size_t begin = (l.first_chunk + chunk) * degree_, end = begin + degree_;
    std::vector<Piece> result;
    for (int group = 0; group < groups_; ++group) {
        const std::size_t start = l.start[static_cast<std::size_t>(group)], first = std::max(start, begin),
                          last = std::min(start + values_of(l, group), end);
        if (first < last) result.push_back({group, first - begin, first - start, last - first});
    }
    return result;
}

std::size_t SlotLayout::values_in(int index, std::size_t chunk) const {
    std::size_t count = 0;
    for (const Piece& piece : pieces(index, chunk)) count += piece.count;
    return count;
}

SlotLayout::Place SlotLayout::place_of(int index, std::size_t element) const {
    const Layer& l = layer(index);
    const std::size_t channel = element / l.map, inside = element % l.map, k = static_cast<std::size_t>(groups_);
    const int group = model::channel_group(l.value, static_cast<int>(channel), groups_);
    const std::size_t slot = l.start[static_cast<std::size_t>(group)] + channel / k * l.map + inside;
    return {slot / degree_ - l.first_chunk, std::min(l.map - inside, degree_ - slot % degree_)};
}

std::size_t SlotLayout::first_channel(const Layer& layer, int group) const {
    for (int channel = 0; channel < groups_; ++channel)
        if (model::channel_group(layer.value, channel, groups_) == group) return static_cast<std::size_t>(channel);
    return 0;
}

std::size_t SlotLayout::values_of(const Layer& layer, int group) const {
    const std::size_t first = first_channel(layer, group), channels = static_cast<std::size_t>(layer.channels),
                      k = static_cast<std::size_t>(groups_);
    return first < channels ? (channels - first + k - 1) / k * layer.map : 0;
}

}  // namespace flash::protocol
