// Messages that are made in parallel and leave in order, each as soon as those before it have left: the peer works on the first while
// the last are still being made.
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/profile.h"
#include "transport/channel.h"

namespace flash::protocol {

class OrderedSender {
public:
    /// For `count` messages of one layer, whose sending is recorded in the profile.
    OrderedSender(transport::Channel& channel, std::size_t count, Profile* profile, int layer)
        : channel_(channel), profile_(profile), layer_(layer), waiting_(count) {}

    /// Message number `index`, once each. Sends it and what waited for it, unless another thread is sending: then that one does. Blocks
    /// while the channel's queue is full. Throws what Channel::send throws; nothing is sent after that.
    void put(std::size_t index, transport::Message message) {
        std::unique_lock lock(mutex_);
        waiting_[index] = std::move(message);
        if (sending_) return;
        sending_ = true;
        while (next_ < waiting_.size() && waiting_[next_]) {
            transport::Message out = std::move(*waiting_[next_]);
            waiting_[next_++].reset();
            lock.unlock();
            {
                ProfileSpan span(profile_, layer_, Phase::kSend);
                span.sent(transport::kFrameHeaderBytes + out.payload.size());
                channel_.send(std::move(out));
            }
            lock.lock();
        }
        sending_ = false;
    }

private:
    transport::Channel& channel_;
    Profile* profile_;
    const int layer_;
    std::mutex mutex_;
    std::vector<std::optional<transport::Message>> waiting_;
    std::size_t next_ = 0;
    bool sending_ = false;  // stays set after a failure
};

}  // namespace flash::protocol
