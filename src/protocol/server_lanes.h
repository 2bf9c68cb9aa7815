// A server's side of a connection on which several inferences run at a time, each in a lane and on a thread of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "transport/lanes.h"

namespace flash::protocol {

class ServerLanes {
public:
    /// One inference: its lane, its number within the session, and the message that begins it.
    using Serve = std::function<void(transport::Channel& lane, std::uint32_t number, const transport::Message& start)>;

    /// As of transport::Lanes. serve: called on the threads of the lanes.
    ServerLanes(transport::Channel& line, std::size_t count, const transport::Limits& each, Serve serve);
    /// Ends what runs.
    ~ServerLanes();
    ServerLanes(const ServerLanes&) = delete;
    ServerLanes& operator=(const ServerLanes&) = delete;

    /// Serves until the client leaves while nothing runs, or `stopping` says so while nothing runs. The first error of
    /// an inference ends its lane, of which the client is told, and lets those end that run; none begins any more, and
    /// then it is thrown. So what one of them is refused costs no other one its answer. patience: between inferences;
    /// throws Error(kTimeout) after it.
    void run(const std::function<bool()>& stopping, const std::function<std::chrono::milliseconds()>& patience);

private:
    /// Before a message is in its lane. Error(kProtocol) where no inference was asked for that it could be of.
    void count(const transport::Lanes::Arrival& arrival);
    void work(std::size_t lane);
    /// False: none begins any more.
    bool enter();
    /// asked: it was counted as such.
    void leave(std::size_t lane, bool asked, std::exception_ptr failure);
    /// Of a lane that ended between inferences, and with it those that were asked for in it and had not begun: else
    /// they would count as running for as long as the connection lasts. failure: as of leave().
    void give_up(std::size_t lane, std::exception_ptr failure);
    void join();

    transport::Lanes lanes_;
    const Serve serve_;
    std::vector<std::thread> threads_;  // of the lanes that were used
    std::mutex mutex_;
    std::size_t asked_ = 0;              // inferences that were asked for and have not ended
    std::vector<std::size_t> asked_of_;  // the same by lane
    std::size_t running_ = 0;            // those that a thread has begun with
    std::exception_ptr failure_;
    std::chrono::steady_clock::time_point idle_since_ = std::chrono::steady_clock::now();
};

}  // namespace flash::protocol
