#include "protocol/session_limits.h"

#include <algorithm>

#include "protocol/message_types.h"
#include "protocol/messages.h"

namespace flash::protocol {

transport::Limits client_limits(const ClientModel& model, std::chrono::milliseconds timeout) {
    transport::Limits limits;
    limits.timeout = timeout;
    limits.name_of = name_of;
    limits.max_send_queue = kSendQueueBytes;
    limits.max_queued = client_queue_bytes(model.cost);
    limits.max_payload = client_payload_bytes(model.architecture, model.cost);
    return limits;
}

transport::Limits server_limits(const InferenceCost& cost, std::chrono::milliseconds timeout) {
    transport::Limits limits;
    limits.timeout = timeout;
    limits.name_of = name_of;
    limits.max_send_queue = kSendQueueBytes;
    limits.max_queued = server_queue_bytes(cost);
    limits.max_payload = std::max(limits.max_payload, static_cast<std::size_t>(cost.start_up));
    return limits;
}

}  // namespace flash::protocol
