// A client's connection to a server: handshake, then any number of private inferences, one after the other or, where
// both sides agree, several at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "protocol/client_handshake.h"
#include "protocol/client_inference.h"
#include "protocol/messages.h"
#include "transport/channel.h"
#include "transport/lanes.h"

namespace flash::protocol {

/// Asks a server what it offers; the connection is used up. The server's word, printable.
std::vector<ModelEntry> list_models(transport::Channel& channel, std::chrono::milliseconds timeout,
                                    std::span<const char> token = {});

/// An inference has not begun, as an earlier one on its session failed or the server has left since: it may begin on
/// another session.
class SessionOver : public Error {
public:
    /// Sessions that may end before anything was asked on them, until a caller gives up: else a server that takes
    /// sessions and ends them keeps it busy for ever.
    static constexpr int kMostInARow = 3;

    explicit SessionOver(const std::string& why) : Error(ErrorKind::kNetwork, "the session is over: " + why) {}
};

class ClientSession {
public:
    /// Performs the handshake. Error(kProtocol | kRemote) if versions, fingerprint or the architecture do not fit.
    /// stop: ends the handshake with Error(kCancelled).
    ClientSession(std::unique_ptr<transport::Channel> channel, const ClientSessionOptions& options = {},
                  const std::stop_token& stop = {});
    /// Not while an inference runs.
    ~ClientSession();

    const ClientModel& model() const { return model_; }
    const transport::Channel& channel() const { return *channel_; }
    /// Inferences that run at a time: as many as were asked for, or as the server takes.
    std::size_t in_flight() const { return turns_.size(); }
    /// Whether no inference begins any more.
    bool is_over() const;

    /// One private inference on a normalised float picture (CHW). From any thread: where in_flight() run already, it
    /// waits for its turn. After an Error the session is closed: those that run may end well, others throw SessionOver.
    /// profile: an empty one of the client's, for this inference. stop: ends it with an Error; what was sent for it
    /// until then stays sent.
    ClientResult infer(std::span<const float> picture, const std::function<void(double)>& progress = {},
                       Profile* profile = nullptr, const std::stop_token& stop = {});
    /// The same on integers from model::quantise_input, with a probe for tests and `flash eval`.
    ClientResult infer_integers(std::span<const std::int32_t> input, ShareProbe* probe = nullptr,
                                const std::function<void(double)>& progress = {}, Profile* profile = nullptr,
                                const std::stop_token& stop = {});

private:
    /// One of the inferences that run at a time.
    struct Turn {
        transport::Channel* channel = nullptr;  ///< a lane, or the only channel
        std::uint32_t next = 0;                 ///< number of its next inference
        bool taken = false;
    };

    /// Error(kCancelled) if it has to stop before there is one.
    Turn& take_turn(const std::stop_token& stop);
    /// failure: no inference begins any more, and the server is told why.
    void give_back(Turn& turn, std::optional<std::string> failure);
    /// Until the line is closed.
    void read_line();

    std::unique_ptr<transport::Channel> channel_;
    ClientModel model_;
    std::optional<transport::Lanes> lanes_;  ///< where several inferences run at a time
    mutable std::mutex mutex_;
    std::condition_variable_any changed_;
    std::vector<Turn> turns_;
    std::size_t running_ = 0;
    std::optional<std::string> failure_;  ///< why no inference begins any more
    std::atomic<bool> closing_ = false;
    std::thread reader_;  ///< of the lanes
};

}  // namespace flash::protocol
