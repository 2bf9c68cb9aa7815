#include "comparison/replay.h"

#include "base/error.h"
#include "protocol/local_parties.h"
#include "protocol/message_types.h"
#include "protocol/server_inference.h"
#include "transport/frame.h"

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
    for (int l = 0; l < model.activation().layers(); ++l)
        recording.first_vectors.push_back(model.activation().first_vectors(l));
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
    recording.result = protocol::run_local(model, protocol::client_model(model), input,
                                           {.client_seed = SecretSeed::for_testing(client_seed),
                                            .server_seed = SecretSeed::for_testing(server_seed),
                                            .connection = std::move(options)})
                           .client;
    return recording;
}

ReplayChannel::ReplayChannel(const Recording& recording, std::function<void(const Message&)> on_send)
    : first_vectors_(recording.first_vectors),
      on_send_(std::move(on_send)) {
    for (const Message& message : recording.client) waiting_[message.type].push_back(message);
}

void ReplayChannel::send(Message message) {
    const std::lock_guard lock(mutex_);
    ++traffic_.messages_sent;
    traffic_.bytes_sent += transport::frame_bytes(message);
    if (message.type == protocol::message_type::kServerVectors) {
        ++vectors_sent_;
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
        throw Error(ErrorKind::kNetwork,
                    std::string("the recording has no more messages of type ") + protocol::name_of(type));
    if (type == protocol::message_type::kProductResponse && !changed_.wait_for(lock, kPatience, [&] {
            return failed_ || vectors_sent_ > first_vectors_.at(queue.front().layer) + queue.front().index;
        }))
        throw Error(ErrorKind::kTimeout, "the replayed server did not send the vectors of an activation");
    if (failed_) throw Error(ErrorKind::kNetwork, "the replay has failed");
    Message message = std::move(queue.front());
    queue.pop_front();
    ++traffic_.messages_received;
    traffic_.bytes_received += transport::frame_bytes(message);
    return message;
}

Message ReplayChannel::receive_any(std::chrono::milliseconds) { return receive(protocol::message_type::kStart); }

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
    const Message start = channel.receive(protocol::message_type::kStart);
    const auto begin = ReplayChannel::Clock::now();
    protocol::ServerInference(model, channel, SecretSeed::for_testing(recording.server_seed)).run(start);
    return std::chrono::duration<double>(ReplayChannel::Clock::now() - begin).count();
}

}  // namespace flash::comparison
