// A client's session for a caller that must not wait and has no threads, a web page above all: the server's bytes are
// fed in, bytes for the server are taken out, and step() does what can be done between the two. The protocol is that of
// ClientSession, bit for bit.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "base/profile.h"
#include "protocol/client_handshake.h"
#include "protocol/client_inference.h"
#include "transport/fed_channel.h"

namespace flash::protocol {

class SteppedSession {
public:
    enum class State {
        kHandshake,
        kReady,      ///< for an inference
        kInference,  ///< one is under way
        kResult,     ///< one has ended, and its result was not taken yet
        kFailed,     ///< after an error: the session is of no use any more
    };

    /// Begins the handshake. Errors as begin_handshake().
    explicit SteppedSession(ClientSessionOptions options);
    ~SteppedSession();

    State state() const { return state_; }
    /// From kReady on.
    const ClientModel& model() const { return model_; }
    transport::FedChannel& channel() { return channel_; }

    /// Begins an inference on a normalised float picture (CHW); in state kReady.
    void begin(std::span<const float> picture);
    /// Works on one message that is there, or prepares things ahead, one a core. False: nothing is to be done before
    /// the server's next bytes. Throws Error; the state is then kFailed, and what is to be sent tells the server.
    bool step();
    /// Layers that the inference is through with.
    int layers_done() const;
    /// In state kResult; then another inference may begin.
    ClientResult take_result();
    /// Of the last inference, or of the one under way; null: there was none.
    const Profile* profile() const { return profile_.get(); }
    /// Ends the session from outside, for this reason.
    void fail(const std::string& sentence);

private:
    const ClientSessionOptions options_;
    transport::FedChannel channel_{"the server"};
    State state_ = State::kHandshake;
    ClientModel model_;
    std::unique_ptr<Profile> profile_;
    std::unique_ptr<ClientInference> inference_;  // refers to the others
    std::uint32_t next_ = 0;
};

}  // namespace flash::protocol
