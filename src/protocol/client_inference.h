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
#include "protocol/ordered_sender.h"
#include "protocol/probe.h"
#include "protocol/send_thread.h"
#include "scheme/direct.h"
#include "scheme/slots.h"
#include "transport/channel.h"

namespace flash::protocol {

/// Seconds of the client by what it was doing, all its threads together: the summary of a profile over all layers.
struct PhaseSeconds {
    double setup = 0;        ///< keys, start message, waiting for the reply
    double encrypt = 0;      ///< drawing shares, encrypting uploads
    double send = 0;         ///< handing messages to the channel
    double wait_linear = 0;  ///< waiting for linear responses
    double decrypt = 0;
    double wait_keys = 0;  ///< waiting for activation keys that were not there yet
    double respond = 0;    ///< preparing and computing product responses
    double total = 0;      ///< from start to end, by the clock on the wall
};
/// Of a client's profile of one inference.
PhaseSeconds phase_seconds(const Profile& profile);

struct ClientResult {
    std::vector<std::int32_t> x;  ///< integers of the result layer, CHW
    std::vector<float> logits;    ///< output_scale * x
    PhaseSeconds seconds;
    int round_trips = 0;
};

class ResponsePreparer;
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
    void run_layer(int layer);
    void decrypt(int layer, int polynomial, const transport::Message& response);
    transport::Message answer(int layer, std::size_t chunk, const transport::Message& keys);
    void finish(std::uint32_t number, ClientResult& result);

    const ClientModel& model_;
    transport::Channel& channel_;
    SecretSeed seed_;
    ShareProbe* probe_;
    Profile own_profile_{Party::kClient};
    Profile* profile_;  ///< the caller's or the own one
    const scheme::SlotParameters& slots_;
    scheme::PerRing<scheme::DirectSecretKey> keys_;  ///< of the rings of the plan
    std::unique_ptr<UploadProducer> uploads_;
    std::unique_ptr<scheme::SlotEvaluator> evaluator_;
    std::unique_ptr<ResponsePreparer> preparer_;
    SendThread send_thread_;
    SecretVector<std::uint32_t> pre_activations_;  ///< U_c of the current layer
};

}  // namespace flash::protocol
