// Ends connections whose work takes longer than it may, whatever their threads are blocked in: the timeouts of a
// channel are for single messages, and a client that sends one byte now and then never meets them.
#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "transport/channel.h"

namespace flash::service {

/// Thread-safe. One thread for all connections.
class Watchdog {
public:
    using Clock = std::chrono::steady_clock;

    Watchdog();
    ~Watchdog();
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;

    /// Watches one channel, which outlives it; not longer than the watchdog.
    class Watch {
    public:
        Watch(Watchdog& dog, transport::Channel& channel);
        ~Watch();
        Watch(const Watch&) = delete;
        Watch& operator=(const Watch&) = delete;
        /// From now on; replaces the deadline before. When it passes, the channel fails with this sentence.
        void arm(std::chrono::milliseconds time, std::string sentence);
        void disarm();
        /// The sentence, if a deadline has passed.
        std::optional<std::string> bitten() const;

    private:
        friend class Watchdog;
        Watchdog& dog_;
        transport::Channel& channel_;
        // Under the dog's mutex.
        std::optional<Clock::time_point> deadline_;
        std::string sentence_;
        bool bitten_ = false;
        std::list<Watch*>::iterator place_;
    };

private:
    void run();

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::list<Watch*> watches_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace flash::service
