// The client's side of one inference. It holds the picture, the secret key of the linear layers and additive shares of
// every activation; it learns the result and the public architecture.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/profile.h"
#include "base/secret.h"
#include "protocol/client_model.h"
#include "protocol/flow/ahead_thread.h"
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
    transport::Traffic traffic;  ///< of this inference
    double took = 0;             ///< seconds by the clock
};

/// A message that the client needs to go on.
struct ExpectedMessage {
    transport::MessageType type{};
    std::uint32_t layer = 0, index = 0;
    std::size_t payload_bytes = 0;
};

class AnswerPreparer;
class UploadProducer;

class ClientInference {
public:
    /// seed: the only randomness of this inference; from SecretSeed::generate() except in tests. profile: an empty one
    /// of the client's, which gets the spans of this inference. With Ahead::kSteps, it starts no thread, and all is
    /// done in begin(), receive() and step(), by tasks; the channel must then never block in send().
    ClientInference(const ClientModel& model, transport::Channel& channel, SecretSeed seed, ShareProbe* probe = nullptr,
                    Profile* profile = nullptr, Ahead ahead = Ahead::kThreads);
    ~ClientInference();

    /// input: integers from model::quantise_input. number: 0, 1, ... within the session.
    /// progress gets fractions in 0..1. Throws Error; the channel is then unusable.
    ClientResult run(std::span<const std::int32_t> input, std::uint32_t number,
                     const std::function<void(double)>& progress = {});

    /// The same, message by message: begin(), then receive() until nothing is expected any more. All throw as run().
    void begin(std::span<const std::int32_t> input, std::uint32_t number);
    std::optional<ExpectedMessage> expected() const;
    /// Takes what is expected from the channel and does what can be done with it.
    void receive();
    /// While nothing has come: ends what receive() has begun, or prepares the next answers or uploads. False: there is
    /// nothing to end or to prepare, or no room.
    bool step();
    int layers_done() const { return layer_; }
    /// Once nothing is expected any more.
    ClientResult result();

private:
    class LayerWork;
    enum class Stage { kStart, kLinear, kVectors, kResult, kDone };

    /// Ends the inference by the exception that is being handled, or by what caused that; tells the peer.
    [[noreturn]] void fail();
    void take(transport::Message message);
    /// The time until what is expected has come counts for this step.
    Step waiting_step() const;
    int waiting_layer() const;
    void start(std::span<const std::int32_t> input);
    void end_of_start(transport::Message message);
    /// And appends what the server needs of them.
    void make_keys(std::vector<std::uint8_t>& payload);
    void begin_layer();
    void begin_vectors();
    void end_layer();
    void decrypt(int layer, int polynomial, const transport::Message& response);
    transport::Message answer(int layer, std::size_t chunk, std::span<const std::uint8_t> vectors);
    void finish(transport::Message share);

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
    const Ahead ahead_;
    Stage stage_ = Stage::kStart;
    bool begun_ = false;
    std::uint32_t number_ = 0;
    int layer_ = 0;
    std::uint32_t index_ = 0;  ///< of the expected message, in its layer
    ClientResult result_;
    SendThread send_thread_;
    std::shared_ptr<const transport::Message> shared_vectors_;  ///< received for a layer before, needed by the next too
    SecretVector<std::uint32_t> pre_activations_;               ///< U_c of the current layer
    SecretVector<std::uint32_t> share_;                         ///< of its activations, as the answers give them
    std::unique_ptr<LayerWork> work_;                           ///< last: its tasks use the others
};

}  // namespace flash::protocol
