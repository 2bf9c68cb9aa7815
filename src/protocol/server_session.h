// One client at the server: handshake, then any number of inferences, until the client leaves.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/profile.h"
#include "protocol/messages.h"
#include "protocol/prepared_model.h"
#include "protocol/probe.h"
#include "transport/channel.h"

namespace flash::protocol {

struct ServerSessionOptions {
    /// For the hello, and then for the first start: a client that has not shown any work yet has less patience to
    /// expect.
    std::chrono::milliseconds first_timeout{20'000};
    std::chrono::milliseconds idle_timeout{300'000};  ///< between inferences
    std::chrono::milliseconds timeout{30'000};        ///< for each awaited message within one
    /// Asked between inferences and while idle; true ends the session politely.
    const std::atomic<bool>* stop = nullptr;
    /// Most inferences that a client may have run at a time; ChooseModel may give fewer.
    std::uint32_t in_flight = 4;
    /// Called when an inference is asked for, when its first upload is there, and after it with its seconds: each on
    /// the thread of the inference, of which as many may run at a time as the client was given. The first two may throw
    /// an Error, whose sentence the client is told.
    std::function<void(std::uint32_t number)> on_start;
    std::function<void(std::uint32_t number)> on_upload;
    std::function<void(std::uint32_t number, double seconds)> on_inference;
    /// In place of on_inference after one that on_start was called for and that did not end well, while its exception
    /// is being handled.
    std::function<void(std::uint32_t number)> on_failure;
    /// Only for `flash eval`, which plays both parties; see probe.h.
    ShareProbe* probe = nullptr;
    /// Asked at the start of each inference, with its number, for an empty profile of the server's (or null) that
    /// outlives it.
    std::function<Profile*(std::uint32_t number)> profile;
};

struct ServerSessionSummary {
    std::uint32_t inferences = 0;
};

/// What a client gets.
struct Chosen {
    std::shared_ptr<const PreparedModel> model;
    std::uint32_t in_flight = 1;  ///< inferences that it may have run at a time: at most ClientHello::in_flight
};

/// Chosen by the client's hello, which asks for no more inferences at a time than the options allow. Error is a
/// refusal, which the client is told.
using ChooseModel = std::function<Chosen(const ClientHello& hello)>;

/// For clients that ask what there is. The same holds of an Error.
using ListModels = std::function<std::vector<ModelEntry>(std::span<const char> token)>;

/// Serves one connection to its end. Errors are reported to the client as one sentence and rethrown to the caller; a
/// client that simply leaves between inferences is not an error.
ServerSessionSummary serve_session(const ChooseModel& choose, const ListModels& list, transport::Channel& channel,
                                   const ServerSessionOptions& options = {});
/// The same with one model for all.
ServerSessionSummary serve_session(const PreparedModel& model, transport::Channel& channel,
                                   const ServerSessionOptions& options = {});

/// What a channel takes of a client whose hello is not known yet.
transport::Limits hello_limits(std::chrono::milliseconds timeout);

}  // namespace flash::protocol
