// Several conversations on one connection: each lane is a channel of its own with queues of its own, and its messages
// carry its number. Nothing on the way asks a lane whether it has room: what a peer may send ahead is bounded by the
// lane's limits, and more is a protocol error. So whoever reads the line never waits for a lane, and no lane for
// another.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "transport/channel.h"

namespace flash::transport {

class Lanes {
public:
    /// line: outlives this; its limits get `count` lanes, and the queue of all of them. each: the limits of a lane.
    /// peer: names the other side in sentences, e.g. "the server".
    Lanes(Channel& line, std::size_t count, const Limits& each, const std::string& peer);
    ~Lanes();
    Lanes(const Lanes&) = delete;
    Lanes& operator=(const Lanes&) = delete;

    std::size_t size() const { return lanes_.size(); }
    /// Until this goes. fail() and close() end this lane only: the peer's is told the sentence of fail(), unless the
    /// line is full, and nothing by close(). What a lane has sent before still leaves.
    Channel& lane(std::size_t number);

    /// Of a message that was put into its lane.
    struct Arrival {
        std::size_t lane = 0;
        MessageType type{};
    };
    /// Takes the next message from the line and puts it into its lane; by one thread at a time. Nothing if none came in
    /// `wait`. Once the line is broken, or the peer has sent a lane more than it may, this throws why, and so do the
    /// lanes; where the line has only ended, once what came before is taken. The line is left to its owner.
    /// look: called before the message is in its lane, where somebody may take it at once; what it throws ends the
    /// lanes.
    std::optional<Arrival> deliver(std::chrono::milliseconds wait,
                                   const std::function<void(const Arrival& arrival)>& look = {});
    /// Ends all lanes here: with this error, or once what has come is taken.
    void close(const std::string& sentence);
    void fail(ErrorKind kind, const std::string& sentence);

private:
    class Lane;

    Channel& line_;
    std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace flash::transport
