// What an inference costs on the wire: exact bytes per layer and message type, and round trips, from the public plan
// alone.
#pragma once

#include <cstdint>
#include <vector>

#include "model/architecture.h"
#include "packing/plan.h"
#include "protocol/activation/activation.h"

namespace flash::protocol {

/// All byte counts include the frame headers.
struct LayerCost {
    std::int64_t upload_ciphertexts = 0;
    std::int64_t response_ciphertexts = 0;
    std::int64_t activation_chunks = 0;  ///< answers
    std::int64_t vector_messages = 0;    ///< fewer where layers share vectors
    std::int64_t activation_values = 0;
    std::uint64_t upload = 0;            ///< client -> server: kUpload
    std::uint64_t linear_response = 0;   ///< server -> client: kLinearResponse (and kResultShare for the last layer)
    std::uint64_t server_vectors = 0;    ///< server -> client, ahead of need
    std::uint64_t product_response = 0;  ///< client -> server
    std::uint64_t up() const { return upload + product_response; }
    std::uint64_t down() const { return linear_response + server_vectors; }
};

struct InferenceCost {
    std::vector<LayerCost> layers;
    ActivationSizes activation;
    std::uint64_t start_up = 0;    ///< kStart and kFinish
    std::uint64_t start_down = 0;  ///< kStartReply
    int round_trips = 0;
    std::uint64_t up() const;
    std::uint64_t down() const;
};

InferenceCost cost_of(const model::Architecture& architecture, const packing::Plan& plan, const Activation& activation);
/// With the activation of make_activation(). Error(kUnsupported) for plaintext moduli that the activation cannot run:
/// both parties come here first.
InferenceCost cost_of(const model::Architecture& architecture, const packing::Plan& plan);

/// Bytes of uploads that the client may have sent without an answer: those of its largest layer, and kUploadAheadBytes.
std::size_t upload_window_bytes(const InferenceCost& cost);

/// Largest amount of received and unconsumed data that an honest peer can cause: what Limits::max_queued must allow.
std::size_t server_queue_bytes(const InferenceCost& cost);
/// Error(kUnsupported) above kMaxClientQueueBytes.
std::size_t client_queue_bytes(const InferenceCost& cost);
inline constexpr std::uint64_t kMaxClientQueueBytes = std::uint64_t{1} << 30;

/// Error(kUnsupported) if the client's shares of all activations, which may have to be kept to the end, take more than
/// kMaxClientShareBytes.
void check_client_shares(const InferenceCost& cost);
inline constexpr std::uint64_t kMaxClientShareBytes = std::uint64_t{1} << 30;

/// Largest single payload that a client gets or sends during inferences.
std::size_t client_payload_bytes(const model::Architecture& architecture, const InferenceCost& cost);

}  // namespace flash::protocol
