// One client at the server: handshake, then any number of inferences, until the client leaves.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>

#include "base/profile.h"
#include "protocol/prepared_model.h"
#include "protocol/probe.h"
#include "transport/channel.h"

namespace flash::protocol {

struct ServerSessionOptions {
    std::chrono::milliseconds idle_timeout{300'000};  ///< between inferences
    std::chrono::milliseconds timeout{30'000};        ///< for each awaited message within one
    /// Asked between inferences and while idle; true ends the session politely.
    const std::atomic<bool>* stop = nullptr;
    /// Called after each inference with its seconds; for logs.
    std::function<void(double seconds)> on_inference;
    /// Only for `flash eval`, which plays both parties; see probe.h.
    ShareProbe* probe = nullptr;
    /// Asked at the start of each inference, with its number, for an empty profile of the server's (or null) that
    /// outlives it.
    std::function<Profile*(std::uint32_t number)> profile;
};

struct ServerSessionSummary {
    std::uint32_t inferences = 0;
};

/// Serves one connection to its end. Errors are reported to the client as one sentence and rethrown to the caller; a
/// client that simply leaves between inferences is not an error.
ServerSessionSummary serve_session(const PreparedModel& model, transport::Channel& channel,
                                   const ServerSessionOptions& options = {});

}  // namespace flash::protocol
