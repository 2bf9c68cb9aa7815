#include "app/infer_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "app/infer.h"
#include "app/warning.h"
#include "service/model_name.h"
#include "transport/refusal.h"

namespace flash::app {

namespace {

constexpr std::chrono::seconds kLongestPause{30};  // between two attempts
constexpr std::chrono::seconds kLongestObeyed{
    3'600};  // that a server may ask for; beyond it there is no use in waiting

}  // namespace

InferClient::InferClient(const InferCommand& command) : retries_(command.retries) {
    options_ = client_options(command);
    session_options_.timeout = command.timeout;
    session_options_.in_flight = static_cast<std::uint32_t>(command.in_flight);
    session_options_.token = client_token(command);
    session_options_.policy.trust_server = command.trust_server;
    session_options_.policy.large_ring_only = command.large_ring;
    // Names are shorter than fingerprints.
    if (command.model && command.model->size() >= 2 * std::tuple_size_v<Sha256>) {
        Sha256 fingerprint{};
        if (!from_hex(*command.model, fingerprint))
            throw Error(ErrorKind::kInvalidArgument, "a model fingerprint is 64 hexadecimal digits");
        expect(fingerprint);
    } else if (command.model) {
        service::parse_model_name(*command.model);
        session_options_.model = *command.model;
    }
}

void InferClient::expect(const Sha256& fingerprint) {
    const std::lock_guard lock(mutex_);
    session_options_.expected_fingerprint = fingerprint;
}

std::shared_ptr<protocol::ClientSession> InferClient::connect(int* count) {
    const std::lock_guard lock(mutex_);
    if (session_) return session_;
    session_ = std::make_shared<protocol::ClientSession>(transport::connect_tls(options_), session_options_);
    if (count) ++*count;
    session_options_.expected_fingerprint = session_->model().fingerprint;
    const std::size_t asked = session_options_.in_flight, taken = session_->in_flight();
    if (taken < asked && !std::exchange(has_warned_, true))
        warn(fmt::format("the server takes {} of {} inferences at a time on a connection", taken, asked));
    return session_;
}

void InferClient::leave(const std::shared_ptr<protocol::ClientSession>& session) {
    const std::lock_guard lock(mutex_);
    if (session && session_ == session && session->is_over()) session_.reset();
}

bool InferClient::is_passing(const Error& error) {
    if (transport::retry_after(error.what()) > kLongestObeyed || transport::is_denied(error.what())) return false;
    return error.kind() == ErrorKind::kNetwork || error.kind() == ErrorKind::kTimeout ||
           error.kind() == ErrorKind::kRemote;
}

void InferClient::pause_after(const Error& error, int attempt) {
    const auto pause = transport::retry_after(error.what())
                           .value_or(std::min(std::chrono::seconds(1 << std::min(attempt, 5)), kLongestPause));
    warn(fmt::format("{}; trying again in {} s", error.what(), pause.count()));
    std::this_thread::sleep_for(pause);
}

}  // namespace flash::app
