// How a network's activations are computed on shares: everything about it that is public, and the objects of both
// parties. The rest of the protocol (messages, threads, costs, memory) knows an activation by these interfaces alone.
//
// Each value that an activation is applied to lies in one chunk of its layer. The server makes encrypted vectors ahead
// of need, message by message, which depend on nothing but its own masks; the client answers each chunk with one
// message, for which it needs the chunk's pre-activations and one message of vectors; the server finishes its share
// with the answer. Messages of vectors are numbered through the network: chunk c of a layer needs number
// first_vectors(layer) + c, so the last chunk of a layer and the first of the next one may share vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "base/secret.h"
#include "model/architecture.h"
#include "protocol/activation/client.h"
#include "protocol/activation/server.h"

namespace flash::protocol {

/// Bytes of the payloads, and what is kept of them.
struct ActivationSizes {
    std::size_t start = 0;        ///< end of the start message, client -> server
    std::size_t setup = 0;        ///< start reply, server -> client
    std::size_t vectors = 0;      ///< one message of server vectors
    std::size_t answer = 0;       ///< of one chunk, client -> server
    std::size_t prepared = 0;     ///< memory of one prepared answer, at the client
    std::size_t server_kept = 0;  ///< memory of a party through an inference
    std::size_t client_kept = 0;
    std::size_t server_working = 0;  ///< memory of each thread that makes vectors, answers or finishes
    std::size_t client_working = 0;
    std::size_t values_per_chunk = 0;  ///< at most
    int products = 0;                  ///< vectors in one message: each is multiplied by one of the client's
};

/// A part of a layer that lies in one chunk.
struct ChunkPart {
    std::size_t chunk = 0, count = 0;
};

/// Immutable and shared by all sessions; the parties' objects refer to it.
class Activation {
public:
    virtual ~Activation() = default;
    Activation(const Activation&) = delete;
    Activation& operator=(const Activation&) = delete;

    const ActivationSizes& sizes() const { return sizes_; }
    int layers() const { return static_cast<int>(layers_.size()); }
    /// 0 for a layer without an activation.
    std::size_t chunks(int layer) const { return at(layer).chunks; }
    /// Number of the vectors of the layer's first chunk.
    std::size_t first_vectors(int layer) const { return at(layer).first_vectors; }
    /// One after the last that this layer or one before needs.
    std::size_t vectors_end(int layer) const { return layer < 0 ? 0 : at(layer).vectors_end; }
    /// Whether no later layer needs the vectors of this chunk.
    bool last_use_of_vectors(int layer, std::size_t chunk) const;

    /// Values of the layer in one chunk.
    virtual std::size_t values_in(int layer, std::size_t chunk) const = 0;
    /// Where an element of the layer lies, and how many from it on lie in the same chunk.
    virtual ChunkPart part_at(int layer, std::size_t element) const = 0;

    /// log2 of a bound of the probability that a value of one inference is not exactly the activation; minus infinity
    /// if none ever is. The bound counts the network's real answers.
    virtual double log2_wrong_inference() const { return -std::numeric_limits<double>::infinity(); }

    /// Whether the server guards its model against clients that add the vectors of a later layer to the answers of an
    /// earlier one: then no two layers share vectors, and those of a layer leave when all answers of the layers before
    /// it have come. The server's choice; both parties must know it (docs/security.md).
    virtual bool guarded() const { return false; }

    /// The parties of one inference. curves: of all layers, must outlive the server; start: what the client's start()
    /// gave (sizes().start bytes: Error(kProtocol) otherwise); seed: secret, the party's only randomness.
    virtual std::unique_ptr<ActivationServer> server(std::span<const ActivationCurve> curves,
                                                     std::span<const std::uint8_t> start,
                                                     const SecretSeed& seed) const = 0;
    virtual std::unique_ptr<ActivationClient> client(const SecretSeed& seed) const = 0;

protected:
    struct LayerChunks {
        std::size_t chunks = 0, first_vectors = 0, vectors_end = 0;
    };
    Activation(const ActivationSizes& sizes, std::vector<LayerChunks> layers)
        : sizes_(sizes),
          layers_(std::move(layers)) {}

private:
    const LayerChunks& at(int layer) const { return layers_[static_cast<std::size_t>(layer)]; }

    const ActivationSizes sizes_;
    const std::vector<LayerChunks> layers_;
};

/// The activation that models of this architecture are served with (composite/); guarded: what
/// Activation::guarded() says. Error(kUnsupported) if there is none.
std::shared_ptr<const Activation> make_activation(const model::Architecture& architecture, bool guarded = false);

}  // namespace flash::protocol
