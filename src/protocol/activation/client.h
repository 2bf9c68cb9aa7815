// The client's side of the activations of one inference.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace flash::protocol {

/// What an answer needs that does not depend on the server's vectors or on the pre-activations. Good for ONE answer,
/// which consumes it; wiped on destruction.
class PreparedAnswer {
public:
    virtual ~PreparedAnswer() = default;

protected:
    PreparedAnswer() = default;
    PreparedAnswer(const PreparedAnswer&) = delete;
    PreparedAnswer& operator=(const PreparedAnswer&) = delete;
};

/// Thread-safe, once it has begun. Shares and pre-activations are spans of whole layers, in CHW order; a function reads
/// or writes those of its chunk.
class ActivationClient {
public:
    virtual ~ActivationClient() = default;

    /// What the server needs to begin (sizes().start bytes). Public.
    virtual std::vector<std::uint8_t> start() const = 0;
    /// Takes what the server's setup() gave: needed before anything else. Once.
    /// Error(kProtocol) if it is malformed.
    virtual void begin(std::span<const std::uint8_t> setup) = 0;

    /// Made ahead of need, once for each chunk: whoever prepares a second answer to a chunk gives away the difference
    /// of two.
    virtual std::unique_ptr<PreparedAnswer> prepare(int layer, std::size_t chunk) const = 0;

    /// The answer to a chunk (sizes().answer bytes), from its vectors (sizes().vectors bytes, as received) and the
    /// client's shares U_c of the pre-activations. share: gets the client's shares of the activations, which come out
    /// of the answer. Error(kProtocol) on malformed vectors.
    virtual std::vector<std::uint8_t> answer(int layer, std::size_t chunk, std::unique_ptr<PreparedAnswer> prepared,
                                             std::span<const std::uint8_t> vectors,
                                             std::span<const std::uint32_t> pre_activations,
                                             std::span<std::uint32_t> share) const = 0;
};

}  // namespace flash::protocol
