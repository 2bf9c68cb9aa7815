// Both parties in this process, connected in memory or over TLS on the loopback interface, the latter also as slow as a
// network: for measurements.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "protocol/client_session.h"
#include "protocol/prepared_model.h"
#include "protocol/probe.h"
#include "transport/channel.h"
#include "transport/link.h"

namespace flash::comparison {

struct Connection {
    bool tls = false;                          ///< else in memory
    std::optional<transport::LinkModel> link;  ///< emulated on top, in both directions
};

class LocalSession {
public:
    /// Connects and shakes hands. server_probe may be null; model and probe must outlive the session.
    LocalSession(const protocol::PreparedModel& model, const Connection& connection,
                 protocol::ShareProbe* server_probe = nullptr);
    ~LocalSession();
    LocalSession(const LocalSession&) = delete;
    LocalSession& operator=(const LocalSession&) = delete;

    struct Outcome {
        protocol::ClientResult result;
        double seconds = 0;  ///< of the client, from the input to the logits
        std::uint64_t bytes_up = 0, bytes_down = 0;
    };
    /// One inference; returns when the server has finished it too.
    Outcome infer(std::span<const std::int32_t> input, protocol::ShareProbe* client_probe = nullptr);

private:
    class Server;
    std::unique_ptr<Server> server_;
    std::unique_ptr<protocol::ClientSession> client_;
    std::size_t inferences_ = 0;
};

}  // namespace flash::comparison
