// Produces the client's uploads for every layer, in order, ahead of need: the client's share of an activation is its
// own random choice, so Enc(share) needs nothing from the server. Only the first upload depends on the picture.
#pragma once

#include "base/profile.h"
#include "base/random.h"
#include "base/secret.h"
#include "protocol/ahead_thread.h"
#include "protocol/client_model.h"
#include "protocol/probe.h"
#include "protocol/value_store.h"
#include "scheme/direct.h"
#include "transport/channel.h"

namespace flash::protocol {

/// The client's share of one chunk of an activation: uniform mod T, stream (layer, chunk) of the key of
/// kActivationShareDomain.
inline constexpr const char* kActivationShareDomain = "client activation share";
void activation_share(const StreamKey& shares, int layer, std::size_t chunk, std::uint32_t modulus,
                      std::span<std::uint32_t> out);

/// The secret keys of one inference: one in each ring that the plan uses.
using DirectSecretKeys = scheme::PerRing<scheme::DirectSecretKey>;

class UploadProducer {
public:
    /// Starts the thread. picture: the input's integers mod T. All references must outlive this object.
    UploadProducer(const ClientModel& model, transport::Channel& channel, const SecretSeed& seed,
                   const DirectSecretKeys& keys, SecretVector<std::uint32_t> picture, ShareProbe* probe,
                   Profile* profile);

    /// The server has answered all uploads of a layer: their bytes may be used for later ones.
    void answered(int layer) {
        thread_.window().release(static_cast<std::size_t>(model_.cost.layers[static_cast<std::size_t>(layer)].upload));
    }
    /// What stopped the thread, if anything did.
    std::exception_ptr failure() { return thread_.failure(); }

private:
    void run(AheadWindow& window);
    bool upload(int layer, AheadWindow& window);  // false: cancelled
    void draw_share(int layer);

    const ClientModel& model_;
    transport::Channel& channel_;
    const DirectSecretKeys& keys_;
    ShareProbe* probe_;
    Profile* profile_;
    const StreamKey shares_, encryption_;
    ValueStore values_;
    AheadThread thread_;  // last: it uses the others
};

}  // namespace flash::protocol
