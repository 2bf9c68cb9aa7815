#include "protocol/server_lanes.h"

#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "protocol/flow/failure.h"
#include "protocol/message_types.h"

namespace flash::protocol {

namespace {

using Clock = std::chrono::steady_clock;

/// While nothing runs, and while something does, whose end may have to be seen.
constexpr std::chrono::milliseconds kIdlePoll{200}, kBusyPoll{20};
/// A lane without an inference waits for as long as its connection lasts.
constexpr std::chrono::hours kForever{24 * 365};

}  // namespace

ServerLanes::ServerLanes(transport::Channel& line, std::size_t count, const transport::Limits& each, Serve serve)
    : lanes_(line, count, each, "the client"),
      serve_(std::move(serve)),
      threads_(count),
      asked_of_(count) {}

ServerLanes::~ServerLanes() {
    try {
        lanes_.fail(ErrorKind::kNetwork, "this side has closed the connection");
    } catch (...) {  // no memory for the sentences
        for (std::size_t i = 0; i < lanes_.size(); ++i) lanes_.lane(i).close();
    }
    join();
}

void ServerLanes::join() {
    for (std::thread& thread : threads_)
        if (thread.joinable()) thread.join();
}

void ServerLanes::run(const std::function<bool()>& stopping,
                      const std::function<std::chrono::milliseconds()>& patience) {
    for (;;) {
        bool idle = false;
        {
            const std::lock_guard lock(mutex_);
            idle = asked_ == 0;
            if (failure_ && running_ == 0) std::rethrow_exception(failure_);
            if (idle && stopping()) return;
            if (idle && Clock::now() - idle_since_ >= patience())
                throw Error(ErrorKind::kTimeout, "the client was idle for too long");
        }
        std::optional<transport::Lanes::Arrival> arrival;
        try {
            arrival = lanes_.deliver(idle ? kIdlePoll : kBusyPoll, [this](const auto& next) { count(next); });
        } catch (const Error& error) {
            // The lanes have ended, too: what runs ends well if all has come, or with the same error, or with one that
            // explains it.
            join();
            if (failure_) std::rethrow_exception(failure_);
            if (error.kind() == ErrorKind::kNetwork && asked_ == 0) return;  // the client has left
            throw;
        }
        if (arrival && arrival->type == message_type::kStart && !threads_[arrival->lane].joinable())
            threads_[arrival->lane] = std::thread([this, lane = arrival->lane] { work(lane); });
    }
}

void ServerLanes::count(const transport::Lanes::Arrival& arrival) {
    const std::lock_guard lock(mutex_);
    if (arrival.type == message_type::kStart) {
        ++asked_;
        ++asked_of_[arrival.lane];
    } else if (!failure_ && asked_of_[arrival.lane] == 0 && arrival.type != transport::MessageType::kError) {
        throw Error(ErrorKind::kProtocol,
                    "expected a start in lane " + std::to_string(arrival.lane) + ", got " + name_of(arrival.type));
    }
}

void ServerLanes::work(std::size_t lane) {
    transport::Channel& channel = lanes_.lane(lane);
    for (std::size_t number = lane;; number += lanes_.size()) {
        transport::Message start;
        // Nothing may leave this function: it would end the program.
        try {
            start = channel.receive_any(kForever);
        } catch (const Error& error) {
            // The client has ended this lane, which takes no start any more; else the connection ends, as run() sees.
            give_up(lane, error.kind() == ErrorKind::kRemote ? std::current_exception() : nullptr);
            return;
        } catch (...) {
            give_up(lane, std::current_exception());
            return;
        }
        if (!enter()) return;
        const bool asked = start.type == message_type::kStart;
        try {
            if (!asked || start.layer != 0 || start.index != number)
                throw Error(ErrorKind::kProtocol, "expected the start of inference " + std::to_string(number) +
                                                      ", got " + name_of(start.type));
            serve_(channel, static_cast<std::uint32_t>(number), start);
            leave(lane, asked, nullptr);
        } catch (...) {
            const std::exception_ptr failure = std::current_exception();
            try {
                channel.fail(failure_sentence(Party::kServer));
            } catch (...) {  // no memory for the sentence
                channel.close();
            }
            leave(lane, asked, failure);
        }
    }
}

void ServerLanes::give_up(std::size_t lane, std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    asked_ -= std::exchange(asked_of_[lane], 0);
    idle_since_ = Clock::now();
    if (failure && !failure_) failure_ = std::move(failure);
}

bool ServerLanes::enter() {
    const std::lock_guard lock(mutex_);
    if (failure_) return false;
    ++running_;
    return true;
}

void ServerLanes::leave(std::size_t lane, bool asked, std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    --running_;
    asked_ -= asked;
    asked_of_[lane] -= asked;
    idle_since_ = Clock::now();
    if (failure && !failure_) failure_ = std::move(failure);
}

}  // namespace flash::protocol
