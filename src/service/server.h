// A server that strangers may use: sessions over TLS with the models of a store, bounded in number, memory and time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/seldom.h"
#include "service/access_control.h"
#include "service/budgets.h"
#include "service/memory_budget.h"
#include "service/metrics.h"
#include "service/model_store.h"
#include "service/plain_http.h"
#include "service/site.h"
#include "service/watchdog.h"
#include "service/web_files.h"
#include "transport/tls.h"

namespace flash::service {

struct ServerSettings {
    std::shared_ptr<transport::BoundSocket> socket;  ///< where clients connect
    std::size_t max_sessions = 16;
    std::size_t max_sessions_per_address = 8;
    std::uint32_t in_flight = 4;                     ///< inferences that a session may have run at a time
    std::uint64_t session_memory = 0;                ///< bytes that all sessions together may hold
    std::chrono::seconds first_timeout{30};          ///< from the connection to a client's first upload
    std::chrono::seconds timeout{30};                ///< for each message within an inference
    std::chrono::seconds idle_timeout{300};          ///< between inferences
    std::chrono::seconds inference_timeout{600};     ///< for a whole inference
    std::shared_ptr<const WebFiles> web;             ///< a web page for whoever connects to `listen`; null: none
    bool public_metrics = false;                     ///< /metrics also for whoever connects to `listen`
    std::optional<std::filesystem::path> client_ca;  ///< transport::ServerOptions::client_ca
    std::vector<std::string> proxies;                ///< transport::ServerOptions::proxies
    std::shared_ptr<transport::BoundSocket>
        http;  ///< null: none; otherwise HTTP without TLS, with /metrics, for the operator
};

/// What a server has done and does, in numbers.
struct ServerReport {
    std::size_t sessions = 0, running = 0;  ///< clients that are admitted; inferences
    std::uint64_t inferences = 0, failures = 0, refusals = 0;
};

class Server {
public:
    /// Binds and serves. Store, access control and budgets outlive the server. Error as TlsServer.
    Server(ServerSettings settings, transport::Identity identity, const ModelStore& models, const AccessControl& access,
           Budgets& budgets);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    transport::Address address() const { return tls_->address(); }
    std::string fingerprint() const { return tls_->fingerprint(); }
    ServerReport report() const;
    /// Later connections get this certificate, and the client_ca as its file is now. Error(kFile) if one cannot be
    /// used.
    void replace_identity(transport::Identity identity);
    /// Of ServerSettings::http, with the real port.
    std::optional<transport::Address> http_address() const;
    /// Whether it takes new inferences.
    bool ready() const { return !draining_; }

    /// Takes no new inference: clients are told that it ends, and those that are idle are left. Returns when the
    /// running ones are done, or after this time. True if all were done.
    bool drain(std::chrono::milliseconds time);
    /// Ends what is left.
    void stop();

private:
    class Session;

    HttpSite site(bool with_metrics) const;  // for the operator
    HttpSite site_for(const transport::Peer& peer) const;
    SiteSources sources(bool with_metrics) const;
    std::string metrics_text() const;

    static constexpr int kLines = 20;  // of a kind at once, for clients without an account

    const ServerSettings settings_;
    const ModelStore& models_;
    const AccessControl& access_;
    Budgets& budgets_;
    MemoryBudget memory_;
    Watchdog watchdog_;
    Metrics metrics_;
    std::atomic<std::chrono::system_clock::time_point> certificate_end_;
    std::atomic<bool> draining_{false};
    std::atomic<std::size_t> sessions_{0}, running_{0};
    std::atomic<std::uint64_t> inferences_{0}, failures_{0}, refusals_{0};
    Seldom connected_log_{kLines}, left_log_{kLines}, failure_log_{kLines}, refusal_log_{kLines}, budget_log_;
    std::atomic<const transport::TlsServer*> counted_{nullptr};
    std::unique_ptr<transport::TlsServer> tls_;  // last: their sessions use the members above
    std::unique_ptr<PlainHttp> http_;
};

}  // namespace flash::service
