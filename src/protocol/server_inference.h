// The server's side of one inference. It holds the model, a mask per linear result and additive shares of every
// activation; it learns neither the input nor the result.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/profile.h"
#include "base/secret.h"
#include "protocol/flow/ordered_sender.h"
#include "protocol/flow/send_thread.h"
#include "protocol/linear/key_set.h"
#include "protocol/linear/value_store.h"
#include "protocol/prepared_model.h"
#include "protocol/probe.h"
#include "transport/channel.h"

namespace flash::protocol {

class VectorSender;

class ServerInference {
public:
    /// seed: the only randomness of this inference; from SecretSeed::generate() except in tests. All keys and masks
    /// that are derived from it die with this object. session: the random number that the server's hello told.
    ServerInference(const PreparedModel& model, transport::Channel& channel, SecretSeed seed,
                    ShareProbe* probe = nullptr, Profile* profile = nullptr, const PublicSeed& session = {});
    ~ServerInference();

    /// Runs from the client's kStart message to its kFinish. Throws Error; the channel is then unusable. A start
    /// message is small and costs a client nothing: what is large or slow begins only when the first upload is there.
    /// on_upload is called then, and may throw.
    void run(const transport::Message& start, const std::function<void()>& on_upload = {});

private:
    void run_layers(const transport::Message& start, const std::function<void()>& on_upload);
    /// Takes the client's keys of the start message; gives what follows them.
    std::span<const std::uint8_t> take_keys(const transport::Message& start);
    void receive_uploads(int layer);
    void linear(int layer);
    void respond(int layer, int polynomial, std::span<const std::uint32_t> compact, OrderedSender& sender);
    void activation(int layer);
    void result(int layer);

    const PreparedModel& model_;
    transport::Channel& channel_;
    SecretSeed seed_;
    ShareProbe* probe_;
    Profile* profile_;
    StreamKey masks_, rerandomisation_;
    const PublicSeed session_;
    ServerKeys client_keys_;
    std::unique_ptr<ActivationServer> activation_;
    std::unique_ptr<VectorSender> vectors_;
    std::vector<SecretVector<std::uint32_t>> streams_;  ///< b halves with the server's share added, per stream
    transport::Message first_upload_;                   ///< received before the set-up, used by the first layer
    SecretVector<std::uint32_t> pre_activations_;       ///< U_s of the current layer
    ValueStore values_;
    SendThread send_thread_;
};

}  // namespace flash::protocol
