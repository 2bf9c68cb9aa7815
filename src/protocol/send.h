// Sending, with the profile's account of it.
#pragma once

#include <utility>
#include <vector>

#include "base/profile.h"
#include "transport/channel.h"
#include "transport/frame.h"

namespace flash::protocol {

/// Sends the messages in order. The time, back-pressure included, and the bytes go to the layer's send phase.
inline void send_all(transport::Channel& channel, std::vector<transport::Message>& messages, Profile* profile, int layer) {
    ProfileSpan span(profile, layer, Phase::kSend);
    for (transport::Message& message : messages) {
        span.sent(transport::frame_bytes(message));
        channel.send(std::move(message));
    }
}

}  // namespace flash::protocol
