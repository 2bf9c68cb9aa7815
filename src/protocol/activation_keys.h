// Produces the server's encrypted vectors E1, E2, E3 for every chunk of activations, in order, ahead of need: they depend only on
// the server's masks, so a thread of its own makes and sends them while the link or a core is idle.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "base/profile.h"
#include "base/secret.h"
#include "protocol/ahead_window.h"
#include "protocol/prepared_model.h"
#include "scheme/slots.h"
#include "transport/channel.h"

namespace flash::protocol {

/// The mask rho of one linear result polynomial: uniform over all of R_q, derived from the inference's seed. Producing the
/// activation keys and masking the result both start from it.
void result_mask(const SecretSeed& seed, int layer, int polynomial, std::span<std::uint32_t> rho);

/// The server's share of the pre-activations of a whole layer, from the masks alone.
SecretVector<std::uint32_t> masked_pre_activations(const PreparedModel& model, const SecretSeed& seed, int layer);

/// Per-element copies of a per-channel integer vector, for elements [first, first + out.size()) of a CHW map.
void expand_channels(std::span<const std::int32_t> per_channel, const model::Shape& shape, std::size_t first,
                     std::span<std::int32_t> out);

class ActivationKeyProducer {
public:
    /// Starts the thread. All references, and the profile if there is one, must outlive this object.
    ActivationKeyProducer(const PreparedModel& model, transport::Channel& channel, const SecretSeed& seed,
                          scheme::SlotSecretKey& key, const scheme::SlotParameters& slots, Profile* profile = nullptr);
    /// Cancels and joins.
    ~ActivationKeyProducer();

    /// One chunk was answered: its bytes may be used for later ones.
    void answered();
    /// What stopped the thread, if anything did.
    std::exception_ptr failure();

private:
    void run();
    void run_layer(int layer);

    const PreparedModel& model_;
    transport::Channel& channel_;
    const SecretSeed& seed_;
    scheme::SlotSecretKey& key_;
    const scheme::SlotParameters& slots_;
    Profile* const profile_;
    const std::size_t chunk_bytes_;
    AheadWindow window_;
    std::mutex mutex_;
    std::exception_ptr failure_;
    std::thread thread_;
};

}  // namespace flash::protocol
