// Where the values of a network's activations lie in slots of k values each (scheme/composite.h). All of it is public.
//
// All values of a channel live modulo one of the k plaintext moduli (model::channel_group), so each modulus has a
// stream of slots of its own, which runs through the network: a layer's values of one group follow each other there,
// channel after channel, map after map. A chunk is n slots of every stream. Small layers share a chunk, and a layer may
// begin and end anywhere in one.
//
// A layer never begins before the last chunk of the layers before it: a stream that is behind by more goes on at the
// beginning of that chunk. This costs a few slots where streams are apart, and in return nobody has to keep the vectors
// of more than one chunk from one layer to the next.
//
// Where a server guards its model (Activation::guarded), no two layers share a chunk: the vectors of a layer then hold
// nothing of a later one.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/architecture.h"

namespace flash::protocol {

class SlotLayout {
public:
    explicit SlotLayout(const model::Architecture& architecture, bool shared_chunks = true);

    struct Layer {
        std::size_t first_chunk = 0,
                    chunks = 0;           ///< chunks are counted through the network; none without an activation
        std::size_t values = 0, map = 0;  ///< of the layer, and of one channel
        int value = 0;                    ///< id of what the layer makes
        int channels = 0, share_bits = 0;
        model::Curve curve = model::Curve::kSquare;
        int amplitude = 0;  ///< of a sine
        std::array<std::size_t, model::kMaxSlotModuli>
            start{};  ///< slot of the first value of each group in its stream
    };
    int layers() const { return static_cast<int>(layers_.size()); }
    const Layer& layer(int index) const { return layers_[static_cast<std::size_t>(index)]; }
    int groups() const { return groups_; }
    std::size_t degree() const { return degree_; }
    /// Of all layers: each is one of a layer to one of its chunks.
    std::size_t answers() const;

    /// Values of a layer in one stream and one of the layer's chunks: slots [slot, slot + count) of the chunk hold the
    /// values [first, first + count) of the layer's values of this group.
    struct Piece {
        int group = 0;
        std::size_t slot = 0, first = 0, count = 0;
    };
    std::vector<Piece> pieces(int layer, std::size_t chunk) const;
    std::size_t values_in(int layer, std::size_t chunk) const;

    struct Place {
        std::size_t chunk = 0;  ///< of the layer
        std::size_t count = 0;  ///< values from here on that follow each other here and in the layer
    };
    Place place_of(int layer, std::size_t element) const;

    /// A piece's values from those of its layer in CHW order, and back. Which ones is public; the values may be secret.
    template <class T>
    void gather(int layer, const Piece& piece, std::span<const T> values, std::span<T> out) const {
        for_runs(layer, piece, [&](std::size_t, std::size_t element, std::size_t at, std::size_t count) {
            std::ranges::copy(values.subspan(element, count), out.subspan(at).begin());
        });
    }
    template <class T>
    void scatter(int layer, const Piece& piece, std::span<const T> in, std::span<T> values) const {
        for_runs(layer, piece, [&](std::size_t, std::size_t element, std::size_t at, std::size_t count) {
            std::ranges::copy(in.subspan(at, count), values.subspan(element).begin());
        });
    }
    /// For each value of a piece the entry of its channel.
    template <class T>
    void expand(int layer, const Piece& piece, std::span<const T> per_channel, std::span<T> out) const {
        for_runs(layer, piece, [&](std::size_t channel, std::size_t, std::size_t at, std::size_t count) {
            std::ranges::fill(out.subspan(at, count), per_channel[channel]);
        });
    }

private:
    /// The layer's channels of a group are this one and every k-th after it.
    std::size_t first_channel(const Layer& layer, int group) const;
    /// Values of the layer in a group.
    std::size_t values_of(const Layer& layer, int group) const;
    /// f(channel, element, at, count): the values [at, at + count) of the piece are those of the layer from `element`
    /// on, all of one channel.
    template <class F>
    void for_runs(int index, const Piece& piece, const F& f) const {
        const Layer& l = layer(index);
        const std::size_t first = first_channel(l, piece.group);
        for (std::size_t at = 0; at < piece.count;) {
            const std::size_t value = piece.first + at, inside = value % l.map,
                              channel = first + value / l.map * static_cast<std::size_t>(groups_),
                              count = std::min(l.map - inside, piece.count - at);
            f(channel, channel * l.map + inside, at, count);
            at += count;
        }
    }

    int groups_;
    std::size_t degree_;
    std::vector<Layer> layers_;
};

}  // namespace flash::protocol
