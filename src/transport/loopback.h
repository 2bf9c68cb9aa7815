// A pair of connected channels in memory: both parties in one process, for private evaluation on one machine, for
// transcripts, and for tests with a hostile peer or a hostile wire.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "transport/channel.h"

namespace flash::transport {

/// Sees every message of one direction on its way: returns it (as it is or changed), or nothing to drop it. Called on
/// the sender's thread, one call at a time per direction, in the order of delivery. It must not send on the same
/// direction. kError messages of fail() pass through it as well.
using Tap = std::function<std::optional<Message>(Message)>;

struct LoopbackOptions {
    Limits limits{};
    Tap first_to_second;
    Tap second_to_first;
    /// Bytes on their way that the receiver has not taken yet, above which send() blocks: a slow link. Without a value
    /// the link takes everything at once, and running further ahead than Limits::max_queued is a protocol error.
    std::optional<std::size_t> window;
};

/// The two ends have the limits, errors and traffic counts of a TLS connection: the receiving end checks type and size
/// of what arrives (after the tap) against its limits, counts what arrived, and fails as it would on a socket.
/// Destroying an end closes it.
std::pair<std::unique_ptr<Channel>, std::unique_ptr<Channel>> make_loopback(LoopbackOptions options = {});

}  // namespace flash::transport
