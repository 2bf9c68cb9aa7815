// How a client learns the server's model, message by message: its hello, and what it makes of the answer.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/hash.h"
#include "base/secret.h"
#include "protocol/client_model.h"
#include "protocol/client_policy.h"
#include "transport/channel.h"

namespace flash::protocol {

struct ClientSessionOptions {
    std::string model;                                ///< its name at the server; empty: the only one
    std::shared_ptr<const SecretVector<char>> token;  ///< to show to the server; null: none
    std::optional<Sha256> expected_fingerprint;       ///< refuse any other model
    std::chrono::milliseconds timeout{30'000};        ///< for each awaited message
    std::uint32_t in_flight = 1;                      ///< inferences at a time to ask for; the server may take fewer
    ClientPolicy policy;
};

/// Sets the limits of the handshake and sends the client's hello. Error(kInvalidArgument) for names and tokens that are
/// too long.
void begin_handshake(transport::Channel& channel, const ClientSessionOptions& options);

/// What a client learns in the handshake.
struct ServerOffer {
    ClientModel model;
    std::uint32_t in_flight = 1;  ///< inferences at a time
};

/// The model of a server's hello. Everything in it comes from the server and is checked before use: sizes by the
/// decoder, shapes and counts by parse_architecture, the packing by make_plan, and all that the options demand. Sets
/// the limits of the inferences. Error(kProtocol | kUnsupported).
ServerOffer end_handshake(transport::Channel& channel, const transport::Message& hello,
                          const ClientSessionOptions& options);

}  // namespace flash::protocol
