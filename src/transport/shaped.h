// An emulated link: a channel that sends over another one no faster and no earlier than a network with the given
// bandwidth and round trip would. Measurements on one machine wrap both ends, of a loopback pair or of a TLS
// connection.
#pragma once

#include <memory>

#include "transport/channel.h"
#include "transport/link.h"

namespace flash::transport {

/// What this end sends is shaped: frames, headers included, leave one after the other at the link's bandwidth (those
/// ahead of need when no other waits) and reach the inner channel half a round trip later. What it receives comes as
/// the other end sent it, so that end is wrapped too.
///
/// The contract of Channel holds, with these remarks. Limits::max_send_queue counts what has not left yet; what is
/// under way, bandwidth times delay, is not counted. fail() drops both and reaches the inner channel at once. close()
/// takes as long as the link needs for the rest. A message counts as sent in traffic() when send() takes it.
///
/// limits: those that `inner` has. One thread per shaped channel waits for the moments; it never spins.
std::unique_ptr<Channel> make_shaped(std::unique_ptr<Channel> inner, const LinkModel& link, const Limits& limits = {});

}  // namespace flash::transport
