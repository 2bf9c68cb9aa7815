#include "flash/client.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
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
    Impl(ClientOptions options, const std::stop_token& stop) {
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
        require(options.in_flight >= 1 && options.in_flight <= static_cast<int>(protocol::kMaxInFlight),
                ErrorKind::kInvalidArgument, "in_flight is 1 to 64");
        session_options_.in_flight = static_cast<std::uint32_t>(options.in_flight);
        const protocol::ClientModel& model = connect(stop)->model();
        info_ = api::info_of(model.architecture, model.fingerprint, model.cost);
        session_options_.expected_fingerprint = model.fingerprint;  // the same model on every connection
    }

    const ModelInfo& info() const { return info_; }

    Answer infer(std::span<const float> input, const Progress& progress, const std::stop_token& stop) {
        api::check_input(info_, input);
        for (int made = 0;;) {
            const std::shared_ptr<protocol::ClientSession> session = connect(stop, &made);
            try {
                return answer_of(*session, session->infer(input, progress, nullptr, stop), input);
            } catch (const protocol::SessionOver&) {
                leave(session);  // it waited for one that failed, or the server has left: nothing of it was sent
                if (made >= protocol::SessionOver::kMostInARow) throw;
            } catch (const Error&) {
                leave(session);
                if (stop.stop_requested()) throw Error(ErrorKind::kCancelled, "the inference was cancelled");
                throw;
            } catch (...) {
                leave(session);
                throw;
            }
        }
    }

    int in_flight() const { return in_flight_; }

private:
    static Answer answer_of(const protocol::ClientSession& session, protocol::ClientResult result,
                            std::span<const float> input) {
        const model::Architecture& architecture = session.model().architecture;
        Answer answer;
        answer.unreliable = model::doubt(architecture, result.x, result.logits);
        answer.clamped = data::clamped_share(architecture, input);
        answer.logits = std::move(result.logits);
        answer.seconds = result.took;
        answer.round_trips = result.round_trips;
        answer.bytes_sent = result.traffic.bytes_sent;
        answer.bytes_received = result.traffic.bytes_received;
        return answer;
    }
    /// The present session, or a new one, which one thread makes at a time, and which `count` counts. Error(kCancelled)
    /// soon after `stop`.
    std::shared_ptr<protocol::ClientSession> connect(const std::stop_token& stop, int* count = nullptr) {
        std::unique_lock lock(mutex_);
        connected_.wait(lock, stop, [&] { return !connecting_; });
        if (stop.stop_requested()) throw Error(ErrorKind::kCancelled, "cancelled before it began");
        if (session_) return session_;
        connecting_ = true;
        lock.unlock();
        std::shared_ptr<protocol::ClientSession> made;
        std::exception_ptr failure;
        try {
            made = std::make_shared<protocol::ClientSession>(transport::connect_tls(connection_, stop),
                                                             session_options_, stop);
        } catch (...) {
            failure = std::current_exception();
        }
        lock.lock();
        connecting_ = false;
        connected_.notify_all();
        if (failure) std::rethrow_exception(failure);
        if (count) ++*count;
        in_flight_ = static_cast<int>(made->in_flight());
        return session_ = std::move(made);
    }
    /// If it takes nothing new, it is left to those that still run on it.
    void leave(const std::shared_ptr<protocol::ClientSession>& session) {
        const std::lock_guard lock(mutex_);
        if (session_ == session && session->is_over()) session_.reset();
    }

    transport::ClientOptions connection_;
    protocol::ClientSessionOptions session_options_;  // unchanged once the constructor is done
    ModelInfo info_;
    std::mutex mutex_;
    std::condition_variable_any connected_;  // or not: connecting is over
    bool connecting_ = false;
    std::shared_ptr<protocol::ClientSession> session_;
    std::atomic<int> in_flight_ = 1;
};

Client::Client(ClientOptions options, const std::stop_token& stop)
    : impl_(std::make_unique<Impl>(std::move(options), stop)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

const ModelInfo& Client::model() const { return impl_->info(); }
int Client::in_flight() const { return impl_->in_flight(); }

Answer Client::infer(std::span<const float> input, const Progress& progress, const std::stop_token& stop) {
    return impl_->infer(input, progress, stop);
}

std::future<Answer> Client::infer_async(std::vector<float> input, Progress progress, std::stop_token stop) {
    return std::async(std::launch::async, [impl = impl_.get(), input = std::move(input), progress = std::move(progress),
                                           stop = std::move(stop)] { return impl->infer(input, progress, stop); });
}

}  // namespace flash
