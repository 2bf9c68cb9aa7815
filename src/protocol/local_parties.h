// Both parties of one inference in this process, connected in memory: for measurements, recordings and tests. (Sessions
// with a handshake: protocol/local_session.h.)
#pragma once

#include <span>

#include "base/profile.h"
#include "base/secret.h"
#include "protocol/client_inference.h"
#include "protocol/prepared_model.h"
#include "protocol/probe.h"
#include "transport/loopback.h"

namespace flash::protocol {

/// What a client knows of this model, without a handshake.
ClientModel client_model(const PreparedModel& model);

struct LocalParties {
    SecretSeed client_seed = SecretSeed::generate(), server_seed = SecretSeed::generate();
    ShareProbe *client_probe = nullptr, *server_probe = nullptr;
    Profile *client_profile = nullptr, *server_profile = nullptr;  ///< empty ones, or null
    Ahead client_ahead = Ahead::kThreads;
    /// The client is the first end. Of its limits the timeout counts; the others are those of sessions.
    transport::LoopbackOptions connection;
};

struct LocalResult {
    ClientResult client;
    transport::Traffic traffic;  ///< as the client saw it
};

/// Runs one inference. Throws what went wrong, at the server first.
LocalResult run_local(const PreparedModel& model, const ClientModel& known, std::span<const std::int32_t> input,
                      LocalParties parties = {});

}  // namespace flash::protocol
