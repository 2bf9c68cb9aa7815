// Produces the server's encrypted vectors E1, E2, E3 for every chunk of activations, in order, ahead of need: they
// depend only on the server's masks, so a thread of its own makes and sends them while the link or a core is idle.
#pragma once

#include <memory>

#include "base/profile.h"
#include "base/random.h"
#include "base/secret.h"
#include "packing/plan.h"
#include "protocol/ahead_thread.h"
#include "protocol/prepared_model.h"
#include "scheme/slots.h"
#include "transport/channel.h"

namespace flash::protocol {

inline constexpr const char* kResultMaskDomain = "server result mask";

/// The masks rho of one linear result polynomial, one word for each result that is sent, in the order of the message:
/// uniform, stream (layer, polynomial) of the key of kResultMaskDomain. Producing the activation keys and masking the
/// result both start from it.
void result_mask(const StreamKey& masks, int layer, int polynomial, std::span<std::uint32_t> rho);

/// The server's shares U_s that follow from the masks of some results, stored at their elements.
void store_server_shares(std::span<const packing::ResultRun> runs, std::span<const std::uint32_t> rho, int share_bits,
                         std::span<std::uint32_t> shares);

/// Per-element copies of a per-channel integer vector, for elements [first, first + out.size()) of a CHW map.
void expand_channels(std::span<const std::int32_t> per_channel, const model::Shape& shape, std::size_t first,
                     std::span<std::int32_t> out);

class ActivationKeyProducer {
public:
    /// Starts the thread. All references must outlive this object.
    ActivationKeyProducer(const PreparedModel& model, transport::Channel& channel, const SecretSeed& seed,
                          scheme::SlotSecretKey& key, const scheme::SlotParameters& slots, Profile* profile);

    /// One chunk was answered: its bytes may be used for later ones.
    void answered() { thread_.window().release(chunk_bytes_); }
    /// What stopped the thread, if anything did.
    std::exception_ptr failure() { return thread_.failure(); }

private:
    void run(AheadWindow& window);
    SecretVector<std::uint32_t> shares_of_layer(int layer) const;
    bool run_layer(int layer, AheadWindow& window);  // false: cancelled
    transport::Message encrypt_chunk(int layer, std::size_t chunk, std::span<const std::uint32_t> shares);

    const PreparedModel& model_;
    transport::Channel& channel_;
    scheme::SlotSecretKey& key_;
    const scheme::SlotParameters& slots_;
    Profile* profile_;
    const StreamKey masks_, encryption_;
    const std::size_t chunk_bytes_;
    AheadThread thread_;  // last: it uses the others
};

}  // namespace flash::protocol
