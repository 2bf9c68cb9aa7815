#include "flash/client.h"

#include <algorithm>
#include <mutex>

#include "api/info.h"
#include "base/secret.h"
#include "data/preprocess.h"
#include "model/ranking.h"
#include "protocol/client_session.h"
#include "transport/address.h"
#include "transport/tls.h"

namespace flash {

class Client::Impl {
public:
    explicit Impl(ClientOptions options) {
        const transport::Address address = transport::parse_address(options.address);
        connection_.host = address.host;
        connection_.port = address.port;
        connection_.pinned_fingerprint = std::move(options.pin);
        connection_.ca_file = std::move(options.ca_file);
        connection_.timeout = connection_.limits.timeout = session_options_.timeout = options.timeout;
        session_options_.policy.trust_server = options.trust_server;
        session_options_.policy.large_ring_only = options.large_ring_only;
        session_options_.model = std::move(options.model);
        if (!options.token.empty()) {
            SecretVector<char> token(options.token.size());
            std::ranges::copy(options.token, token.data());
            wipe(options.token.data(), options.token.size());
            session_options_.token = std::make_shared<const SecretVector<char>>(std::move(token));
        }
        if (options.fingerprint) {
            Sha256 fingerprint{};
            if (!from_hex(*options.fingerprint, fingerprint))
                throw Error(ErrorKind::kInvalidArgument, "a model fingerprint is 64 hexadecimal digits");
            session_options_.expected_fingerprint = fingerprint;
        }
        connect();
        const protocol::ClientModel& model = session_->model();
        info_ = api::info_of(model.architecture, model.fingerprint, model.cost);
        session_options_.expected_fingerprint = model.fingerprint;  // the same model on every connection
    }

    const ModelInfo& info() const { return info_; }

    Answer infer(std::span<const float> input, const Progress& progress, const std::stop_token& stop) {
        api::check_input(info_, input);
        const std::lock_guard lock(one_at_a_time_);
        if (stop.stop_requested()) throw Error(ErrorKind::kCancelled, "cancelled before it began");
        if (!session_) connect();
        const transport::Traffic before = channel_->traffic();
        const auto began = std::chrono::steady_clock::now();
        protocol::ClientResult result;
        try {
            // Closing the channel wakes every thread of the inference that waits for the server.
            const std::stop_callback cancel(stop, [this] { channel_->fail("the client cancelled the inference"); });
            result = session_->infer(input, progress);
        } catch (const Error&) {
            session_.reset();
            if (stop.stop_requested()) throw Error(ErrorKind::kCancelled, "the inference was cancelled");
            throw;
        } catch (...) {
            session_.reset();
            throw;
        }
        const transport::Traffic after = channel_->traffic();
        const model::Architecture& architecture = session_->model().architecture;
        Answer answer;
        answer.unreliable = model::doubt(architecture, result.x, result.logits);
        answer.clamped = data::clamped_share(architecture, input);
        answer.logits = std::move(result.logits);
        answer.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        answer.round_trips = result.round_trips;
        answer.bytes_sent = after.bytes_sent - before.bytes_sent;
        answer.bytes_received = after.bytes_received - before.bytes_received;
        // Asked to stop when all was there: the answer stands, but the channel has been closed.
        if (stop.stop_requested()) session_.reset();
        return answer;
    }

private:
    void connect() {
        std::unique_ptr<transport::Channel> channel = transport::connect_tls(connection_);
        channel_ = channel.get();
        session_.emplace(std::move(channel), session_options_);
    }

    transport::ClientOptions connection_;
    protocol::ClientSessionOptions session_options_;
    ModelInfo info_;
    std::mutex one_at_a_time_;
    std::optional<protocol::ClientSession> session_;
    transport::Channel* channel_ = nullptr;  // of session_
};

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

const ModelInfo& Client::model() const { return impl_->info(); }

Answer Client::infer(std::span<const float> input, const Progress& progress, const std::stop_token& stop) {
    return impl_->infer(input, progress, stop);
}

std::future<Answer> Client::infer_async(std::vector<float> input, Progress progress, std::stop_token stop) {
    return std::async(std::launch::async, [impl = impl_.get(), input = std::move(input), progress = std::move(progress),
                                           stop = std::move(stop)] { return impl->infer(input, progress, stop); });
}

}  // namespace flash
