// A server that runs alone: the messages of one client are recorded, and handed out at once to a server that starts
// from the same seed. It then does what it did before, without waiting for anybody.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "protocol/client_inference.h"
#include "protocol/prepared_model.h"
#include "transport/channel.h"

namespace flash::comparison {

/// What each party said in one inference. Seeds are fixed ones: for measurements and tests, never for a real input.
struct Recording {
    std::uint64_t server_seed = 0;
    std::vector<transport::Message> client;
    std::vector<transport::Message> server;
    std::vector<std::size_t> first_vectors;  ///< of each layer, as protocol::Activation has them
    protocol::ClientResult result;
};

/// Both parties in memory, on these seeds.
Recording record_inference(const protocol::PreparedModel& model, std::span<const std::int32_t> input,
                           std::uint64_t client_seed, std::uint64_t server_seed);

/// The server's end of a connection whose client has said everything already. Only what a client could not have known
/// yet is held back: the answer to a chunk of activations waits until the server has sent that chunk's vectors.
class ReplayChannel : public transport::Channel {
public:
    using Clock = std::chrono::steady_clock;

    /// on_send sees each message of the server; without it they are dropped.
    explicit ReplayChannel(const Recording& recording, std::function<void(const transport::Message&)> on_send = {});

    void send(transport::Message message) override;
    transport::Message receive(transport::MessageType type) override;
    transport::Message receive_any(std::chrono::milliseconds wait) override;
    void set_limits(const transport::Limits&) override {}
    transport::Traffic traffic() const override;
    std::optional<Error> error() const override;
    void fail(const std::string& sentence) noexcept override;
    void close() noexcept override {}

    /// From the moment the server first asked for a message of one type until it had sent the last of another.
    /// Error(kInternal) if it never did.
    double seconds_between(transport::MessageType asked, transport::MessageType sent) const;

private:
    struct Times {
        std::optional<Clock::time_point> first_asked, last_sent;
    };

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::map<transport::MessageType, std::deque<transport::Message>> waiting_;
    std::vector<std::size_t> first_vectors_;
    std::size_t vectors_sent_ = 0;  ///< they are sent in the order of their numbers
    std::map<transport::MessageType, Times> times_;
    std::function<void(const transport::Message&)> on_send_;
    transport::Traffic traffic_;
    bool failed_ = false;
};

/// Runs the server alone against a recording; seconds from the start message to the finish.
double replay_server(const protocol::PreparedModel& model, const Recording& recording, ReplayChannel& channel);

}  // namespace flash::comparison
