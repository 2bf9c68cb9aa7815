#include "protocol/session_memory.h"

#include <algorithm>

#include "base/cores.h"
#include "protocol/client_model.h"
#include "protocol/messages.h"
#include "transport/channel.h"

namespace flash::protocol {

namespace {

constexpr std::uint64_t kWord = sizeof(std::uint32_t);
/// The id of each ciphertext of an inference, which is kept to its end.
constexpr std::uint64_t kIdBytes = 64;
/// Polynomials that a key takes: at the server two factors, each with its quotients, of 64 bits.
constexpr std::uint64_t kKeyPolynomials = 8;

/// Of so many of a stream's polynomials.
std::uint64_t polynomial_bytes(const packing::Stream& stream, std::int64_t count) {
    return static_cast<std::uint64_t>(count) * stream.degree() * kWord;
}

/// What the layers leave for later ones, as one party sees them in turn.
class Live {
public:
    Live(const model::Architecture& architecture, const packing::Plan& plan)
        : architecture_(architecture),
          plan_(plan),
          last_upload_(plan.layers.size(), -1) {
        for (const packing::Stream& stream : plan.streams) {
            int& last = last_upload_[stream.source];
            last = std::max(last, stream.first_layer);
        }
    }
    /// Shares of the values that this layer or a later one uploads, and a scaled copy of one, pooled before.
    std::uint64_t shares(int layer) const {
        std::uint64_t words = 0, copies = 0;
        for (int value = 0; value <= layer; ++value)
            if (last_upload_[value] >= layer)
                words += static_cast<std::uint64_t>(architecture_.value_shape(value).size());
        for (int id : plan_.layers[layer].uploads) {
            const packing::Stream& stream = plan_.streams[id];
            copies = std::max(copies, (stream.pool ? 2 : 1) * static_cast<std::uint64_t>(stream.shape.size()));
        }
        return kWord * (words + copies);
    }
    /// Uploaded ciphertexts that this layer or a later one reads.
    std::uint64_t streams(int layer) const {
        std::uint64_t bytes = 0;
        for (const packing::Stream& stream : plan_.streams)
            if (stream.first_layer <= layer && layer <= stream.last_layer)
                bytes += polynomial_bytes(stream, stream.polynomials());
        return bytes;
    }

private:
    const model::Architecture& architecture_;
    const packing::Plan& plan_;
    std::vector<int> last_upload_;
};

}  // namespace

SessionMemory session_memory(const model::Architecture& architecture, const packing::Plan& plan,
                             const InferenceCost& cost) {
    const Live live(architecture, plan);
    std::uint64_t server_layer = 0, client_layer = 0, largest_output = 0, vectors = 0, uploads = 0, chunks = 0,
                  ciphertexts = 0;
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
        const packing::LinearPlan& linear = plan.layers[l];
        const LayerCost& bytes = cost.layers[l];
        const std::uint64_t output = kWord * static_cast<std::uint64_t>(architecture.layers[l].output.size());
        std::uint64_t read = 0;  // what a product makes of its inputs: four words for each of a band's
        for (int id : linear.term_streams) {
            const packing::Stream& stream = plan.streams[id];
            read = std::max(read, 4 * polynomial_bytes(stream, stream.polynomials_per_band));
        }
        const std::uint64_t results = linear.result_words(0) * kWord;
        const std::uint64_t kept = live.shares(static_cast<int>(l));
        // The share before the activation and after it; responses that a slow client has not taken.
        server_layer =
            std::max(server_layer, kept + live.streams(static_cast<int>(l)) +
                                       std::max(bytes.upload, read + results + bytes.linear_response) + 2 * output);
        client_layer = std::max(client_layer, kept + 2 * output + bytes.product_response);
        largest_output = std::max(largest_output, output);
        vectors += bytes.server_vectors;
        uploads += bytes.upload;
        chunks += static_cast<std::uint64_t>(bytes.activation_chunks);
        ciphertexts += static_cast<std::uint64_t>(bytes.upload_ciphertexts);
    }
    std::uint64_t keys = 0;  // transformed, and their public halves
    for (const packing::KeyName& key : plan.keys()) keys += kKeyPolynomials * key.degree * kWord;
    std::uint64_t transforms = 0;  // of the public polynomials, which the client keeps: twice the words
    for (const packing::Stream& stream : plan.streams) transforms += 2 * polynomial_bytes(stream, stream.polynomials());
    std::uint64_t prepared_uploads = 0;
    for (const packing::Stream& stream : plan.streams)
        prepared_uploads += polynomial_bytes(stream, stream.polynomials());
    const auto capped = [](std::uint64_t bytes, std::uint64_t most) { return std::min(bytes, most); };
    const std::uint64_t vector_ids = vectors / (transport::kFrameHeaderBytes + cost.activation.vectors) *
                                     static_cast<std::uint64_t>(cost.activation.products);
    SessionMemory memory;
    // The thread that makes vectors ahead holds the shares of its own layer.
    const auto threads = static_cast<std::uint64_t>(available_cores());
    const ActivationSizes& activation = cost.activation;
    memory.server = keys + activation.server_kept + threads * activation.server_working + server_layer +
                    largest_output + server_queue_bytes(cost) + capped(vectors, kSendQueueBytes) + kSendQueueBytes +
                    vector_ids * kIdBytes;
    memory.client =
        keys + activation.client_kept + threads * activation.client_working + client_layer + client_queue_bytes(cost) -
        kAheadBytes + capped(vectors, kAheadBytes) + capped(uploads, kSendQueueBytes) + kSendQueueBytes +
        capped(chunks * cost.activation.prepared, kPreparedBytes) + capped(prepared_uploads, kPreparedUploadBytes) +
        capped(transforms, ModelPublics::kMaxTransformBytes) + ciphertexts * kIdBytes;
    return memory;
}

}  // namespace flash::protocol
