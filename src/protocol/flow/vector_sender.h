// Makes and sends the server's encrypted vectors, in order, ahead of need: they depend only on the server's masks, so a
// thread of its own makes them while the link or a core is idle.
#pragma once

#include <map>

#include "base/profile.h"
#include "base/random.h"
#include "base/secret.h"
#include "protocol/flow/ahead_thread.h"
#include "protocol/prepared_model.h"
#include "transport/channel.h"

namespace flash::protocol {

class VectorSender {
public:
    /// Starts the thread. masks: of result_mask(). All references must outlive this object.
    VectorSender(const PreparedModel& model, transport::Channel& channel, const StreamKey& masks,
                 ActivationServer& activation, Profile* profile);

    /// The answer of a chunk has come, the last of its layer after all others: if no other needs its vectors, their
    /// bytes may be used for later ones.
    void answered(int layer, std::size_t chunk);
    /// What stopped the thread, if anything did.
    std::exception_ptr failure() { return thread_.failure(); }

private:
    using Shares = std::map<int, SecretVector<std::uint32_t>>;  ///< U_s of layers

    void run(AheadWindow& window);
    void add_shares(Shares& shares, int layer) const;
    // stage: of a guarded server, the layers whose answers must have come. False: cancelled.
    bool run_layer(int layer, std::size_t stage, const Shares& shares, AheadWindow& window);

    const PreparedModel& model_;
    transport::Channel& channel_;
    const StreamKey& masks_;
    ActivationServer& activation_;
    Profile* profile_;
    const std::size_t message_bytes_;
    AheadThread thread_;  // last: it uses the others
};

}  // namespace flash::protocol
