// Both parties in this process, connected in memory or over TLS on the loopback interface, the latter also as slow as a
// network: for measurements and evaluation.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "protocol/client_session.h"
#include "protocol/prepared_model.h"
#include "protocol/probe.h"
#include "transport/channel.h"
#include "transport/link.h"

namespace flash::protocol {

struct Connection {
    bool tls = false;                          ///< else in memory
    std::optional<transport::LinkModel> link;  ///< emulated on top, in both directions
};

class LocalSession {
public:
    /// Connects and shakes hands. server_probe may be null; server_profile as ServerSessionOptions::profile. model and
    /// probe must outlive the session.
    LocalSession(const PreparedModel& model, const Connection& connection, ShareProbe* server_probe = nullptr,
                 std::function<Profile*(std::uint32_t number)> server_profile = {});
    ~LocalSession();
    LocalSession(const LocalSession&) = delete;
    LocalSession& operator=(const LocalSession&) = delete;

    /// One inference; returns when the server has finished it too.
    ClientResult infer(std::span<const std::int32_t> input, ShareProbe* client_probe = nullptr,
                       Profile* client_profile = nullptr);

private:
    class Server;
    std::unique_ptr<Server> server_;
    std::unique_ptr<ClientSession> client_;
    std::size_t inferences_ = 0;
};

}  // namespace flash::protocol
