// The client's connection of `flash infer`.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/error.h"
#include "protocol/client_session.h"
#include "transport/tls.h"

namespace flash::app {

struct InferCommand;

/// A session with the server, made anew where an inference on it failed. For one thread at a time.
class InferClient {
public:
    /// Connects when it is used. Error(kInvalidArgument) for a malformed address, pin or fingerprint.
    explicit InferClient(const InferCommand& command);

    /// Insists on this model on every connection.
    void expect(const Sha256& fingerprint) { session_options_.expected_fingerprint = fingerprint; }
    /// Connects if it is not connected. Does not try again.
    void connect();

    /// Runs `use` on a session. What the network or the other party is to blame for is tried again, after a pause that
    /// doubles, or that the server asks for, on a fresh connection.
    template <class Use>
    auto with_session(Use&& use) {
        for (int attempt = 0;; ++attempt) {
            try {
                connect();
                return use(*session_);
            } catch (const Error& error) {
                session_.reset();
                if (!is_passing(error) || attempt >= retries_) throw;
                pause_after(error, attempt);
            }
        }
    }

    /// Whether another attempt may succeed: the network or the other party is to blame.
    static bool is_passing(const Error& error);

private:
    static void pause_after(const Error& error, int attempt);
    int retries_;
    transport::ClientOptions options_;
    protocol::ClientSessionOptions session_options_;
    std::unique_ptr<protocol::ClientSession> session_;
};

}  // namespace flash::app
