#include "comparison/replay.h"

#include <exception>
#include <thread>

#include "base/error.h"
#include "protocol/server_inference.h"
#include "transport/frame.h"
#include "transport/loopback.h"

namespace flash::comparison {

using transport::Message;
using transport::MessageType;

namespace {

constexpr std::chrono::minutes kPatience{10};

}  // namespace

Recording record_inference(const protocol::PreparedModel& model, std::span<const std::int32_t> input,
                           std::uint64_t client_seed, std::uint64_t server_seed) {
    Recording recording;
    recording.server_seed = server_seed;
    transport::LoopbackOptions options;
    options.limits.timeout = kPatience;
    options.first_to_second = [&](Message message) {
        recording.client.push_back(message);
        return std::optional(std::move(message));
    };
    options.second_to_first = [&](Message message) {
        recording.server.push_back(message);
        return std::optional(std::move(message));
    };
    auto [client_end, server_end] = transport::make_loopback(std::move(options));
    transport::Limits limits;
    limits.max_queued = protocol::client_queue_bytes(model.cost());
    limits.max_payload = protocol::client_payload_bytes(model.architecture());
    limits.timeout = kPatience;
    client_end->set_limits(limits);
    limits = {};
    limits.max_queued = protocol::server_queue_bytes(model.cost());
    limits.timeout = kPatience;
    server_end->set_limits(limits);

    std::exception_ptr failure;
    std::thread server([&, end = server_end.get()] {
        try {
            const Message start = end->receive(MessageType::kStart);
            protocol::ServerInference(model, *end, SecretSeed::for_testing(server_seed)).run(start);
        } catch (...) {
            failure = std::current_exception();
            end->fail("the server failed");
        }
    });
    try {
        const protocol::ClientModel known(model.architecture(), model.fingerprint());
        recording.result =
            protocol::ClientInference(known, *client_end, SecretSeed::for_testing(client_seed)).run(input, 0);
    } catch (...) {
        if (!failure) failure = std::current_exception();
        client_end->fail("the client failed");
    }
    server.join();
    if (failure) std::rethrow_exception(failure);
    return recording;
}

ReplayChannel::ReplayChannel(const Recording& recording, std::function<void(const Message&)> on_send)
    : on_send_(std::move(on_send)) {
    for (const Message& message : recording.client) waiting_[message.type].push_back(message);
}

void ReplayChannel::send(Message message) {
    const std::lock_guard lock(mutex_);
    ++traffic_.messages_sent;
    traffic_.bytes_sent += transport::frame_bytes(message);
    if (message.type == MessageType::kActivationKeys) {
        keys_sent_.emplace(message.layer, message.index);
        changed_.notify_all();
    }
    if (on_send_) on_send_(message);
    times_[message.type].last_sent = Clock::now();
}

Message ReplayChannel::receive(MessageType type) {
    std::unique_lock lock(mutex_);
    Times& times = times_[type];
    if (!times.first_asked) times.first_asked = Clock::now();
    std::deque<Message>& queue = waiting_[type];
    if (queue.empty())
        throw Error(ErrorKind::kNetwork, std::string("the recording has no more messages of type ") + to_string(type));
    if (type == MessageType::kProductResponse && !changed_.wait_for(lock, kPatience, [&] {
            return failed_ || keys_sent_.contains({queue.front().layer, queue.front().index});
        }))
        throw Error(ErrorKind::kTimeout, "the replayed server did not send the keys of an activation");
    if (failed_) throw Error(ErrorKind::kNetwork, "the replay has failed");
    Message message = std::move(queue.front());
    queue.pop_front();
    ++traffic_.messages_received;
    traffic_.bytes_received += transport::frame_bytes(message);
    return message;
}

Message ReplayChannel::receive_any(std::chrono::milliseconds) { return receive(MessageType::kStart); }

transport::Traffic ReplayChannel::traffic() const {
    const std::lock_guard lock(mutex_);
    return traffic_;
}

std::optional<Error> ReplayChannel::error() const {
    const std::lock_guard lock(mutex_);
    return failed_ ? std::optional(Error(ErrorKind::kNetwork, "the replay has failed")) : std::nullopt;
}

void ReplayChannel::fail(const std::string&) noexcept {
    const std::lock_guard lock(mutex_);
    failed_ = true;
    changed_.notify_all();
}

double ReplayChannel::seconds_between(MessageType asked, MessageType sent) const {
    const std::lock_guard lock(mutex_);
    const auto from = times_.find(asked), to = times_.find(sent);
    if (from == times_.end() || to == times_.end() || !from->second.first_asked || !to->second.last_sent)
        throw Error(ErrorKind::kInternal, "the replay did not come that far");
    return std::chrono::duration<double>(*to->second.last_sent - *from->second.first_asked).count();
}

double replay_server(const protocol::PreparedModel& model, const Recording& recording, ReplayChannel& channel) {
    const Message start = channel.receive(MessageType::kStart);
    const auto begin = ReplayChannel::Clock::now();
    protocol::ServerInference(model, channel, SecretSeed::for_testing(recording.server_seed)).run(start);
    return std::chrono::duration<double>(ReplayChannel::Clock::now() - begin).count();
}

}  // namespace flash::comparison
