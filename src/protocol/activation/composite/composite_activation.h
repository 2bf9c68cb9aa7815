// X^2 + kappa X + offset by three products of slots, or a sine by two (docs/protocol.md, "The activation"), in the
// composite scheme: the client answers with one half of a ciphertext and keeps the other, and both parties round theirs
// to a share (scheme/composite.h). The client's share of an activation comes out of its answer; it is not chosen.
//
// The server's vectors fill a chunk of slots whatever layers have values there (slot_layout.h); an answer is one
// layer's own. Each answer has a `u` and an `e1` of its own, named by layer AND chunk: two answers over one chunk with
// the same u would give away their difference. Beside the layer's slots the client's factors are zero. Messages of a
// network have as many vectors as any of its layers needs: two if all are sines.
#pragma once

#include "protocol/activation/activation.h"
#include "protocol/activation/composite/slot_arrays.h"
#include "protocol/activation/composite/slot_layout.h"
#include "scheme/composite_ring.h"

namespace flash::protocol {

class CompositeActivation : public Activation {
public:
    /// Error(kUnsupported) if layers differ in the width of their moduli, or no parameters inside the security table
    /// are right often enough for the network's size. set: of the kernels; all give the same bits.
    explicit CompositeActivation(const model::Architecture& architecture, InstructionSet set = best_instruction_set(),
                                 bool guarded = false);

    std::size_t values_in(int layer, std::size_t chunk) const override { return layout_.values_in(layer, chunk); }
    ChunkPart part_at(int layer, std::size_t element) const override;
    double log2_wrong_inference() const override { return log2_wrong_; }
    bool guarded() const override { return guarded_; }
    std::unique_ptr<ActivationServer> server(std::span<const ActivationCurve> curves,
                                             std::span<const std::uint8_t> start,
                                             const SecretSeed& seed) const override;
    std::unique_ptr<ActivationClient> client(const SecretSeed& seed) const override;

    // For the parties' objects.
    const SlotLayout& layout() const { return layout_; }
    const std::shared_ptr<const scheme::CompositeRing>& ring() const { return ring_; }
    std::size_t products() const { return static_cast<std::size_t>(sizes().products); }
    /// T of a group.
    std::uint32_t modulus(int group) const { return ring_->plain_moduli()[static_cast<std::size_t>(group)]; }
    /// A piece's part of k n slots.
    template <class T>
    std::span<T> slots_of(const SlotLayout::Piece& piece, std::span<T> slots) const {
        return slots.subspan(static_cast<std::size_t>(piece.group) * ring_->degree() + piece.slot, piece.count);
    }
    /// Zeros in the first `count` arrays beside these pieces of a chunk, where no value of theirs is.
    void clear_beside(std::span<const SlotLayout::Piece> pieces, const SlotArrays& arrays, std::size_t count) const;

private:
    CompositeActivation(SlotLayout layout, const scheme::CompositeParameters& parameters, InstructionSet set,
                        bool guarded);

    const SlotLayout layout_;
    const std::shared_ptr<const scheme::CompositeRing> ring_;
    const double log2_wrong_;
    const bool guarded_;
};

/// Of the activations of a network: the fewest bits with which an inference is wrong with probability
/// 2^kLogWrongInference at most.
inline constexpr double kLogWrongInference = -30;
scheme::CompositeParameters composite_parameters(const model::Architecture& architecture, const SlotLayout& layout);

}  // namespace flash::protocol
