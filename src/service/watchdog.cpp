#include "service/watchdog.h"

#include <utility>

namespace flash::service {

Watchdog::Watchdog() : thread_([this] { run(); }) {}

Watchdog::~Watchdog() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        changed_.notify_all();
    }
    thread_.join();
}

void Watchdog::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        const Clock::time_point now = Clock::now();
        std::optional<Clock::time_point> next;
        for (Watch* watch : watches_) {
            if (!watch->deadline_) continue;
            if (*watch->deadline_ <= now) {
                watch->deadline_.reset();
                watch->bitten_ = true;
                watch->channel_.fail(watch->sentence_);  // does not block; the channel lives while its watch does
            } else if (!next || *watch->deadline_ < *next) {
                next = watch->deadline_;
            }
        }
        if (next)
            changed_.wait_until(lock, *next);
        else
            changed_.wait(lock);
    }
}

Watchdog::Watch::Watch(Watchdog& dog, transport::Channel& channel) : dog_(dog), channel_(channel) {
    const std::lock_guard lock(dog_.mutex_);
    place_ = dog_.watches_.insert(dog_.watches_.end(), this);
}

Watchdog::Watch::~Watch() {
    const std::lock_guard lock(dog_.mutex_);
    dog_.watches_.erase(place_);
}

void Watchdog::Watch::arm(std::chrono::milliseconds time, std::string sentence) {
    const std::lock_guard lock(dog_.mutex_);
    deadline_ = Clock::now() + time;
    sentence_ = std::move(sentence);
    dog_.changed_.notify_all();
}

void Watchdog::Watch::disarm() {
    const std::lock_guard lock(dog_.mutex_);
    deadline_.reset();
}

std::optional<std::string> Watchdog::Watch::bitten() const {
    const std::lock_guard lock(dog_.mutex_);
    if (!bitten_) return std::nullopt;
    return sentence_;
}

}  // namespace flash::service
