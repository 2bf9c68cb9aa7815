#include "protocol/client_session.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/wipe_at_end.h"
#include "model/arithmetic.h"
#include "protocol/flow/failure.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "protocol/session_limits.h"

namespace flash::protocol {

namespace {

/// The reader looks that often whether the session ends.
constexpr std::chrono::milliseconds kPoll{200};
constexpr const char* kCancelled = "the client cancelled the inference";
constexpr const char* kLeft = "the client left during the handshake";

transport::Traffic difference(const transport::Traffic& now, const transport::Traffic& before) {
    return {now.bytes_sent - before.bytes_sent, now.bytes_received - before.bytes_received,
            now.messages_sent - before.messages_sent, now.messages_received - before.messages_received};
}

}  // namespace

std::vector<ModelEntry> list_models(transport::Channel& channel, std::chrono::milliseconds timeout,
                                    std::span<const char> token) {
    transport::Limits limits;
    limits.timeout = timeout;
    limits.name_of = name_of;
    channel.set_limits(limits);
    channel.send({message_type::kListModels, 0, 0, encode_list_models(token)});
    std::vector<ModelEntry> models = decode_model_list(channel.receive(message_type::kModelList).payload);
    channel.close();
    return models;
}

ClientSession::ClientSession(std::unique_ptr<transport::Channel> channel, const ClientSessionOptions& options,
                             const std::stop_token& stop)
    : channel_(std::move(channel)) {
    try {
        ServerOffer offer = [&] {
            // Failing the channel wakes whoever waits in it for the server.
            const std::stop_callback leave(stop, [this] { channel_->fail(kLeft); });
            begin_handshake(*channel_, options);
            return end_handshake(*channel_, channel_->receive(message_type::kServerHello), options);
        }();
        if (stop.stop_requested()) throw Error(ErrorKind::kCancelled, kLeft);  // the channel may have failed
        model_ = std::move(offer.model);
        turns_.resize(offer.in_flight);
        turns_.front().channel = channel_.get();
        if (turns_.size() == 1) return;
        lanes_.emplace(*channel_, turns_.size(), client_limits(model_, options.timeout), "the server");
        for (std::size_t i = 0; i < turns_.size(); ++i) {
            turns_[i].channel = &lanes_->lane(i);
            turns_[i].next = static_cast<std::uint32_t>(i);
        }
        reader_ = std::thread([this] { read_line(); });
    } catch (...) {
        channel_->fail(failure_sentence(Party::kClient));
        if (stop.stop_requested()) throw Error(ErrorKind::kCancelled, kLeft);
        throw;
    }
}

ClientSession::~ClientSession() {
    closing_ = true;
    channel_->close();
    if (reader_.joinable()) reader_.join();
}

void ClientSession::read_line() {
    try {
        while (!closing_) lanes_->deliver(kPoll);
    } catch (...) {  // the lanes have it, and whoever waits in them
    }
}

bool ClientSession::is_over() const {
    const std::lock_guard lock(mutex_);
    return failure_.has_value();
}

ClientSession::Turn& ClientSession::take_turn(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    auto turn = turns_.end();
    changed_.wait(lock, stop, [&] {
        turn = std::ranges::find(turns_, false, &Turn::taken);
        return failure_ || turn != turns_.end();
    });
    if (stop.stop_requested()) throw Error(ErrorKind::kCancelled, "cancelled before it began");
    // The server may have left since the last inference.
    if (!failure_)
        if (const std::optional<Error> broken = turn->channel->error()) failure_ = broken->what();
    if (failure_) throw SessionOver(*failure_);
    turn->taken = true;
    ++running_;
    return *turn;
}

void ClientSession::give_back(Turn& turn, std::optional<std::string> failure) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
    turn.taken = false;
    // The numbers of a session's inferences differ, as their keys are made of them.
    turn.next += static_cast<std::uint32_t>(turns_.size());
    --running_;
    // A lane has told the server by itself, which ends the connection once nothing runs any more.
    if (failure_ && !lanes_) channel_->fail(*failure_);
    changed_.notify_all();
}

ClientResult ClientSession::infer(std::span<const float> picture, const std::function<void(double)>& progress,
                                  Profile* profile, const std::stop_token& stop) {
    std::vector<std::int32_t> input = model::quantise_input(model_.architecture, picture);
    const WipeAtEnd wiped(input);
    return infer_integers(input, nullptr, progress, profile, stop);
}

ClientResult ClientSession::infer_integers(std::span<const std::int32_t> input, ShareProbe* probe,
                                           const std::function<void(double)>& progress, Profile* profile,
                                           const std::stop_token& stop) {
    Turn& turn = take_turn(stop);
    const auto began = std::chrono::steady_clock::now();
    ClientResult result;
    try {
        const transport::Traffic before = turn.channel->traffic();
        // Closing the channel wakes every thread of the inference that waits for the server.
        const std::stop_callback cancel(stop, [&] { turn.channel->fail(kCancelled); });
        ClientInference inference(model_, *turn.channel, SecretSeed::generate(), probe, profile);
        result = inference.run(input, turn.next, progress);
        result.took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        result.traffic = difference(turn.channel->traffic(), before);
    } catch (...) {
        give_back(turn, stop.stop_requested() ? kCancelled : failure_sentence(Party::kClient));
        throw;
    }
    // Asked to stop when all was there: the answer stands, but the channel may have been closed.
    give_back(turn, stop.stop_requested() ? std::optional<std::string>(kCancelled) : std::nullopt);
    return result;
}

}  // namespace flash::protocol
