// The client's connection of `flash infer`.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/error.h"
#include "protocol/client_session.h"
#include "transport/tls.h"

namespace flash::app {

struct InferCommand;

/// A session with the server, made anew where an inference on it failed. Thread-safe; as many inferences run at a time
/// as the session takes.
class InferClient {
public:
    /// Connects when it is used. Error(kInvalidArgument) for a malformed address, pin or fingerprint.
    explicit InferClient(const InferCommand& command);

    /// Insists on this model on every connection.
    void expect(const Sha256& fingerprint);
    /// Connects if it is not connected, which `count` counts. Does not try again.
    std::shared_ptr<protocol::ClientSession> connect(int* count = nullptr);

    /// Runs `use` on a session. What the network or the other party is to blame for is tried again, after a pause that
    /// doubles, or that the server asks for, on a fresh connection. Inferences that run on the session meanwhile end
    /// there; those that had to wait for one that failed, or find that the server has left since the last one, go to
    /// the fresh connection at once.
    template <class Use>
    auto with_session(Use&& use) {
        for (int attempt = 0, made = 0;;) {
            std::shared_ptr<protocol::ClientSession> session;
            try {
                session = connect(&made);
                return use(*session);
            } catch (const protocol::SessionOver&) {
                leave(session);
                if (made >= protocol::SessionOver::kMostInARow) throw;
            } catch (const Error& error) {
                leave(session);
                session.reset();  // not kept through the pause
                if (!is_passing(error) || attempt >= retries_) throw;
                pause_after(error, attempt++);
            }
        }
    }

    /// Whether another attempt may succeed: the network or the other party is to blame.
    static bool is_passing(const Error& error);

private:
    static void pause_after(const Error& error, int attempt);
    /// If it takes nothing new, it is left to those that still run on it.
    void leave(const std::shared_ptr<protocol::ClientSession>& session);

    const int retries_;
    transport::ClientOptions options_;
    std::mutex mutex_;
    protocol::ClientSessionOptions session_options_;
    std::shared_ptr<protocol::ClientSession> session_;
    bool has_warned_ = false;
};

}  // namespace flash::app
