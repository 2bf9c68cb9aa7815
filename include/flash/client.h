// The client's side: private inference on a server that never sees the input.
//
//   flash::Client client({.address = "192.0.2.1:7400", .pin = "sha256:..."});
//   flash::Answer answer = client.infer(flash::prepare(client.model(), "cat.png"));
//   std::cout << flash::best_classes(client.model(), answer.logits).front().name;
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "flash/error.h"
#include "flash/model.h"

namespace flash {

struct ClientOptions {
    std::string address;  ///< HOST:PORT
    /// "sha256:<hex>" of the server's certificate: it decides alone. Without it and without ca_file the system's trust
    /// store checks the certificate.
    std::optional<std::string> pin{};
    std::optional<std::filesystem::path> ca_file{};  ///< PEM file of trusted certificates
    std::optional<std::string> fingerprint{};        ///< refuse any other model (ModelInfo::fingerprint)
    std::string model{};                             ///< NAME or NAME/VERSION; empty: the server's only one
    std::string token{};  ///< to show to a server that asks who comes (`flash token`); wiped once it is copied
    /// Accept models that are private only from a server that follows the protocol.
    bool trust_server = false;
    /// Refuse models that upload activations in the small ring.
    bool large_ring_only = false;
    /// Inferences at a time on the connection to ask for, 1 to 64; a server may take fewer. Each takes the memory of
    /// one.
    int in_flight = 1;
    std::chrono::milliseconds timeout{30'000};  ///< for connecting, and for each awaited message
};

struct Answer {
    std::vector<float> logits;  ///< model().output.size() of them, CHW
    double seconds = 0;
    int round_trips = 0;
    std::uint64_t bytes_sent = 0, bytes_received = 0;  ///< frames of this inference, before TLS
    double clamped = 0;  ///< share of the input's values beyond the range that the model was made for; they are clamped
    std::string unreliable;  ///< empty, or why the answer cannot be what the network computes
};

/// Fractions in 0..1, from the thread that runs the inference.
using Progress = std::function<void(double)>;

/// One connection, made anew where an inference on it failed or the server has ended it, then only to the same model.
/// All functions may be called from any thread; inferences run one after the other, or as many at a time as in_flight
/// says.
class Client {
public:
    /// Connects and learns the model. Error: kInvalidArgument, kNetwork, kTimeout, kFile (certificates), kProtocol,
    /// kUnsupported (the model asks for more trust than the options give), kCancelled when `stop` was asked for.
    explicit Client(ClientOptions options, const std::stop_token& stop = {});
    ~Client();
    Client(Client&&) noexcept;
    Client& operator=(Client&&) noexcept;

    const ModelInfo& model() const;
    /// Inferences that the present connection runs at a time; more wait for their turn.
    int in_flight() const;

    /// `input`: model().input.size() floats, CHW, normalised as prepare() does. A failed or cancelled inference is
    /// never repeated by itself: a repetition would tell a cheating server one bit. Error; kCancelled when `stop` was
    /// asked for.
    Answer infer(std::span<const float> input, const Progress& progress = {}, const std::stop_token& stop = {});
    /// The same in a thread of its own; its Error is thrown by get(). The Client must outlive the future.
    std::future<Answer> infer_async(std::vector<float> input, Progress progress = {}, std::stop_token stop = {});

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace flash
