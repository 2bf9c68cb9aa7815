// A server that a test plays: it has no weights and follows no protocol but that of the messages. What it sends is the
// test's choice, and what an unmodified client answers is recorded.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/activation/composite/composite_activation.h"
#include "protocol/client_inference.h"
#include "protocol/client_model.h"
#include "scheme/composite.h"

namespace flash::testing {

using Bytes = std::vector<std::uint8_t>;

/// Payloads of one inference. The sizes are those that the client expects; a function may return another one. Each may
/// look at what the client has sent so far.
class PlayedServer {
public:
    explicit PlayedServer(const protocol::ClientModel& known) : known_(known), composite_(known.architecture) {}
    virtual ~PlayedServer() = default;

    /// These are called in the order of the protocol. By default: fixed seeds, keys, vectors and responses of zeros,
    /// which a client accepts.
    virtual Bytes setup(const transport::Message& start);
    virtual Bytes linear_response(int layer, int polynomial);
    virtual Bytes vectors(int layer, std::size_t number);
    virtual Bytes result_share();
    /// All messages that answer the uploads of a layer, before they are sent: to swap, repeat or drop some.
    virtual void rearrange(int /*layer*/, std::vector<transport::Message>& /*messages*/) {}
    /// Whether every message is sent before any upload has come.
    virtual bool ahead_of_everything() const { return false; }

    const protocol::ClientModel& known() const { return known_; }
    const protocol::CompositeActivation& composite() const { return composite_; }
    const scheme::CompositeRing& ring() const { return *composite_.ring(); }
    std::size_t response_bytes(int layer, int polynomial) const;

private:
    const protocol::ClientModel& known_;
    const protocol::CompositeActivation composite_;
};

/// What a client did.
struct PlayedRun {
    std::vector<transport::Message> sent;  ///< all of it, in its order
    std::optional<protocol::ClientResult> result;
    std::string error;  ///< the sentence of the error that it ended with, if it did

    /// Payloads of one type, in order.
    std::vector<const transport::Message*> of(transport::MessageType type) const;
};

/// An input that is this value everywhere.
inline std::vector<std::int32_t> picture_of(const protocol::ClientModel& known, std::int32_t value) {
    return std::vector<std::int32_t>(static_cast<std::size_t>(known.architecture.input.size()), value);
}

/// Runs the client against it. client_seed: 0 for a fresh one.
PlayedRun play(PlayedServer& server, const std::vector<std::int32_t>& picture, std::uint64_t client_seed = 0,
               protocol::ShareProbe* probe = nullptr);

/// One half of a ciphertext, packed, with these residues: value(part, i) below part's modulus.
Bytes packed_half(const scheme::CompositeRing& ring,
                  const std::function<std::uint64_t(const lattice::Modulus&, std::size_t)>& value);

/// The nonce of the activations, from what a client started with.
PublicSeed activation_nonce(const transport::Message& start);

/// A linear response with these halves: a of n words, b of one word for each result, both mod 2^32.
Bytes packed_response(const protocol::ClientModel& known, int layer, int polynomial, std::vector<std::uint32_t> a,
                      std::vector<std::uint32_t> b);

}  // namespace flash::testing
