// What a party accepts of a peer during inferences, from the public plan alone.
#pragma once

#include <chrono>

#include "protocol/client_model.h"
#include "transport/channel.h"

namespace flash::protocol {

/// Error(kUnsupported) as client_queue_bytes. timeout: for each awaited message.
transport::Limits client_limits(const ClientModel& model, std::chrono::milliseconds timeout);
transport::Limits server_limits(const InferenceCost& cost, std::chrono::milliseconds timeout);

}  // namespace flash::protocol
