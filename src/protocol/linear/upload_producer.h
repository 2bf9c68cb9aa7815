// Produces the client's uploads for every layer, in order, on a thread of its own: ahead of need where the client's
// share of an activation is its own choice, so that Enc(share) needs nothing from the server, and otherwise as soon as
// the share is there; then everything but the share itself is prepared ahead, by one more thread. Only the first upload
// depends on the picture.
#pragma once

#include "base/profile.h"
#include "base/secret.h"
#include "protocol/client_model.h"
#include "protocol/flow/ahead_thread.h"
#include "protocol/flow/handover.h"
#include "protocol/flow/prepared_items.h"
#include "protocol/linear/key_set.h"
#include "protocol/linear/value_store.h"
#include "protocol/probe.h"
#include "transport/channel.h"

namespace flash::protocol {

/// Chunks whose shares are drawn in one span of the profile (a few more where threads are few).
inline constexpr std::size_t kDrawnTogether = 4;

class UploadProducer {
public:
    /// Starts the thread. picture: the input's integers, each channel mod its T. All references must outlive this
    /// object.
    UploadProducer(const ClientModel& model, transport::Channel& channel, const ClientKeys& keys,
                   const ActivationClient& activation, SecretVector<std::uint32_t> picture, ShareProbe* probe,
                   Profile* profile);
    ~UploadProducer();

    /// The client's shares of the next layer with an activation, where they are not known ahead.
    void put_share(SecretVector<std::uint32_t> share) { late_shares_.put(std::move(share)); }

    /// The server has answered all uploads of a layer: their bytes may be used for later ones.
    void answered(int layer) {
        thread_.window().release(static_cast<std::size_t>(model_.cost.layers[static_cast<std::size_t>(layer)].upload));
    }
    /// What stopped the thread, if anything did.
    std::exception_ptr failure() { return thread_.failure(); }

private:
    void run(AheadWindow& window);
    bool upload(int layer, AheadWindow& window);  // false: cancelled
    SecretVector<std::uint32_t> draw_share(int layer);
    scheme::PreparedUpload prepare(int stream, std::size_t polynomial) const;
    std::unique_ptr<PreparedItems<scheme::PreparedUpload>> prepare_ahead();

    const ClientModel& model_;
    transport::Channel& channel_;
    const ClientKeys& keys_;
    ShareProbe* probe_;
    Profile* profile_;
    const ActivationClient& activation_;
    ValueStore values_;
    Handover<SecretVector<std::uint32_t>> late_shares_;
    std::unique_ptr<PreparedItems<scheme::PreparedUpload>> prepared_;  // by stream; null if shares are known ahead
    AheadThread thread_;                                               // last: it uses the others
};

}  // namespace flash::protocol
