#include "protocol/cost.h"

#include <algorithm>

#include "base/error.h"
#include "protocol/messages.h"
#include "transport/channel.h"

namespace flash::protocol {

namespace {
constexpr std::uint64_t kHeader = transport::kFrameHeaderBytes;
constexpr std::size_t kSlack = std::size_t{1} << 20;
}  // namespace

std::uint64_t InferenceCost::up() const {
    std::uint64_t sum = start_up;
    for (const LayerCost& layer : layers) sum += layer.up();
    return sum;
}

std::uint64_t InferenceCost::down() const {
    std::uint64_t sum = start_down;
    for (const LayerCost& layer : layers) sum += layer.down();
    return sum;
}

InferenceCost cost_of(const model::Architecture& architecture, const packing::Plan& plan) {
    return cost_of(architecture, plan, *make_activation(architecture));
}

InferenceCost cost_of(const model::Architecture& architecture, const packing::Plan& plan,
                      const Activation& activation) {
    InferenceCost cost;
    cost.activation = activation.sizes();
    cost.start_up = kHeader + start_bytes(plan) + cost.activation.start + kHeader;
    cost.start_down = kHeader + cost.activation.setup;
    cost.round_trips = static_cast<int>(architecture.layers.size());
    for (std::size_t l = 0; l < architecture.layers.size(); ++l) {
        const model::Layer& layer = architecture.layers[l];
        const packing::LinearPlan& linear = plan.layers[l];
        LayerCost c;
        for (int id : linear.uploads) {
            const packing::Stream& stream = plan.streams[id];
            c.upload_ciphertexts += stream.polynomials();
            c.upload += static_cast<std::uint64_t>(stream.polynomials()) * (kHeader + upload_bytes(stream));
        }
        c.response_ciphertexts = linear.polynomials();
        for (int p = 0; p < linear.polynomials(); ++p)
            c.linear_response += kHeader + linear_response_bytes(linear.degree(), layer.share_bits,
                                                                 packing::result_count(linear, layer.output, p));
        if (layer.activation) {
            c.activation_values = layer.output.size();
            const int index = static_cast<int>(l);
            const std::uint64_t chunks = activation.chunks(index);
            c.activation_chunks = static_cast<std::int64_t>(chunks);
            const std::uint64_t messages = activation.vectors_end(index) - activation.vectors_end(index - 1);
            c.vector_messages = static_cast<std::int64_t>(messages);
            c.server_vectors = messages * (kHeader + cost.activation.vectors);
            c.product_response = chunks * (kHeader + cost.activation.answer);
        } else {
            c.linear_response +=
                kHeader + result_share_bytes(layer.share_bits, static_cast<std::size_t>(layer.output.size()));
        }
        cost.layers.push_back(c);
    }
    return cost;
}

std::size_t upload_window_bytes(const InferenceCost& cost) {
    std::uint64_t largest = 0;
    for (const LayerCost& layer : cost.layers) largest = std::max(largest, layer.upload);
    return static_cast<std::size_t>(largest) + kUploadAheadBytes;
}

std::size_t server_queue_bytes(const InferenceCost& cost) {
    // Uploads within the client's window, and its answers to the layer at work. Small messages count for more than
    // their bytes: slack.
    std::uint64_t uploads = 0, answers = 0;
    for (const LayerCost& layer : cost.layers) {
        uploads += layer.upload;
        answers = std::max(answers, layer.product_response);
    }
    uploads = std::min(uploads, static_cast<std::uint64_t>(upload_window_bytes(cost)));
    return static_cast<std::size_t>(uploads + uploads / 8 + answers + answers / 8 + cost.start_up) + kSlack;
}

std::size_t client_queue_bytes(const InferenceCost& cost) {
    std::uint64_t largest = 0;
    for (const LayerCost& layer : cost.layers) largest = std::max(largest, layer.linear_response);
    const std::uint64_t bytes = largest + cost.start_down + kAheadBytes + kSlack;
    // The architecture comes from the server: it must not choose how much memory the client is ready to fill.
    if (bytes > kMaxClientQueueBytes)
        throw Error(ErrorKind::kUnsupported, "a layer of the server's model sends " + std::to_string(largest) +
                                                 " bytes at once; at most " + std::to_string(kMaxClientQueueBytes) +
                                                 " are accepted");
    return static_cast<std::size_t>(bytes);
}

void check_client_shares(const InferenceCost& cost) {
    std::uint64_t bytes = 0;
    for (const LayerCost& layer : cost.layers)
        bytes += static_cast<std::uint64_t>(layer.activation_values) * sizeof(std::uint32_t);
    // Small messages can describe any number of large layers: the memory has to be looked at by itself.
    if (bytes > kMaxClientShareBytes)
        throw Error(ErrorKind::kUnsupported, "the client's shares of the activations of the server's model take " +
                                                 std::to_string(bytes) + " bytes; at most " +
                                                 std::to_string(kMaxClientShareBytes) + " are accepted");
}

std::size_t client_payload_bytes(const model::Architecture& architecture, const InferenceCost& cost) {
    const model::Layer& last = architecture.layers.back();
    return std::max({cost.activation.vectors, cost.activation.setup, cost.activation.answer,
                     static_cast<std::size_t>(cost.start_up), scheme::kMaxDirectDegree * sizeof(std::uint32_t),
                     linear_response_bytes(scheme::kMaxDirectDegree, model::kMaxShareBits, scheme::kMaxDirectDegree),
                     result_share_bytes(last.share_bits, static_cast<std::size_t>(last.output.size()))});
}

}  // namespace flash::protocol
