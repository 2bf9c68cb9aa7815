// The client's side of one inference. It holds the picture, the secret key of the linear layers and additive shares of
// every activation; it learns the result and the public architecture.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/profile.h"
#include "base/secret.h"
#include "protocol/client_model.h"
#include "protocol/flow/ordered_sender.h"
#include "protocol/flow/send_thread.h"
#include "protocol/linear/key_set.h"
#include "protocol/probe.h"
#include "protocol/steps.h"
#include "transport/channel.h"

namespace flash::protocol {

struct ClientResult {
    std::vector<std::int32_t> x;  ///< integers of the result layer, CHW
    std::vector<float> logits;    ///< output_scale * x
    StepSeconds seconds;
    int round_trips = 0;
};

class AnswerPreparer;
class UploadProducer;

class ClientInference {
public:
    /// seed: the only randomness of this inference; from SecretSeed::generate() except in tests. profile: an empty one
    /// of the client's, which gets the spans of this inference.
    ClientInference(const ClientModel& model, transport::Channel& channel, SecretSeed seed, ShareProbe* probe = nullptr,
                    Profile* profile = nullptr);
    ~ClientInference();

    /// input: integers from model::quantise_input. number: 0, 1, ... within the session.
    /// progress gets fractions in 0..1. Throws Error; the channel is then unusable.
    ClientResult run(std::span<const std::int32_t> input, std::uint32_t number,
                     const std::function<void(double)>& progress = {});

private:
    class LayerWork;

    ClientResult run_layers(std::span<const std::int32_t> input, std::uint32_t number,
                            const std::function<void(double)>& progress);
    void start(std::span<const std::int32_t> input, std::uint32_t number);
    /// And appends what the server needs of them.
    void make_keys(std::uint32_t number, std::vector<std::uint8_t>& payload);
    void run_layer(int layer);
    void decrypt(int layer, int polynomial, const transport::Message& response);
    transport::Message answer(int layer, std::size_t chunk, std::span<const std::uint8_t> vectors);
    void finish(std::uint32_t number, ClientResult& result);

    const ClientModel& model_;
    transport::Channel& channel_;
    SecretSeed seed_;
    ShareProbe* probe_;
    Profile own_profile_{Party::kClient};
    Profile* profile_;  ///< the caller's or the own one
    std::unique_ptr<ActivationClient> activation_;
    ClientKeys keys_;
    std::unique_ptr<UploadProducer> uploads_;
    std::unique_ptr<AnswerPreparer> preparer_;
    SendThread send_thread_;
    std::shared_ptr<const transport::Message> shared_vectors_;  ///< received for a layer before, needed by the next too
    SecretVector<std::uint32_t> pre_activations_;               ///< U_c of the current layer
    SecretVector<std::uint32_t> share_;                         ///< of its activations, as the answers give them
};

}  // namespace flash::protocol
