// A client's connection to a server: handshake, then any number of private inferences.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "protocol/client_handshake.h"
#include "protocol/client_inference.h"
#include "protocol/messages.h"
#include "transport/channel.h"

namespace flash::protocol {

/// Asks a server what it offers; the connection is used up. The server's word, printable.
std::vector<ModelEntry> list_models(transport::Channel& channel, std::chrono::milliseconds timeout,
                                    std::span<const char> token = {});

class ClientSession {
public:
    /// Performs the handshake. Error(kProtocol | kRemote) if versions, fingerprint or the architecture do not fit.
    ClientSession(std::unique_ptr<transport::Channel> channel, const ClientSessionOptions& options = {});
    ~ClientSession();

    const ClientModel& model() const { return model_; }
    const transport::Channel& channel() const { return *channel_; }

    /// One private inference on a normalised float picture (CHW). After an Error the session is closed. profile: an
    /// empty one of the client's, for this inference.
    ClientResult infer(std::span<const float> picture, const std::function<void(double)>& progress = {},
                       Profile* profile = nullptr);
    /// The same on integers from model::quantise_input, with a probe for tests and `flash eval`.
    ClientResult infer_integers(std::span<const std::int32_t> input, ShareProbe* probe = nullptr,
                                const std::function<void(double)>& progress = {}, Profile* profile = nullptr);

private:
    std::unique_ptr<transport::Channel> channel_;
    ClientModel model_;
    std::uint32_t next_ = 0;
};

}  // namespace flash::protocol
