// Produces the client's uploads for every layer, in order, on a thread of its own, as soon as the client's share is
// there; everything but the share itself is prepared ahead, by one more thread. Or in steps: then who brings a share
// makes the uploads.
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

class UploadProducer {
public:
    /// Starts the thread; in steps, uploads the picture. picture: the input's integers, each channel mod its T. All
    /// references must outlive this object.
    UploadProducer(const ClientModel& model, transport::Channel& channel, const ClientKeys& keys,
                   SecretVector<std::uint32_t> picture, ShareProbe* probe, Profile* profile,
                   Ahead ahead = Ahead::kThreads);
    ~UploadProducer();

    /// The client's shares of the next layer with an activation.
    void put_share(SecretVector<std::uint32_t> share);
    /// In steps: prepares the next upload, if there is one and room for it.
    bool step() { return prepared_.step(); }

    /// The server has answered all uploads of a layer: their bytes may be used for later ones.
    void answered(int layer) {
        thread_.window().release(static_cast<std::size_t>(model_.cost.layers[static_cast<std::size_t>(layer)].upload));
    }
    /// What stopped the thread, if anything did.
    std::exception_ptr failure() {
        const std::exception_ptr first = prepared_.failure();
        return first ? first : thread_.failure();
    }

private:
    void run(AheadWindow& window);
    void put_value(int value, SecretVector<std::uint32_t> share);
    bool upload(int layer, AheadWindow& window);  // false: cancelled
    PreparedItems<scheme::PreparedUpload> prepare_ahead();

    const ClientModel& model_;
    transport::Channel& channel_;
    const ClientKeys& keys_;
    ShareProbe* probe_;
    Profile* profile_;
    const Ahead ahead_;
    int next_layer_ = 0;  // in steps: whose activations come next
    ValueStore values_;
    Handover<SecretVector<std::uint32_t>> shares_;
    PreparedItems<scheme::PreparedUpload> prepared_;  // by stream
    AheadThread thread_;                              // last: it uses the others
};

}  // namespace flash::protocol
